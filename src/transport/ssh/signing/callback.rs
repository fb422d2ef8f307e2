//! Has libssh2 log in with a signature that is made here: the one place that speaks to C by itself.
//!
//! Boundary: all of the crate's `unsafe` is in this file, and nothing else is; it knows no keys and no formats. The `ssh2` crate does
//! not wrap `libssh2_userauth_publickey`. Next: `signing` makes the signatures.

#![expect(
    unsafe_code,
    reason = "libssh2 takes a function pointer, and what that function makes from its own allocator"
)]

use std::{
    ffi::{CString, c_char, c_int, c_uchar, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
};

use nix::libc::{malloc, size_t};
use ssh2::{Error, ErrorCode, Session};

/// `LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED`, which is also what libssh2 makes of a callback that fails.
const UNVERIFIED: c_int = -19;

/// Makes the signature over the bytes it is given; `None` when it cannot.
type Sign<'a> = &'a dyn Fn(&[u8]) -> Option<Vec<u8>>;

/// `LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC` (libssh2.h).
type Callback = unsafe extern "C" fn(
    session: *mut c_void,
    signature: *mut *mut c_uchar,
    signature_length: *mut size_t,
    data: *const c_uchar,
    data_length: size_t,
    context: *mut *mut c_void,
) -> c_int;

unsafe extern "C" {
    /// libssh2_userauth_publickey(3).
    fn libssh2_userauth_publickey(
        session: *mut c_void,
        user: *const c_char,
        public: *const c_uchar,
        public_length: size_t,
        callback: Callback,
        context: *mut *mut c_void,
    ) -> c_int;
}

/// Logs `user` in with the key or certificate `public` (RFC 4252, section 7). `sign` is called at most once a call, and only when the
/// host would take the key; it makes what is inside the signature's blob, without the name of its format.
///
/// # Errors
/// Those of libssh2; when the call would block it is to be repeated with the same arguments.
pub(in crate::transport::ssh) fn log_in(
    session: &Session,
    user: &str,
    public: &[u8],
    sign: Sign<'_>,
) -> Result<(), Error> {
    let user = CString::new(user)?;
    let mut sign = sign;
    let mut context: *mut c_void = (&raw mut sign).cast();
    let mut locked = session.raw();
    let session = &raw mut *locked;
    // SAFETY: the session is locked until the end of this function. `user` ends with a zero, `public` is as long as is said, and
    // both outlive the call; libssh2 copies what it keeps of them. `context` leads to `sign` as `called_back` takes it; libssh2 hands
    // it on during this call alone, a repeated call brings its own.
    let code = unsafe {
        libssh2_userauth_publickey(
            session.cast(),
            user.as_ptr(),
            public.as_ptr(),
            public.len(),
            called_back,
            &raw mut context,
        )
    };
    match code {
        0 => Ok(()),
        UNVERIFIED => {
            Err(Error::new(ErrorCode::Session(code), "the host did not take the signature, or none could be made"))
        }
        code => Err(Error::from_session_error_raw(session, code)),
    }
}

/// What libssh2 calls for a signature; it frees what it is given with the C library's `free`.
///
/// # Safety
/// `context` leads to a pointer to a [`Sign`], `data` to `data_length` bytes, and the others to places to write to.
unsafe extern "C" fn called_back(
    _session: *mut c_void,
    signature: *mut *mut c_uchar,
    signature_length: *mut size_t,
    data: *const c_uchar,
    data_length: size_t,
    context: *mut *mut c_void,
) -> c_int {
    // SAFETY: by the contract above; `log_in` holds what `context` leads to until libssh2 has returned, and libssh2 its data.
    let (sign, data) = unsafe { ((*context).cast::<Sign<'_>>().read(), slice::from_raw_parts(data, data_length)) };
    // A panic must not pass through libssh2's frames.
    let Ok(Some(made)) = catch_unwind(AssertUnwindSafe(|| sign(data))) else { return UNVERIFIED };
    // SAFETY: `malloc` may be called with any size. Sessions of `ssh2` are made without an allocator of their own, so libssh2 frees
    // this with `free`.
    let memory: *mut c_uchar = unsafe { malloc(made.len()) }.cast();
    if memory.is_null() {
        return UNVERIFIED;
    }
    // SAFETY: `memory` is new, not null and as long as `made`; libssh2 reads the two places when zero is returned.
    unsafe {
        ptr::copy_nonoverlapping(made.as_ptr(), memory, made.len());
        *signature = memory;
        *signature_length = made.len();
    }
    0
}

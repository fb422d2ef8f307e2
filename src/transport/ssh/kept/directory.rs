//! The directory with the sockets of this user's keepers: `k-PID` is a keeper's socket, `s-KEY` a link to the one that
//! holds that session.
//!
//! Boundary: files and their permissions. The directory is this user's alone (0700) and is not used otherwise: whoever reaches a
//! socket can run commands as its user on its host, exactly as with OpenSSH's `ControlPath` (ssh_config(5)).

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
};

use super::Key;

/// Longest path of a socket (unix(7): 108 bytes with the final NUL on Linux, 104 elsewhere).
const LONGEST_PATH: usize = 103;

/// Where the sockets of this user are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The one of the user that this process runs as, by its `XDG_RUNTIME_DIR`.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of_user(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).as_deref())
    }

    /// `mcp` in `runtime` (the XDG base directory specification's `$XDG_RUNTIME_DIR`) if that is there, else `/tmp/mcp-UID`.
    #[must_use]
    pub fn of_user(runtime: Option<&Path>) -> Self {
        let runtime = runtime.filter(|path| path.is_absolute() && path.is_dir());
        let path = runtime.map_or_else(
            || PathBuf::from(format!("/tmp/mcp-{}", rustix::process::geteuid().as_raw())),
            |runtime| runtime.join("mcp"),
        );
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directory if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or it is not this user's alone.
    pub(super) fn make(&self) -> io::Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.check(),
        }
    }

    /// Whether the directory can be trusted: a real one, of this user, closed to all others.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(&self) -> io::Result<()> {
        let metadata = fs::symlink_metadata(&self.path)?;
        let is_ours =
            metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o077 == 0;
        // The longest name in it.
        self.fits(&self.session(Key([0; 16])))?;
        if is_ours { Ok(()) } else { Err(io::Error::new(io::ErrorKind::PermissionDenied, "not this user's alone")) }
    }

    /// Listens for runs as the keeper of this process.
    pub(super) fn listen(&self) -> io::Result<(UnixListener, PathBuf)> {
        self.make()?;
        self.sweep();
        let path = self.path.join(format!("k-{}", std::process::id()));
        self.fits(&path)?;
        // A keeper of the same process id is long gone.
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok((listener, path))
    }

    /// Has `key` lead to the keeper behind `socket`; false when it leads to another that is there, and stays so.
    pub(super) fn publish(&self, key: Key, socket: &Path) -> io::Result<bool> {
        let (Some(name), link) = (socket.file_name(), self.session(key)) else { return Ok(false) };
        self.fits(&link)?;
        loop {
            match std::os::unix::fs::symlink(name, &link) {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Err(_) => {}
            }
            if !self.is_left(&link, socket) {
                return Ok(false);
            }
            match fs::remove_file(&link) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }

    /// Whether nobody listens any more where `link` leads, or only `socket`, which has the name of one that is gone.
    fn is_left(&self, link: &Path, socket: &Path) -> bool {
        let Ok(name) = fs::read_link(link) else { return true };
        let other = self.path.join(name);
        other == socket || matches!(dial(&other), Err(Errno::CONNREFUSED | Errno::NOENT))
    }

    /// Takes the way to `key` away if it still leads to `socket`.
    pub(super) fn withdraw(&self, key: Key, socket: &Path) {
        let link = self.session(key);
        if fs::read_link(&link).is_ok_and(|to| Some(to.as_os_str()) == socket.file_name()) {
            let _ = fs::remove_file(link);
        }
    }

    /// A connection to whoever holds `key`; `None` when nobody does.
    pub(super) fn reach(&self, key: Key) -> Option<UnixStream> {
        let link = self.session(key);
        dial(&link)
            .inspect_err(|error| {
                if *error == Errno::CONNREFUSED {
                    // Its keeper was killed.
                    let _ = fs::remove_file(&link);
                }
            })
            .ok()
    }

    /// The sockets of all keepers.
    pub(super) fn keepers(&self) -> Vec<PathBuf> {
        let entries = self.check().and_then(|()| fs::read_dir(&self.path));
        let mut found: Vec<PathBuf> = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"k-")))
            .collect();
        found.sort();
        found
    }

    /// Removes what killed keepers have left.
    fn sweep(&self) {
        for keeper in self.keepers() {
            if matches!(dial(&keeper), Err(Errno::CONNREFUSED)) {
                let _ = fs::remove_file(keeper);
            }
        }
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let path = entry.path();
            // A link whose keeper's socket is gone.
            if path.is_symlink() && !path.exists() {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn session(&self, key: Key) -> PathBuf {
        self.path.join(format!("s-{}", key.hex()))
    }

    fn fits(&self, path: &Path) -> io::Result<()> {
        if path.as_os_str().len() > LONGEST_PATH {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is too long for a socket"));
        }
        Ok(())
    }
}

/// Connects without waiting: a keeper that was stopped and has a full queue must not hold anybody up.
pub(super) fn dial(path: &Path) -> Result<UnixStream, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn directory() -> (tempfile::TempDir, Directory) {
        let home = tempfile::tempdir().unwrap();
        let directory = Directory::of_user(Some(home.path()));
        (home, directory)
    }

    #[test]
    fn a_session_is_found_while_its_keeper_listens_and_swept_when_it_was_killed() {
        let (_home, directory) = directory();
        let key = Key([7; 16]);
        assert!(directory.reach(key).is_none(), "nothing is made by looking");
        let (listener, socket) = directory.listen().unwrap();
        assert!(directory.publish(key, &socket).unwrap());
        assert!(directory.reach(key).is_some());
        assert_eq!(directory.keepers(), std::slice::from_ref(&socket));
        drop(listener);
        assert!(directory.reach(key).is_none());
        assert!(fs::symlink_metadata(directory.session(key)).is_err(), "a link to nobody is removed");
        assert!(directory.publish(key, &socket).unwrap());
        directory.withdraw(key, Path::new("/elsewhere/k-1"));
        assert!(fs::symlink_metadata(directory.session(key)).is_ok(), "it leads to another keeper");
        directory.sweep();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_session_that_another_keeper_holds_is_left_to_it_until_it_is_gone() {
        let (_home, directory) = directory();
        let (key, (_mine, mine)) = (Key([7; 16]), directory.listen().unwrap());
        let theirs = directory.path().join("k-1");
        let listener = UnixListener::bind(&theirs).unwrap();
        assert!(directory.publish(key, &theirs).unwrap());
        assert!(!directory.publish(key, &mine).unwrap());
        assert_eq!(fs::read_link(directory.session(key)).unwrap(), Path::new("k-1"));
        drop(listener);
        assert!(directory.publish(key, &mine).unwrap());
        assert!(directory.publish(key, &mine).unwrap(), "of an earlier process of the same number");
        assert_eq!(fs::read_link(directory.session(key)).unwrap(), mine.file_name().unwrap());
    }

    #[test]
    fn sockets_and_directory_are_the_user_s_alone_whatever_the_umask() {
        let (_home, directory) = directory();
        let (_listener, socket) = directory.listen().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(directory.path()), mode(&socket)), (0o700, 0o600));
    }

    #[test]
    fn a_directory_that_others_can_enter_is_not_used() {
        let (_home, directory) = directory();
        directory.make().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o750)).unwrap();
        assert!(directory.check().is_err());
        assert!(directory.listen().is_err());
        fs::remove_dir(directory.path()).unwrap();
        let (elsewhere, _) = (tempfile::tempdir().unwrap(), ());
        std::os::unix::fs::symlink(elsewhere.path(), directory.path()).unwrap();
        assert!(directory.make().is_err(), "a link is not followed");
    }
}

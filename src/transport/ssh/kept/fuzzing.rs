//! The fuzzing target of the words between a run and a keeper.
//!
//! Boundary: bytes in, over a socket pair; a panic when something does not hold. Built for tests and fuzzing only.

use std::{io::Write as _, os::unix::net::UnixStream};

use super::{
    frame::{Inbox, Outbox},
    words,
};

/// Most bytes given: they have to fit into the socket's buffer, as nobody reads while they are written.
const MOST: usize = 64 * 1024;

/// Frames: those that come out, written again, are the bytes that went in; and what stands behind headers.
pub(crate) fn frames(data: &[u8]) {
    let data = &data[..data.len().min(MOST)];
    if let Some((key, persist)) = words::attach_from(data) {
        assert_eq!(words::attach_to(key, persist), data);
    }
    if let Some((longest, keys)) = words::ready_from(data) {
        assert_eq!(words::ready_to(longest, &keys.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()), data);
    }
    let end = words::end_from(data);
    assert_eq!(words::end_from(&words::end_to(&end)), end);

    let Ok((mut writer, reader)) = UnixStream::pair() else { return };
    if reader.set_nonblocking(true).is_err() || writer.set_nonblocking(true).is_err() || writer.write_all(data).is_err()
    {
        return;
    }
    let (mut inbox, mut outbox) = (Inbox::default(), Outbox::default());
    let mut taken = 0;
    while inbox.fill(&reader).is_ok_and(|filled| filled == super::frame::Filled::Some) {
        loop {
            let Ok(next) = inbox.peek() else { return };
            let Some(kind) = next else { break };
            let Ok(Some((found, payload))) = inbox.next() else { panic!("a frame that was seen is gone") };
            assert_eq!(found, kind);
            let before = outbox.len();
            outbox.push(kind, payload);
            taken += outbox.len() - before;
        }
    }
    assert!(taken <= data.len(), "{taken} bytes of frames in {}", data.len());
}

//! What stands behind the headers of some frames, in both directions.
//!
//! Boundary: pure; bytes from a keeper are checked, as its program may be another version. Next: `frame` for the headers.

use std::time::Duration;

use super::Key;
use crate::transport::End;

/// Which session is wanted, and how long it is to be kept afterwards: 16 bytes, and milliseconds in 64 bits.
pub(super) fn attach_to(key: Key, persist: Duration) -> Vec<u8> {
    let persist = u64::try_from(persist.as_millis()).unwrap_or(u64::MAX);
    [&key.0[..], &persist.to_be_bytes()].concat()
}

/// The other way round; `None` for anything else.
pub(super) fn attach_from(bytes: &[u8]) -> Option<(Key, Duration)> {
    let (key, persist) = bytes.split_first_chunk::<16>()?;
    Some((Key(*key), Duration::from_millis(u64::from_be_bytes(persist.try_into().ok()?))))
}

/// How a command ended: `e` and a code, `s` and a signal's name, or nothing.
pub(super) fn end_to(end: &End) -> Vec<u8> {
    match end {
        End::Exit(code) => format!("e{code}").into_bytes(),
        End::Signal(name) => format!("s{name}").into_bytes(),
        End::Unsaid | End::Stopped | End::NotBegun(_) => vec![],
    }
}

/// The other way round.
pub(super) fn end_from(word: &[u8]) -> End {
    let text = String::from_utf8_lossy(word);
    match (text.strip_prefix('e').and_then(|code| code.parse().ok()), text.strip_prefix('s')) {
        (Some(code), _) => End::Exit(code),
        (_, Some(name)) => End::Signal(name.to_owned()),
        _ => End::Unsaid,
    }
}

/// The most bytes of a command that the host takes, in 32 bits, and the keys that the hosts on the way have shown, from the outermost
/// jump host in: each behind its length in 32 bits.
pub(super) fn ready_to(longest_command: usize, keys: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + keys.iter().map(|key| key.len() + 4).sum::<usize>());
    bytes.extend(u32::try_from(longest_command).unwrap_or(u32::MAX).to_be_bytes());
    for key in keys {
        bytes.extend(u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(key);
    }
    bytes
}

/// The other way round; `None` when they are cut off.
pub(super) fn ready_from(bytes: &[u8]) -> Option<(usize, Vec<&[u8]>)> {
    let (longest, mut bytes) = bytes.split_first_chunk::<4>()?;
    let mut keys = vec![];
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        keys.push(key);
        bytes = rest;
    }
    Some((usize::try_from(u32::from_be_bytes(*longest)).ok()?, keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_survives_its_way_through_a_frame() {
        for end in [End::Exit(0), End::Exit(255), End::Signal("KILL".to_owned()), End::Unsaid] {
            assert_eq!(end_from(&end_to(&end)), end);
        }
    }

    #[test]
    fn a_wish_for_a_session_survives_its_way() {
        let wish = (Key([7; 16]), Duration::from_millis(1500));
        let bytes = attach_to(wish.0, wish.1);
        assert_eq!(attach_from(&bytes), Some(wish));
        assert_eq!(attach_from(&bytes[..20]), None);
        assert_eq!(attach_from(&[&bytes[..], &[0]].concat()), None);
    }

    #[test]
    fn keys_survive_their_way_and_are_refused_when_cut_off() {
        let keys = [b"outer".to_vec(), vec![], b"inner".to_vec()];
        let bytes = ready_to(9000, &keys);
        assert_eq!(ready_from(&bytes), Some((9000, keys.iter().map(Vec::as_slice).collect())));
        assert_eq!(ready_from(&bytes[..4]), Some((9000, vec![])));
        for end in [0, 3, 5, 8, 12, bytes.len() - 1] {
            assert_eq!(ready_from(&bytes[..end]), None, "{end}");
        }
    }
}

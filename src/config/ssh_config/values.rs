//! Values of single arguments: flags, ports, times.
//!
//! Boundary: text in, values out. Sources: ssh_config(5); sshd_config(5), TIME FORMATS.

/// `StrictHostKeyChecking` (ssh_config(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeyChecking {
    /// `yes`.
    Yes,
    /// `ask`, which is also what holds where nothing is said.
    Ask,
    /// `accept-new`.
    AcceptNew,
    /// `no` or `off`.
    Off,
}

impl HostKeyChecking {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "yes" | "true" => Self::Yes,
            "ask" => Self::Ask,
            "accept-new" => Self::AcceptNew,
            "no" | "off" | "false" => Self::Off,
            _ => return None,
        })
    }
}

/// `CanonicalizeHostname` (ssh_config(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Canonicalize {
    No,
    /// Not for hosts behind a proxy or a jump host.
    Yes,
    Always,
}

impl Canonicalize {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "always" => Some(Self::Always),
            text => flag(text).map(|yes| if yes { Self::Yes } else { Self::No }),
        }
    }
}

/// `yes` or `no`, `true` or `false`, in any case.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}

/// A port, or `ssh`, the one service name that anybody would write.
pub(super) fn port(text: &str) -> Option<u16> {
    if text == "ssh" {
        return Some(22);
    }
    u16::try_from(number(text)?).ok().filter(|port| *port > 0)
}

/// A decimal number as strtonum(3) takes it: space before it, and a sign.
pub(super) fn number(text: &str) -> Option<i64> {
    let digits = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// A time in seconds: `90`, `1m30`, `1h30m`; at most 2³¹-1.
pub(super) fn seconds(text: &str) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    let mut total: u32 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| "sSmMhHdDwW".contains(c)).unwrap_or(rest.len());
        let (digits, unit) = rest.split_at(end);
        let mut letters = unit.chars();
        let factor = match letters.next().map(|unit| unit.to_ascii_lowercase()) {
            None | Some('s') => 1,
            Some('m') => 60,
            Some('h') => 60 * 60,
            Some('d') => 24 * 60 * 60,
            _ => 7 * 24 * 60 * 60,
        };
        rest = letters.as_str();
        let number = u32::try_from(number(digits)?).ok()?;
        total = number.checked_mul(factor).and_then(|more| total.checked_add(more))?;
    }
    i32::try_from(total).is_ok().then_some(total)
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_sums_of_units() {
        for (text, seconds) in [
            ("90", Some(90)),
            ("1m30", Some(90)),
            ("1h30m", Some(5400)),
            ("1W", Some(604_800)),
            ("0", Some(0)),
            ("", None),
            ("s", None),
            ("-1", None),
            ("1.5", None),
            ("1x", None),
            ("1h30m ", None),
            ("99999999999", None),
            ("4000000000", None),
        ] {
            assert_eq!(super::seconds(text), seconds, "{text}");
        }
    }

    #[test]
    fn ports_are_decimal_and_not_zero() {
        for (text, port) in [
            ("22", Some(22)),
            ("022", Some(22)),
            ("+22", Some(22)),
            ("65535", Some(65535)),
            ("ssh", Some(22)),
            ("0", None),
            ("65536", None),
            ("-1", None),
            ("0x16", None),
            ("22a", None),
            ("", None),
        ] {
            assert_eq!(super::port(text), port, "{text}");
        }
    }
}

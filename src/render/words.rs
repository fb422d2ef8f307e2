//! Figures as people read them.
//!
//! Boundary: numbers in, words out; JSON keeps the numbers.

use std::time::Duration;

/// Seconds as the two largest units: `3d4h`, `5m10s`, `0s`.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let Some(first) = units.iter().position(|(size, _)| seconds >= *size) else { return "0s".to_owned() };
    let (size, name) = units[first];
    let mut text = format!("{}{name}", seconds / size);
    if let Some((next, name)) = units.get(first + 1) {
        let rest = seconds % size / next;
        if rest > 0 {
            text.push_str(&format!("{rest}{name}"));
        }
    }
    text
}

/// Bytes in binary units with one digit: `12.3MiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count}B") } else { format!("{value:.1}{}", units[unit]) }
}

/// A run's length: `2.1 s`.
pub(super) fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_their_two_largest_units() {
        let pairs =
            [(0, "0s"), (59, "59s"), (60, "1m"), (310, "5m10s"), (3600, "1h"), (90_061, "1d1h"), (86_401, "1d")];
        for (seconds, text) in pairs {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn bytes_show_one_digit_in_binary_units() {
        let pairs = [(0, "0B"), (1023, "1023B"), (1024, "1.0KiB"), (12_900_000, "12.3MiB"), (u64::MAX, "16384.0PiB")];
        for (count, text) in pairs {
            assert_eq!(bytes(count), text);
        }
    }
}

//! Numbers as docker prints them: percents and sizes.
//!
//! Boundary: one cell of text to one number.

/// `51.60%`; `--` is none.
pub(super) fn percent(text: &str) -> Option<f64> {
    text.trim().trim_end_matches('%').trim_end().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0)
}

/// `320KiB / 23.54GiB`; each side may be `--`.
pub(super) fn pair(text: &str) -> (Option<u64>, Option<u64>) {
    match text.split_once('/') {
        Some((used, limit)) => (bytes(used), bytes(limit)),
        None => (bytes(text), None),
    }
}

/// A size in bytes. Docker prints memory in powers of 1024 (`KiB`) and traffic in powers of 1000 (`kB`); podman prints
/// both in powers of 1000 (docker/go-units, `BytesSize` and `HumanSize`).
pub(super) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number: f64 = text[..unit_at].trim_end().parse().ok()?;
    let unit = text[unit_at..].to_ascii_lowercase();
    let (prefix, base) = match (unit.strip_suffix("ib"), unit.strip_suffix('b')) {
        (Some(prefix), _) => (prefix, 1024.0_f64),
        (None, Some(prefix)) => (prefix, 1000.0),
        (None, None) => return None,
    };
    let power = ["", "k", "m", "g", "t", "p", "e"].iter().position(|p| *p == prefix)?;
    let size = number * base.powi(i32::try_from(power).ok()?);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be within range")]
    (size.is_finite() && (0.0..=u64::MAX as f64).contains(&size)).then_some(size.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_docker_prints_is_known() {
        for (text, expected) in [
            ("0B", 0),
            ("512B", 512),
            ("1kB", 1_000),
            ("1.5kB", 1_500),
            ("1KB", 1_000),
            ("2MB", 2_000_000),
            ("3GB", 3_000_000_000),
            ("1.2TB", 1_200_000_000_000),
            ("1PB", 1_000_000_000_000_000),
            ("320KiB", 327_680),
            ("1.5MiB", 1_572_864),
            ("23.54GiB", 25_275_882_537),
            ("2TiB", 2_199_023_255_552),
            ("1PiB", 1_125_899_906_842_624),
            (" 7 MiB ", 7_340_032),
        ] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_none() {
        for text in ["--", "", "B", "12", "1XB", "-1MB", "infB", "NaNB", "1e300EB", "1.2.3MB", "１MB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn pairs_and_percents_keep_what_is_known() {
        assert_eq!(pair("320KiB / 2MB"), (Some(327_680), Some(2_000_000)));
        assert_eq!(pair("0B / 0B"), (Some(0), Some(0)));
        assert_eq!(pair("-- / --"), (None, None));
        assert_eq!(percent("51.60%"), Some(51.6));
        assert_eq!(percent("0.00%"), Some(0.0));
        assert_eq!(percent("--"), None);
        assert_eq!(percent("NaN%"), None);
    }
}

//! A point in time as an operator types it: `10m`, `yesterday 09:06`, `2026-11-28T10:17:46`.
//!
//! Boundary: pure; the time of the call and the time zone are arguments. Next: `commands::log` reads the flags,
//! `docker::command` writes what comes out of it.

use std::{fmt, time::Duration};

use jiff::{
    Span, Timestamp, Zoned,
    civil::{Date, DateTime, Time},
    fmt::{rfc2822, temporal::DateTimeParser},
    tz::{Disambiguation, TimeZone},
};

/// A point in time, the same for every host, or a duration before the clock of each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So long ago by the clock that stamped the lines: the host's.
    Ago(Duration),
    /// An instant.
    At(Timestamp),
}

impl fmt::Display for Moment {
    /// As docker and podman take it: a Go duration, or RFC 3339 in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ago(ago) if ago.subsec_nanos() == 0 => write!(f, "{}s", ago.as_secs()),
            Self::Ago(ago) => write!(f, "{}ns", ago.as_nanos()),
            Self::At(at) => write!(f, "{at}"),
        }
    }
}

/// Which end of a span of time a moment is: where a clock is set back, a local time is two instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Its beginning: the earlier instant.
    From,
    /// Its end: the later instant.
    To,
}

/// The operator's clock.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The time of the call.
    pub now: Timestamp,
    /// The time zone of this machine, or why it is not known.
    pub zone: Result<TimeZone, String>,
}

/// Why a text is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MomentError {
    /// None of the forms that are taken.
    #[error("{0:?} is not a point in time")]
    Unknown(String),
    /// A number that may be seconds ago, or seconds since 1970, or milliseconds.
    #[error("{0:?} is neither a duration with a unit (30s, 10m) nor a Unix time in seconds")]
    Number(String),
    /// A unit that does not exist.
    #[error("{0:?} is not a unit of time; use s, m, h, d or w")]
    Unit(String),
    /// Past what clocks of engines can express.
    #[error("{0:?} is too long ago")]
    TooLong(String),
    /// It needs a time zone and there is none.
    #[error("{text:?} has no time zone, and that of this machine is not known: {why}")]
    Zone {
        /// What was given.
        text: String,
        /// Why there is no zone.
        why: String,
    },
}

/// The forms that are taken, for help and errors.
pub const FORMS: &str = "10m, 1h30m, 2d, \"5 minutes ago\", now, today, yesterday, \"yesterday 09:06\", 09:06, 2026-11-28, \
                         \"2026-11-28 09:06\", 2026-11-28T10:17:46+01:00, 1795860000 (Unix seconds); without a zone, a date or \
                         time is in the zone of this machine (TZ)";

/// Longest duration taken: Go's durations end at 292 years.
const LONGEST: Duration = Duration::from_secs(200 * 366 * 86_400);

/// Smallest and first too large Unix time taken, in seconds: what is less is a forgotten unit, what is more is milliseconds.
const UNIX_SECONDS: std::ops::Range<f64> = 1e8..1e11;

/// Reads `text` by the operator's `clock`.
///
/// # Errors
/// Why it is not a point in time.
pub fn parse(text: &str, edge: Edge, clock: &Clock) -> Result<Moment, MomentError> {
    let text = text.trim();
    let lower = text.to_lowercase();
    if lower == "now" {
        return Ok(Moment::Ago(Duration::ZERO));
    }
    if let Some(number) = unix(text) {
        return number.map(Moment::At);
    }
    if let Some(instant) = with_zone(text) {
        return Ok(Moment::At(instant));
    }
    if let Some(local) = civil(&lower, clock)? {
        return at(local, edge, text, clock).map(Moment::At);
    }
    duration(text).map(Moment::Ago)
}

/// A number alone, as `date +%s` prints it, perhaps after the `@` that date(1) takes.
fn unix(text: &str) -> Option<Result<Timestamp, MomentError>> {
    let number = text.strip_prefix('@').unwrap_or(text);
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let wrong = || MomentError::Number(text.to_owned());
    let read = || {
        let seconds: f64 = number.parse().ok().filter(|s| UNIX_SECONDS.contains(s))?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let nanos = format!("{fraction:0<9.9}").parse().ok()?;
        Timestamp::new(whole.parse().ok().filter(|_| seconds.is_finite())?, nanos).ok()
    };
    Some(read().ok_or_else(wrong))
}

/// RFC 3339 and what is like it, RFC 2822, and a local time with a zone behind it: `Z`, `UTC`, `+01:00`, `Europe/Berlin`.
fn with_zone(text: &str) -> Option<Timestamp> {
    const PARSER: DateTimeParser = DateTimeParser::new();
    let zoned = || PARSER.parse_zoned(text).ok().map(|zoned| zoned.timestamp());
    let known = PARSER.parse_timestamp(text).ok().or_else(zoned).or_else(|| {
        let (local, zone) = text.rsplit_once(' ')?;
        let zone = match zone {
            "UTC" | "GMT" | "Z" | "z" => TimeZone::UTC,
            zone if zone.contains('/') => TimeZone::get(zone).ok()?,
            zone if zone.starts_with(['+', '-']) => return PARSER.parse_timestamp(format!("{local}{zone}")).ok(),
            _ => return None,
        };
        zone.to_timestamp(date_time(local)?).ok()
    });
    known.or_else(|| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp()))
}

/// A date and a time without a zone.
fn date_time(text: &str) -> Option<DateTime> {
    // The parser passes over an offset that it is not asked for.
    let is_plain = text.bytes().skip(10).all(|b| b.is_ascii_digit() || b" Tt:.".contains(&b));
    is_plain.then(|| text.parse().ok()).flatten()
}

/// A date, a time, `today` or `yesterday` by the operator's calendar.
fn civil(lower: &str, clock: &Clock) -> Result<Option<DateTime>, MomentError> {
    if let Some(local) = date_time(lower) {
        return Ok(Some(local));
    }
    let (day, time) = match lower.split_once(char::is_whitespace) {
        Some((day, time)) => (day, Some(time.trim())),
        None => (lower, None),
    };
    let back = match day {
        "today" => 0,
        "yesterday" => 1,
        _ if time.is_none() && day.contains(':') => 0,
        _ => return Ok(None),
    };
    let time = match time.or_else(|| day.contains(':').then_some(day)) {
        None => Time::midnight(),
        Some(text) => match time_of_day(text) {
            Some(time) => time,
            None => return Ok(None),
        },
    };
    let today: Date = now(lower, clock)?.date();
    Ok(today.checked_sub(Span::new().days(back)).ok().map(|date| date.to_datetime(time)))
}

/// `9:06`, `09:06`, `09:06:05`.
fn time_of_day(text: &str) -> Option<Time> {
    if !text.bytes().all(|b| b.is_ascii_digit() || b":.".contains(&b)) {
        return None;
    }
    let hour = text.find(':')?;
    format!("{text:0>width$}", width = text.len() + 2usize.saturating_sub(hour)).parse().ok()
}

fn zone<'c>(text: &str, clock: &'c Clock) -> Result<&'c TimeZone, MomentError> {
    clock.zone.as_ref().map_err(|why| MomentError::Zone { text: text.to_owned(), why: why.clone() })
}

fn now(text: &str, clock: &Clock) -> Result<Zoned, MomentError> {
    Ok(clock.now.to_zoned(zone(text, clock)?.clone()))
}

fn at(local: DateTime, edge: Edge, text: &str, clock: &Clock) -> Result<Timestamp, MomentError> {
    let which = match edge {
        Edge::From => Disambiguation::Earlier,
        Edge::To => Disambiguation::Later,
    };
    let instant = zone(text, clock)?.to_ambiguous_timestamp(local).disambiguate(which);
    instant.map_err(|_| MomentError::Unknown(text.to_owned()))
}

/// `10m`, `1h30m`, `1.5 hours`, `2d`, `5 minutes ago`.
fn duration(text: &str) -> Result<Duration, MomentError> {
    let unknown = || MomentError::Unknown(text.to_owned());
    let cut = text.len().saturating_sub("ago".len());
    let bare = match text.get(cut..) {
        Some(end) if end.eq_ignore_ascii_case("ago") => &text[..cut],
        _ => text.strip_prefix('-').unwrap_or(text),
    };
    let mut rest = bare.trim();
    let mut sum = Duration::ZERO;
    if rest.is_empty() {
        return Err(unknown());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| unknown())?;
        let after = rest[digits..].trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        if end == 0 {
            return Err(unknown());
        }
        let seconds = seconds_in(&after[..end]).ok_or_else(|| MomentError::Unit(after[..end].to_owned()))?;
        let part = Duration::try_from_secs_f64(number * seconds).ok();
        sum = part.and_then(|part| sum.checked_add(part)).ok_or_else(|| MomentError::TooLong(text.to_owned()))?;
        rest = after[end..].trim_start();
    }
    if sum > LONGEST { Err(MomentError::TooLong(text.to_owned())) } else { Ok(sum) }
}

/// Seconds in a unit; a letter alone is in lower case, so that no month is taken for a minute.
fn seconds_in(unit: &str) -> Option<f64> {
    let word = if unit.len() > 1 { unit.to_lowercase() } else { unit.to_owned() };
    Some(match word.as_str() {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" | "millisecond" | "milliseconds" => 1e-3,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(zone: &str) -> Clock {
        let zone = TimeZone::posix(zone).map_err(|e| e.to_string());
        Clock { now: "2026-11-28T10:17:46Z".parse().unwrap_or_default(), zone }
    }

    /// Central European time, by its rule and not by the files of this machine.
    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    fn read(text: &str) -> String {
        parse(text, Edge::From, &clock(BERLIN)).map_or_else(|e| format!("! {e}"), |moment| moment.to_string())
    }

    #[test]
    fn a_duration_stays_one_because_the_clock_that_counts_is_the_host_s() {
        for (text, docker) in [
            ("10m", "600s"),
            ("1h30m", "5400s"),
            ("1h 30m", "5400s"),
            ("2d", "172800s"),
            ("1w", "604800s"),
            ("1.5h", "5400s"),
            ("500ms", "500000000ns"),
            ("5 minutes ago", "300s"),
            ("5 Minutes Ago", "300s"),
            ("1 hour 5 min ago", "3900s"),
            ("2 days", "172800s"),
            ("10m ago", "600s"),
            ("-10m", "600s"),
            ("  10m ", "600s"),
            ("0s", "0s"),
            ("now", "0s"),
        ] {
            assert_eq!(read(text), docker, "{text}");
        }
    }

    #[test]
    fn a_date_without_a_zone_is_the_operator_s_and_becomes_one_instant_for_all_hosts() {
        for (text, docker) in [
            ("2026-11-28T10:17:46", "2026-11-28T09:17:46Z"),
            ("2026-11-28 09:06", "2026-11-28T08:06:00Z"),
            ("2026-11-28T09:06:01.25", "2026-11-28T08:06:01.25Z"),
            ("2026-11-28", "2026-11-27T23:00:00Z"),
            ("2026-07-01", "2026-06-30T22:00:00Z"),
            ("today", "2026-11-27T23:00:00Z"),
            ("yesterday", "2026-11-26T23:00:00Z"),
            ("Yesterday 09:06", "2026-11-27T08:06:00Z"),
            ("today 9:06", "2026-11-28T08:06:00Z"),
            ("9:06", "2026-11-28T08:06:00Z"),
            ("09:06:30", "2026-11-28T08:06:30Z"),
        ] {
            assert_eq!(read(text), docker, "{text}");
        }
    }

    #[test]
    fn a_zone_that_is_given_wins() {
        for text in [
            "2026-11-28T10:17:46Z",
            "2026-11-28t10:17:46z",
            "2026-11-28T11:17:46+01:00",
            "2026-11-28 11:17:46 +0100",
            "2026-11-28 10:17:46 UTC",
            "Sat, 28 Nov 2026 10:17:46 +0000",
            "1795861066",
            "@1795861066",
        ] {
            assert_eq!(read(text), "2026-11-28T10:17:46Z", "{text}");
        }
        assert_eq!(read("1795861066.5"), "2026-11-28T10:17:46.5Z");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            " ",
            "ago",
            "yesterday-ish",
            "tomorrow",
            "30",
            "5",
            "1764325066000",
            "10x",
            "10M",
            "1 month ago",
            "m",
            "-",
            "--",
            "2026-13-01",
            "2026-11-31",
            "11/28/2026",
            "2026-11-28T25:00",
            "2026-11-28+01:00",
            "25:00",
            "today 9",
            "1e3s",
            "1..5h",
            "99999999999999999999h",
            "9999w9999w9999w",
            "2026-11-28T10:17:46 Mars/Base",
            "$(reboot)",
            "10m; reboot",
            "①h",
            "1時",
        ] {
            assert!(read(text).starts_with('!'), "{text:?} is {}", read(text));
        }
    }

    #[test]
    fn where_clocks_are_changed_no_line_is_lost_at_either_end() {
        let both =
            |text: &str| [Edge::From, Edge::To].map(|edge| parse(text, edge, &clock(BERLIN)).map(|m| m.to_string()));
        // Twice on that night.
        assert_eq!(both("2026-10-25 02:30"), [Ok("2026-10-25T00:30:00Z".into()), Ok("2026-10-25T01:30:00Z".into())]);
        // Never on that one.
        assert_eq!(both("2026-03-29 02:30"), [Ok("2026-03-29T00:30:00Z".into()), Ok("2026-03-29T01:30:00Z".into())]);
        assert_eq!(both("2026-11-28 02:30"), [Ok("2026-11-28T01:30:00Z".into()), Ok("2026-11-28T01:30:00Z".into())]);
    }

    #[test]
    fn an_unknown_zone_matters_only_where_one_is_needed() {
        let clock = Clock { zone: Err("TZ is \"Mars/Base\"".into()), ..clock(BERLIN) };
        for text in ["10m", "now", "2026-11-28T10:17:46Z", "1795861066"] {
            assert!(parse(text, Edge::From, &clock).is_ok(), "{text}");
        }
        for text in ["today", "09:06", "2026-11-28"] {
            assert!(matches!(parse(text, Edge::From, &clock), Err(MomentError::Zone { .. })), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken_or_refused_without_panic(text in "(?s).{0,40}", dated in "2026-1[0-9]-2[0-9].{0,20}", spoken in "[0-9.]{1,4} ?[a-z]{0,8}( ago)?") {
            for text in [text, dated, spoken] {
                let _ = parse(&text, Edge::From, &clock(BERLIN));
            }
        }
    }
}

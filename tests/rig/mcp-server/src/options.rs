//! The command line: a port, and ways to misbehave on purpose.
//!
//! Boundary: text in, [`Options`] out; the environment is read by `main`.

use std::{str::FromStr, time::Duration};

pub const USAGE: &str = "\
Usage: mcp-server [OPTIONS]

  --port PORT             listen there (default: $PORT, else 8080)
  --exit CODE             end with this exit code
  --after SECONDS         … so long after the start (default 0)
  --ignore-term           do not end on SIGTERM
  --log-lines COUNT       print so many lines at the start
  --tick MILLISECONDS     print a line at this interval
  --eat-memory MEBIBYTES  use so much memory
  --check                 ask the server on this port for an answer, and end (for HEALTHCHECK)";

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Port to listen on, on every address.
    pub port: u16,
    /// Exit code to end with by itself.
    pub exit: Option<u8>,
    /// Time from the start to that end.
    pub after: Duration,
    /// SIGTERM has no effect.
    pub ignore_term: bool,
    /// Lines printed at the start.
    pub log_lines: u64,
    /// Time between two printed lines.
    pub tick: Option<Duration>,
    /// MiB to fill.
    pub eat_memory: usize,
    /// Be the health check instead of the server.
    pub check: bool,
}

impl Options {
    /// Reads `arguments`; `port` is `$PORT`. Errors: one line that names the argument.
    pub fn read(mut arguments: impl Iterator<Item = String>, port: Option<String>) -> Result<Self, String> {
        let mut options = Self { port: number("PORT", port.as_deref().unwrap_or("8080"))?, ..Self::default() };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--port" => options.port = number(&argument, &value()?)?,
                "--exit" => options.exit = Some(number(&argument, &value()?)?),
                "--after" => {
                    options.after =
                        Duration::try_from_secs_f64(number(&argument, &value()?)?).map_err(|e| e.to_string())?;
                }
                "--ignore-term" => options.ignore_term = true,
                "--log-lines" => options.log_lines = number(&argument, &value()?)?,
                "--tick" => options.tick = Some(Duration::from_millis(number::<u64>(&argument, &value()?)?.max(1))),
                "--eat-memory" => options.eat_memory = number(&argument, &value()?)?,
                "--check" => options.check = true,
                _ => return Err(format!("{argument} is not an option")),
            }
        }
        Ok(options)
    }
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name}: {text:?} is not a number that fits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        Options::read(line.split_whitespace().map(str::to_owned), None)
    }

    #[test]
    fn nothing_asked_for_is_port_8080_and_good_behaviour() {
        assert_eq!(read(""), Ok(Options { port: 8080, ..Options::default() }));
    }

    #[test]
    fn each_misbehaviour_is_read() {
        let options = read("--exit 3 --after 0.5 --ignore-term --log-lines 9 --tick 20 --eat-memory 64").unwrap();
        assert_eq!((options.exit, options.after), (Some(3), Duration::from_millis(500)));
        assert_eq!((options.ignore_term, options.log_lines, options.eat_memory), (true, 9, 64));
        assert_eq!(options.tick, Some(Duration::from_millis(20)));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!(read("--exit 256").unwrap_err(), "--exit: \"256\" is not a number that fits");
        assert_eq!(read("--port").unwrap_err(), "--port needs a value");
        assert_eq!(read("--what").unwrap_err(), "--what is not an option");
        assert!(read("--exit 1 --after -1").is_err());
    }
}

//! Progress of a run on stderr: on a terminal one line for the run and one for each of the hosts that take longest, with the
//! phase they are in; elsewhere a line now and then that names them.
//!
//! Boundary: consumes fleet events, leaves nothing behind on a terminal. Next: `fleet` for the events.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Ui, words};
use crate::{domain::plural, fleet::Event};

/// Most hosts that have a line of their own: more would not be read.
const HOST_LINES: usize = 8;

/// Most hosts named in one line off a terminal.
const NAMED: usize = 5;

/// How often those that wait are named off a terminal.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// How often the lines of hosts are drawn anew while there are many.
const REDRAW_EVERY: Duration = Duration::from_millis(100);

/// What is drawn now, so that a question can have the terminal for itself.
static DRAWN: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Runs `ask` while nothing is drawn: a redrawn line would erase the question.
pub fn suspended<T>(ask: impl FnOnce() -> T) -> T {
    let drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(drawn) = drawn else { return ask() };
    // Hidden rather than suspended: a suspended drawing would hold up the workers that report to it.
    let _ = drawn.clear();
    drawn.set_draw_target(ProgressDrawTarget::hidden());
    let answer = ask();
    drawn.set_draw_target(ProgressDrawTarget::stderr());
    answer
}

/// Draws a run while it goes on.
pub struct Progress {
    verb: &'static str,
    verbose: bool,
    /// When the run began, if phases are to be logged.
    trace: Option<Instant>,
    running: Arc<Mutex<Running>>,
    shown: Shown,
}

enum Shown {
    Nothing,
    Drawn(Drawn),
    /// Off a terminal: names who is waited for now and then, until the sender is dropped.
    Told(Mutex<Option<Sender<()>>>),
}

/// What goes on.
#[derive(Default)]
struct Running {
    begun: Option<Instant>,
    hosts: usize,
    done: usize,
    at_work: HashMap<String, AtWork>,
}

struct AtWork {
    since: Instant,
    phase: Option<String>,
}

struct Drawn {
    all: MultiProgress,
    total: ProgressBar,
    lines: Mutex<HashMap<String, ProgressBar>>,
    drawn: Mutex<Option<Instant>>,
}

impl Progress {
    /// Progress of `verb`.
    #[must_use]
    pub fn new(ui: &Ui, verb: &'static str) -> Self {
        let shown = if ui.quiet || ui.verbose {
            Shown::Nothing
        } else if ui.shows_progress() {
            let all = MultiProgress::new();
            *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(all.clone());
            let total = all.add(ProgressBar::new(0).with_style(style("{msg} {pos}/{len} hosts {elapsed}")));
            total.set_message(verb);
            Shown::Drawn(Drawn { all, total, lines: Mutex::default(), drawn: Mutex::default() })
        } else {
            Shown::Told(Mutex::new(None))
        };
        Self { verb, verbose: ui.verbose, trace: ui.trace.then(Instant::now), running: Arc::default(), shown }
    }

    /// Progress of `verb` that is never drawn, for a run whose answers come while it goes on.
    #[must_use]
    pub fn in_lines(ui: &Ui, verb: &'static str) -> Self {
        let shown = if ui.quiet || ui.verbose { Shown::Nothing } else { Shown::Told(Mutex::new(None)) };
        Self { verb, verbose: ui.verbose, trace: ui.trace.then(Instant::now), running: Arc::default(), shown }
    }

    /// Takes one event in; called from many threads.
    pub fn event(&self, event: &Event<'_>) {
        if self.verbose
            && let Event::Exec { host, label, elapsed } = event
        {
            // `list list` would name one thing twice.
            let verb = if *label == self.verb { String::new() } else { format!("{} ", self.verb) };
            tell(&format!("{host}: {verb}{label} in {:.0} ms", elapsed.as_secs_f64() * 1000.0));
        }
        if let (Some(begin), Event::Phase { host, phase }) = (self.trace, event) {
            tell(&format!("{host}: {phase} at {:.0} ms", begin.elapsed().as_secs_f64() * 1000.0));
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.take(event);
        match &self.shown {
            Shown::Nothing => {}
            Shown::Drawn(drawn) => drawn.show(self.verb, event, &running),
            Shown::Told(stop) => {
                let mut stop = stop.lock().unwrap_or_else(PoisonError::into_inner);
                match event {
                    Event::Begin { .. } => *stop = self.report_stragglers(),
                    Event::Batch { number, of, hosts } => {
                        tell(&format!("{}: batch {number} of {of}, {}", self.verb, plural(*hosts, "host")));
                    }
                    Event::End => *stop = None,
                    _ => {}
                }
            }
        }
    }

    /// Starts the thread that names who is waited for. Without it there is no such line, and no harm.
    fn report_stragglers(&self) -> Option<Sender<()>> {
        let (sender, stopped) = mpsc::channel();
        let (running, verb) = (Arc::clone(&self.running), self.verb);
        let report = move || {
            while stopped.recv_timeout(REPORT_EVERY) == Err(RecvTimeoutError::Timeout) {
                let running = running.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(line) = running.stragglers(Instant::now()) {
                    tell(&format!("{verb}: {line}"));
                }
            }
        };
        std::thread::Builder::new().stack_size(128 * 1024).spawn(report).ok().map(|_| sender)
    }
}

impl Running {
    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Begin { hosts } => *self = Self { begun: Some(Instant::now()), hosts: *hosts, ..Self::default() },
            Event::HostBegin { host } => {
                self.at_work.insert(host.to_string(), AtWork { since: Instant::now(), phase: None });
            }
            Event::Phase { host, phase } => {
                if let Some(host) = self.at_work.get_mut(host.as_str()) {
                    host.phase = Some(phase.to_string());
                }
            }
            Event::HostEnd { host, .. } => {
                self.done += 1;
                self.at_work.remove(host.as_str());
            }
            Event::Batch { .. } | Event::Exec { .. } | Event::End => {}
        }
    }

    /// The hosts at work, the longest first.
    fn longest(&self) -> Vec<(&str, &AtWork)> {
        let mut all: Vec<(&str, &AtWork)> =
            self.at_work.iter().map(|(host, at_work)| (host.as_str(), at_work)).collect();
        all.sort_by(|a, b| (a.1.since, a.0).cmp(&(b.1.since, b.0)));
        all
    }

    /// Who is waited for, in a line; `None` when nobody is.
    fn stragglers(&self, now: Instant) -> Option<String> {
        let all = self.longest();
        let took = words::seconds(now.duration_since(self.begun?));
        let names: Vec<String> =
            all.iter().take(NAMED).map(|(host, at_work)| format!("{host} ({})", at_work.phase())).collect();
        let more = match all.len().saturating_sub(NAMED) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let Self { done, hosts, .. } = self;
        (!names.is_empty())
            .then(|| format!("{done} of {hosts} hosts done after {took}, waiting for {}{more}", names.join(", ")))
    }
}

impl AtWork {
    fn phase(&self) -> &str {
        self.phase.as_deref().unwrap_or("starting")
    }
}

impl Drawn {
    fn show(&self, verb: &str, event: &Event<'_>, running: &Running) {
        match event {
            Event::Begin { hosts } => {
                self.total.reset();
                self.total.set_length(*hosts as u64);
                self.total.enable_steady_tick(Duration::from_millis(200));
            }
            Event::HostBegin { .. } | Event::Phase { .. } | Event::HostEnd { .. } => {
                self.total.set_position(running.done as u64);
                let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
                // Hundreds of hosts change faster than anyone reads; the last ones are shown as they are.
                if running.at_work.len() <= HOST_LINES || drawn.is_none_or(|at| at.elapsed() > REDRAW_EVERY) {
                    *drawn = Some(Instant::now());
                    self.draw_hosts(running);
                }
            }
            Event::Batch { number, of, .. } => self.total.set_message(format!("{verb} batch {number}/{of}:")),
            Event::Exec { .. } => {}
            Event::End => {
                self.draw_hosts(running);
                self.total.finish_and_clear();
                let _ = self.all.clear();
                *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
        }
    }

    /// A line for each of the hosts that take longest. Whoever is passed by an older one keeps no line.
    fn draw_hosts(&self, running: &Running) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let longest: Vec<(&str, &AtWork)> = running.longest().into_iter().take(HOST_LINES).collect();
        lines.retain(|host, line| {
            let stays = longest.iter().any(|(name, _)| name == host);
            if !stays {
                line.finish_and_clear();
                self.all.remove(line);
            }
            stays
        });
        for (host, at_work) in longest {
            let line = lines.entry(host.to_owned()).or_insert_with(|| {
                let line = ProgressBar::new_spinner().with_style(style("  {prefix} {msg} {elapsed}"));
                let line = self.all.add(line.with_prefix(host.to_owned()).with_elapsed(at_work.since.elapsed()));
                line.enable_steady_tick(Duration::from_millis(500));
                line
            });
            line.set_message(at_work.phase().to_owned());
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Ui is the printer's; a worker only has stderr, and one line is one write.
fn tell(line: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;
    use crate::{domain::HostName, fleet::Phase};

    #[test]
    fn those_that_take_longest_are_named_first_with_their_phase() {
        let mut running = Running::default();
        let names: Vec<HostName> = (1..=8).map(|n| HostName::new(format!("web-{n}")).unwrap()).collect();
        running.take(&Event::Begin { hosts: 9 });
        assert_eq!(running.stragglers(Instant::now()), None);
        for host in &names {
            running.take(&Event::HostBegin { host });
        }
        running.take(&Event::Phase { host: &names[0], phase: Phase::KeyExchange });
        running.take(&Event::Phase { host: &names[2], phase: Phase::Docker });
        running.take(&Event::HostEnd { host: &names[1], ok: true });
        let line = running.stragglers(running.begun.unwrap() + Duration::from_secs(20)).unwrap();
        assert_eq!(
            line,
            "1 of 9 hosts done after 20.0 s, waiting for web-1 (key exchange), web-3 (docker), web-4 (starting), \
             web-5 (starting), web-6 (starting) and 2 more"
        );
    }
}

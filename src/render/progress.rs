//! Progress of a run on stderr: one line for the run, one for each of the hosts that take longest.
//!
//! Boundary: consumes fleet events, hides off a terminal, leaves nothing behind.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Ui;
use crate::fleet::Event;

/// Most hosts that have a line of their own: more would not be read.
const HOST_LINES: usize = 8;

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
    drawn: Option<Drawn>,
}

struct Drawn {
    all: MultiProgress,
    total: ProgressBar,
    hosts: Mutex<HashMap<String, ProgressBar>>,
}

impl Progress {
    /// Progress of `verb`, drawn only on a terminal.
    #[must_use]
    pub fn new(ui: &Ui, verb: &'static str) -> Self {
        let drawn = (ui.shows_progress() && !ui.verbose).then(|| {
            let all = MultiProgress::new();
            *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(all.clone());
            let style = ProgressStyle::with_template("{msg} {pos}/{len} hosts {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let total = all.add(ProgressBar::new(0).with_style(style).with_message(verb));
            Drawn { all, total, hosts: Mutex::new(HashMap::new()) }
        });
        Self { verb, verbose: ui.verbose, drawn }
    }

    /// Takes one event in; called from many threads.
    pub fn event(&self, event: &Event<'_>) {
        if self.verbose
            && let Event::Exec { host, label, elapsed } = event
        {
            // Ui is the printer's; a worker only has stderr, and one line is one write.
            let line = format!("{host}: {} {label} in {:.0} ms\n", self.verb, elapsed.as_secs_f64() * 1000.0);
            let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), line.as_bytes());
        }
        let Some(drawn) = &self.drawn else { return };
        let mut hosts = drawn.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begin { hosts } => {
                drawn.total.set_length(*hosts as u64);
                drawn.total.enable_steady_tick(Duration::from_millis(200));
            }
            Event::HostBegin { host } => {
                if hosts.len() < HOST_LINES {
                    let style = ProgressStyle::with_template("  {prefix} {msg} {elapsed}")
                        .unwrap_or_else(|_| ProgressStyle::default_spinner());
                    let line =
                        drawn.all.add(ProgressBar::new_spinner().with_style(style).with_prefix(host.to_string()));
                    hosts.insert(host.to_string(), line);
                }
            }
            Event::Phase { host, phase } => {
                if let Some(line) = hosts.get(host.as_str()) {
                    line.set_message(phase.to_string());
                }
            }
            Event::Batch { number, of, .. } => drawn.total.set_message(format!("{} batch {number}/{of}:", self.verb)),
            Event::Exec { .. } => {}
            Event::HostEnd { host, .. } => {
                drawn.total.inc(1);
                if let Some(line) = hosts.remove(host.as_str()) {
                    line.finish_and_clear();
                    drawn.all.remove(&line);
                }
            }
            Event::End => {
                drawn.total.finish_and_clear();
                let _ = drawn.all.clear();
                *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
        }
    }
}

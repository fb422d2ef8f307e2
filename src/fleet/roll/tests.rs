//! Batches and limits, with tasks that connect to nobody.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::sync::Mutex;

use super::*;
use crate::{
    domain::{Connection, HostName},
    fleet::{Amount, Spread},
    transport::{Cancel, Connector, Limits, Remote, TransportError},
};

struct Nobody;

impl Connector for Nobody {
    fn connect(&self, host: &Host, _: &Limits<'_>) -> Result<Box<dyn Remote>, TransportError> {
        panic!("{} was connected to", host.name)
    }
}

fn hosts(count: usize) -> Vec<Host> {
    (0..count).map(|n| Host::new(HostName::new(format!("h{n}")).unwrap(), Connection::Local)).collect()
}

/// What became of each host, in their order: `y` done, `f` failed, `h` halted, `n` not attempted; and why it was halted.
fn run(rolling: &Rolling, forks: usize, count: usize, bad: &[usize]) -> (String, Option<String>, Vec<usize>) {
    let cancel = Cancel::new();
    let events = Mutex::new(vec![]);
    let listener = |event: Event<'_>| {
        if let Event::Batch { hosts, .. } = event {
            events.lock().unwrap().push(hosts);
        }
    };
    let fleet = Fleet { connector: &Nobody, cancel: &cancel, listener: &listener, forks, retries: 0, timeout: None };
    let hosts = hosts(count);
    let work: Vec<(&Host, usize)> = hosts.iter().zip(0..).collect();
    let batches = rolling.batches(count, &Spread::default());
    let rolled = fleet.roll(&work, &batches, rolling, |failed| *failed, |_, n, _| Ok(bad.contains(n))).unwrap();
    let letters = rolled.outcomes.iter().map(|o| match &o.result {
        Ok(false) => 'y',
        Ok(true) => 'f',
        Err(HostError::Halted(_)) => 'h',
        Err(_) => 'n',
    });
    let letters = letters.collect();
    (letters, rolled.halted, events.into_inner().unwrap())
}

fn rolling(serial: Option<&str>, max_fail: Option<&str>) -> Rolling {
    Rolling {
        serial: serial.map(|s| s.parse().unwrap()),
        max_fail: max_fail.map(|s| s.parse::<Amount>().unwrap()),
        ..Rolling::default()
    }
}

#[test]
fn a_limit_is_looked_at_after_each_batch() {
    let (letters, why, batches) = run(&rolling(Some("1,3"), Some("1")), 1, 8, &[2]);
    assert_eq!(letters, "yyfyhhhh");
    assert_eq!(why.unwrap(), "1 of 8 hosts failed, and the limit is --max-fail 1");
    assert_eq!(batches, [1, 3]);
    let (letters, why, _) = run(&rolling(Some("2"), Some("50%")), 2, 8, &[0, 1, 2, 4]);
    assert_eq!(letters, "fffyfyhh");
    assert!(why.unwrap().starts_with("4 of 8 hosts failed"));
}

#[test]
fn below_the_limit_all_batches_are_attempted_and_nothing_is_said_to_have_ended_early() {
    let (letters, why, batches) = run(&rolling(Some("2"), Some("3")), 2, 6, &[0, 1]);
    assert_eq!((letters.as_str(), why), ("ffyyyy", None));
    assert_eq!(batches, [2, 2, 2]);
}

#[test]
fn without_a_limit_a_batch_that_failed_as_a_whole_ends_the_run() {
    let (letters, why, _) = run(&rolling(Some("2"), None), 2, 6, &[1, 2, 3]);
    assert_eq!(letters, "yfffhh");
    assert_eq!(why.unwrap(), "batch 2 of 3 failed: all of its 2 hosts did");
    assert_eq!(run(&rolling(Some("1"), None), 1, 3, &[1]).0, "yfh");
}

#[test]
fn a_failure_of_the_last_batch_leaves_nobody_out_and_so_ends_nothing_early() {
    assert_eq!(run(&rolling(Some("2"), Some("1")), 2, 4, &[3]), ("yyyf".to_owned(), None, vec![2, 2]));
}

#[test]
fn without_serial_a_limit_is_looked_at_as_hosts_end() {
    let (letters, why, batches) = run(&rolling(None, Some("2")), 1, 6, &[0, 2, 3]);
    assert_eq!(letters, "fyfhhh");
    assert!(why.unwrap().contains("2 of 6 hosts failed"));
    assert!(batches.is_empty(), "one batch is not worth a word");
    assert_eq!(run(&rolling(None, None), 1, 3, &[0, 1, 2]).0, "fff", "without a limit all are attempted");
}

#[test]
fn fail_fast_takes_up_no_host_after_the_first_failure_within_the_batch_too() {
    let fast = Rolling { fail_fast: true, ..rolling(Some("4"), Some("3")) };
    let (letters, why, _) = run(&fast, 1, 8, &[1]);
    assert_eq!(letters, "yfhhhhhh");
    assert!(why.unwrap().contains("h1 failed, and --fail-fast"));
}

#[test]
fn a_host_that_was_taken_up_before_the_failure_hears_of_it_before_it_acts() {
    let (cancel, hosts) = (Cancel::new(), hosts(2));
    let fleet = Fleet { connector: &Nobody, cancel: &cancel, listener: &|_| {}, forks: 2, retries: 0, timeout: None };
    let work: Vec<(&Host, usize)> = hosts.iter().zip(0..).collect();
    let rolling = Rolling { fail_fast: true, ..Rolling::default() };
    let both_are_taken_up = std::sync::Barrier::new(2);
    let task = |_: &mut Session<'_>, n: &usize, halt: &Halt| {
        both_are_taken_up.wait();
        if *n == 0 {
            return Ok(true);
        }
        while halt.why().is_none() {
            std::thread::yield_now();
        }
        halt.error().map_or(Ok(false), Err)
    };
    let rolled = fleet.roll(&work, &[vec![0, 1]], &rolling, |failed| *failed, task).unwrap();
    assert!(matches!(&rolled.outcomes[1].result, Err(HostError::Halted(why)) if why.contains("h0 failed")));
}

#[test]
fn an_interrupt_between_batches_cuts_the_pause_short_and_leaves_the_rest_out() {
    let (cancel, hosts) = (Cancel::new(), hosts(4));
    let fleet = Fleet { connector: &Nobody, cancel: &cancel, listener: &|_| {}, forks: 2, retries: 0, timeout: None };
    let work: Vec<(&Host, ())> = hosts.iter().map(|h| (h, ())).collect();
    let rolling = Rolling { wait: Duration::from_secs(3600), ..rolling(Some("2"), Some("1")) };
    let batches = rolling.batches(4, &Spread::default());
    let failed_because_of_the_interrupt = |_: &()| true;
    let task = |_: &mut Session<'_>, (): &(), _: &Halt| {
        cancel.drain();
        Ok(())
    };
    let rolled = fleet.roll(&work, &batches, &rolling, failed_because_of_the_interrupt, task).unwrap();
    let left_out = rolled.outcomes.iter().filter(|o| matches!(o.result, Err(HostError::NotAttempted))).count();
    assert!(left_out >= 2, "{rolled:?}");
    assert_eq!((rolled.begun, rolled.halted), (1, None));
}

//! The engine against a connector that is all in memory.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::{
    domain::Connection,
    transport::{End, Limits, Output, Remote, ShellScript, Stream, TransportErrorKind, script::Script},
};

fn host(name: &str) -> Host {
    Host { connect_timeout: Duration::from_secs(1), ..Host::new(HostName::new(name).unwrap(), Connection::Local) }
}

struct Fake {
    live: AtomicUsize,
    most: AtomicUsize,
}

struct FakeRemote;

impl Connector for Fake {
    fn connect(&self, host: &Host, _: &Limits<'_>) -> Result<Box<dyn Remote>, TransportError> {
        let live = self.live.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(live, Ordering::SeqCst);
        std::thread::yield_now();
        self.live.fetch_sub(1, Ordering::SeqCst);
        if host.name.as_str() == "down" {
            return Err(TransportError::new(
                Phase::Tcp,
                TransportErrorKind::Timeout { phase: Phase::Tcp, allowed: Duration::from_secs(1) },
            ));
        }
        Ok(Box::new(FakeRemote))
    }
}

impl Remote for FakeRemote {
    fn pipe(
        &mut self,
        _: &ShellScript,
        _: Option<&dyn crate::transport::Input>,
        _: &Limits<'_>,
        _: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<End, TransportError> {
        Ok(End::Exit(0))
    }
    fn exec(&mut self, _: &ShellScript, _: &Limits<'_>) -> Result<Output, TransportError> {
        Ok(Output::whole(b"fish: unknown".to_vec(), vec![], End::Exit(127)))
    }
    fn stream(
        &mut self,
        _: &ShellScript,
        _: &Limits<'_>,
        _: &mut dyn FnMut(Stream, &[u8]) -> bool,
    ) -> Result<End, TransportError> {
        Ok(End::Exit(0))
    }
}

fn fake() -> Fake {
    Fake { live: AtomicUsize::new(0), most: AtomicUsize::new(0) }
}

#[test]
fn outcomes_come_in_the_order_of_the_work_and_one_failure_stays_alone() {
    let hosts: Vec<Host> = ["c", "down", "a"].iter().map(|n| host(n)).collect();
    let work: Vec<(&Host, ())> = hosts.iter().map(|h| (h, ())).collect();
    let (connector, cancel) = (fake(), Cancel::new());
    let fleet =
        Fleet { connector: &connector, cancel: &cancel, listener: &|_| {}, forks: 3, retries: 0, timeout: None };
    let outcomes = fleet.run(&work, |session, ()| session.connect().map(|()| session.host().name.to_string())).unwrap();
    let names: Vec<_> = outcomes.iter().map(|o| o.result.as_deref().ok()).collect();
    assert_eq!(names, [Some("c"), None, Some("a")]);
    assert!(matches!(&outcomes[1].result, Err(HostError::Transport(e)) if e.phase == Phase::Tcp));
}

#[test]
fn no_more_than_forks_hosts_are_worked_on_at_once() {
    let hosts: Vec<Host> = (0..40).map(|n| host(&format!("h{n}"))).collect();
    let work: Vec<(&Host, ())> = hosts.iter().map(|h| (h, ())).collect();
    let (connector, cancel) = (fake(), Cancel::new());
    let fleet =
        Fleet { connector: &connector, cancel: &cancel, listener: &|_| {}, forks: 4, retries: 0, timeout: None };
    let outcomes = fleet.run(&work, |session, ()| session.connect()).unwrap();
    assert_eq!(outcomes.len(), 40);
    assert!(connector.most.load(Ordering::SeqCst) <= 4);
}

#[test]
fn a_draining_run_attempts_no_further_host() {
    let hosts: Vec<Host> = (0..5).map(|n| host(&format!("h{n}"))).collect();
    let work: Vec<(&Host, ())> = hosts.iter().map(|h| (h, ())).collect();
    let (connector, cancel) = (fake(), Cancel::new());
    let fleet =
        Fleet { connector: &connector, cancel: &cancel, listener: &|_| {}, forks: 1, retries: 0, timeout: None };
    let taken = Mutex::new(0);
    let outcomes = fleet
        .run(&work, |_, ()| {
            *taken.lock().unwrap() += 1;
            cancel.drain();
            Ok(())
        })
        .unwrap();
    assert_eq!(*taken.lock().unwrap(), 1);
    assert_eq!(outcomes.iter().filter(|o| matches!(o.result, Err(HostError::NotAttempted))).count(), 4);
}

#[test]
fn a_host_that_did_not_run_the_script_is_an_error_with_its_last_words() {
    let host = host("odd");
    let (connector, cancel) = (fake(), Cancel::new());
    let fleet =
        Fleet { connector: &connector, cancel: &cancel, listener: &|_| {}, forks: 1, retries: 0, timeout: None };
    let outcomes =
        fleet.run(&[(&host, ())], |session, ()| session.exec("x", &Script::new(), Duration::from_secs(1))).unwrap();
    let Err(HostError::Answer(text)) = &outcomes[0].result else { panic!("{outcomes:?}") };
    assert!(text.contains("exit code 127") && text.contains("fish: unknown"), "{text}");
}

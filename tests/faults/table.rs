//! The faults.

use crate::{
    fault::{Deed, Expect, Fault, Kind, Place},
    proxy::{Direction, Harm, Phase, Point, Way},
    verb::Verb,
};

const KEX: &[&str] = &["key exchange"];
const LOGIN: &[&str] = &["authentication"];
const SHELL: &[&str] = &["exec", "docker"];
const ANY: &[&str] = &[""];

fn reaches(verb: Verb) -> bool {
    verb.logs_in() || verb == Verb::Trust
}

/// Whether the second request is in the connection of the first, or there is one at all.
fn acts(verb: Verb) -> bool {
    verb.looks_first()
}

fn writes_files(verb: Verb) -> bool {
    verb != Verb::Exec
}

fn any(_: Verb) -> bool {
    true
}

/// All of them.
pub(crate) fn faults() -> Vec<Fault> {
    [cables(), moments(), hosts(), machines(), places()].into_iter().flatten().collect()
}

fn fault(name: impl Into<String>, kind: Kind, expect: Expect, concerns: fn(Verb) -> bool) -> Fault {
    Fault { name: name.into(), kind, expect, concerns }
}

fn cable(at: Point, way: Way, every: bool, expect: Expect, concerns: fn(Verb) -> bool) -> Fault {
    let place = match at {
        Point::Phase(phase) => format!("{phase:?}"),
        other => format!("{other:?}"),
    };
    let times = if every { "" } else { " once" };
    fault(format!("cable {place} {way:?}{times}"), Kind::Cable(Harm { at, way, every }), expect, concerns)
}

fn cables() -> Vec<Fault> {
    use Expect::{Fine, FineOr, Lost, Unreachable};
    use Way::{Corrupt, Delay, Drip, Fin, Hold, Reset, Silence};
    let mut all = vec![
        cable(Point::Refused, Fin, true, Unreachable(&["TCP"], &["refused"]), reaches),
        cable(Point::Unanswered, Silence, true, Unreachable(&["TCP"], &["no answer within"]), reaches),
    ];
    for way in [Fin, Reset, Silence] {
        all.push(cable(Point::Connect, way, true, Unreachable(&["key exchange", "TCP"], ANY), reaches));
    }
    for way in [Fin, Reset, Silence, Drip, Corrupt] {
        all.push(cable(Point::Phase(Phase::Banner), way, true, Unreachable(KEX, ANY), reaches));
        all.push(cable(Point::Phase(Phase::KeyExchange), way, true, Unreachable(KEX, ANY), reaches));
        all.push(cable(Point::Phase(Phase::Authentication), way, true, Unreachable(LOGIN, ANY), Verb::logs_in));
        all.push(cable(Point::Phase(Phase::ExecRequest), way, true, Lost, Verb::logs_in));
        all.push(cable(Point::Phase(Phase::Output), way, true, Lost, Verb::logs_in));
        all.push(cable(Point::Phase(Phase::ActRequest), way, false, Lost, acts));
        all.push(cable(Point::Phase(Phase::ActOutput), way, false, Lost, Verb::uses_docker));
    }
    for way in [Fin, Reset, Silence] {
        // A command that was asked for together with its channel may have run.
        all.push(cable(Point::Phase(Phase::ChannelOpen), way, true, Lost, Verb::logs_in));
        all.push(cable(Point::Phase(Phase::ActOutput), way, true, Lost, Verb::uses_docker));
        all.push(cable(Point::Phase(Phase::Close), way, false, FineOr(SHELL), Verb::uses_docker));
    }
    for phase in [Phase::Banner, Phase::KeyExchange] {
        all.push(cable(Point::Phase(phase), Reset, false, Fine, Verb::logs_in));
        all.push(cable(Point::Phase(phase), Fin, false, Fine, Verb::logs_in));
    }
    all.push(cable(Point::Phase(Phase::ActRequest), Hold, false, Lost, acts));
    all.push(cable(Point::Phase(Phase::Banner), Delay(150), true, Fine, reaches));
    for after in [600, 1500, 1900] {
        let expect = Expect::FineOr(&["key exchange", "authentication", "exec"]);
        all.push(cable(Point::Bytes(Direction::ToClient, after), Corrupt, false, expect, Verb::logs_in));
    }
    all
}

fn moments() -> Vec<Fault> {
    let mut all = vec![];
    for phase in [Phase::Authentication, Phase::Output, Phase::ActRequest, Phase::ActOutput] {
        let concerns: fn(Verb) -> bool = match phase {
            Phase::ActRequest => acts,
            Phase::ActOutput => Verb::uses_docker,
            _ => Verb::logs_in,
        };
        let mut moment = |deed: Deed, expect| {
            all.push(fault(format!("{deed:?} at {phase:?}"), Kind::Moment(phase, deed), expect, concerns));
        };
        let lost = if phase == Phase::Authentication { Expect::FineOr(LOGIN) } else { Expect::Lost };
        moment(Deed::KillSession, lost);
        moment(Deed::StopSession, lost);
        moment(Deed::KillMcp, Expect::Killed);
        if phase >= Phase::ActRequest {
            moment(Deed::PauseMcp, Expect::Fine);
            moment(Deed::RestartEngine, Expect::Lost);
            moment(Deed::KillEngine, Expect::Lost);
            moment(Deed::FreezeEngine, Expect::Lost);
        }
        if phase == Phase::Output {
            moment(Deed::HostClockForward, Expect::Lost);
            moment(Deed::HostClockBack, Expect::Lost);
        }
    }
    for deed in [Deed::ClockForward, Deed::ClockBack] {
        all.push(fault(format!("{deed:?} at Output"), Kind::Moment(Phase::Output, deed), Expect::Fine, Verb::logs_in));
    }
    let full = Expect::Warned(&["No space left"]);
    all.push(fault("disk fills at Output", Kind::Moment(Phase::Output, Deed::FillDisk), full, Verb::uses_docker));
    let gone = Expect::RefusedOrWarned(&["is not a directory", "No such file", "workspace", "no workspace"]);
    let moved = Kind::Moment(Phase::Output, Deed::MoveWorkspace);
    all.push(fault("workspace moved away at Output", moved, gone, Verb::uses_docker));
    all
}

fn hosts() -> Vec<Fault> {
    use Expect::{Failed, FailedOrLost, Fine, Unreachable};
    let docker = Verb::uses_docker;
    let on = |name: &str, line, expect, concerns| fault(name, Kind::Host(line), expect, concerns);
    vec![
        on("no docker", "docker: /nonexistent/docker", Failed(&["docker command does not run"]), docker),
        on("docker without permission", "user: guest", Failed(&["permission denied", "docker"]), docker),
        on("docker hangs", "docker: SHELLS/docker-hangs", Unreachable(&["docker"], &["no answer within"]), docker),
        on("docker is slow to act", "docker: SHELLS/docker-slow", Expect::Lost, docker),
        on("docker is killed", "docker: SHELLS/docker-killed", FailedOrLost, docker),
        on("docker is killed acting", "docker: SHELLS/docker-acts-killed", Expect::Lost, docker),
        on("docker says endless output", "docker: SHELLS/docker-endless", FailedOrLost, docker),
        on("docker says endless errors", "docker: SHELLS/docker-endless-err", FailedOrLost, docker),
        on("docker acts with endless output", "docker: SHELLS/docker-acts-endless", Expect::Lost, docker),
        on("login shell prints a banner", "user: chatty", Fine, Verb::logs_in),
        on("login shell prints errors", "user: chattyerr", Fine, Verb::logs_in),
        on("login shell is fish", "user: fish", Fine, Verb::logs_in),
        on("login shell is tcsh", "user: tcsh", Fine, Verb::logs_in),
        on("login shell is nologin", "user: nologin", Failed(&["cut short"]), Verb::logs_in),
        on("login shell runs nothing", "user: deaf", Failed(&["cut short"]), docker),
        on("login shell hangs", "user: sleepy", Unreachable(&["exec"], &["no answer within"]), Verb::logs_in),
        on("login shell says endless output", "user: endless", FailedOrLost, Verb::logs_in),
        on("login shell is not there", "user: noshell", Unreachable(LOGIN, ANY), Verb::logs_in),
        on("host clock is 5 h ahead", "user: ahead", Fine, Verb::logs_in),
        on("host clock is 5 h behind", "user: behind", Fine, Verb::logs_in),
        on("another host key", "known_hosts: OTHERKEY", Unreachable(&["host key"], ANY), Verb::logs_in),
        on("unknown host key", "known_hosts: NOKEY", Unreachable(&["host key"], ANY), Verb::logs_in),
        on("key that is not let in", "identity_file: STRANGER", Unreachable(LOGIN, ANY), Verb::logs_in),
        on("name without an address", "address: no.such.invalid", Unreachable(&["DNS"], ANY), reaches),
        fault("MaxSessions 1", Kind::Sshd("MaxSessions 1"), Fine, Verb::logs_in),
        fault("MaxSessions 0", Kind::Sshd("MaxSessions 0"), Unreachable(SHELL, ANY), Verb::logs_in),
        fault("MaxStartups 3 taken", Kind::Sshd("MaxStartups 3"), Unreachable(KEX, ANY), reaches),
        fault("ForceCommand", Kind::Sshd("ForceCommand echo no"), Failed(ANY), docker),
    ]
}

fn machines() -> Vec<Fault> {
    let before = |deed: Deed, expect, concerns| fault(format!("{deed:?} before"), Kind::Before(deed), expect, concerns);
    let docker = Verb::uses_docker;
    vec![
        before(Deed::StopEngine, Expect::Failed(&["Cannot connect to the Docker daemon"]), docker),
        before(Deed::KillEngine, Expect::Failed(&["Cannot connect to the Docker daemon"]), docker),
        before(Deed::FreezeEngine, Expect::Unreachable(&["docker"], &["no answer within"]), docker),
        before(Deed::StopSshd, Expect::Unreachable(&["TCP"], &["refused"]), reaches),
        before(Deed::FreezeSshd, Expect::Unreachable(KEX, &["no answer within"]), reaches),
    ]
}

fn places() -> Vec<Fault> {
    use Expect::RefusedOrWarned;
    let full: &[&str] = &["No space left"];
    let read_only: &[&str] = &["Read-only file system"];
    let few: &[&str] = &["Too many open files"];
    vec![
        fault("full disk", Kind::Place(Place::FullDisk), RefusedOrWarned(full), writes_files),
        fault("read-only workspace", Kind::Place(Place::ReadOnly), RefusedOrWarned(read_only), writes_files),
        fault("64 descriptors", Kind::Place(Place::Descriptors(64)), Expect::Fine, any),
        fault("12 descriptors", Kind::Place(Place::Descriptors(12)), RefusedOrWarned(few), any),
        fault("output that nobody reads", Kind::Place(Place::ClosedPipe), Expect::Killed, any),
    ]
}

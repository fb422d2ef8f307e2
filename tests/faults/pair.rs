//! The course of one pair: a command under a fault, then the same command without it.

use std::{
    fs::{self, File},
    io::Read as _,
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    around::around,
    bench::{Bench, Goal, Holds},
    fault::{Deed, Fault, Kind, Place},
    hosts::{Grounds, faketime},
    processes,
    proxy::{Harm, Phase, Point, Way},
    verb::Verb,
};

/// No run may take longer: 8 s each to connect, to look and to act, and up to 30 s and 15 s to find out what became of it.
pub(crate) const LONGEST: Duration = Duration::from_secs(75);
/// A run that is still there then hangs.
const WATCHDOG: Duration = Duration::from_secs(150);

/// What a run left behind.
pub(crate) struct Ran {
    /// Exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) elapsed: Duration,
    /// It had to be ended.
    pub(crate) hung: bool,
    /// Processes of its group that it left.
    pub(crate) children: Vec<u32>,
}

/// Everything that is known of a pair afterwards.
pub(crate) struct Course {
    /// What each host is to hold.
    pub(crate) wanted: Goal,
    pub(crate) before: Vec<Holds>,
    pub(crate) ran: Ran,
    pub(crate) struck: bool,
    pub(crate) after: Vec<Holds>,
    /// Processes of the pair that were still there a minute later.
    pub(crate) left: Vec<(u32, String)>,
    /// `list --cached`, `check` and `history`.
    pub(crate) loads: Vec<(&'static str, Ran)>,
    /// What the workspace's directory holds.
    pub(crate) files: Vec<String>,
    pub(crate) again: Ran,
    pub(crate) finally: Vec<Holds>,
}

/// Runs `command` to its end, doing `meanwhile` once it has begun.
pub(crate) fn run(mut command: Command, meanwhile: impl FnOnce(&mut Child)) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| File::create(directory.path().join(name)).unwrap();
    command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err")).process_group(0);
    let begin = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    meanwhile(&mut child);
    let mut hung = false;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > WATCHDOG {
            hung = true;
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let elapsed = begin.elapsed();
    let children = processes::in_group(child.id());
    processes::signal(&children, Signal::KILL);
    let text = |name: &str| String::from_utf8_lossy(&fs::read(directory.path().join(name)).unwrap()).into_owned();
    Ran { code: status.code(), out: text("out"), err: text("err"), elapsed, hung, children }
}

/// Runs the pair.
pub(crate) fn course(grounds: &Grounds, verb: Verb, fault: &Fault) -> Course {
    let bench = Bench::new(grounds, verb);
    prepare(&bench);
    let hosts = || (1..=3).map(|number| bench.holds(number)).collect::<Vec<_>>();
    let before = hosts();
    let (ran, struck) = broken(&bench, fault);
    let left = wait_for_the_rest(&bench.name());
    let after = hosts();
    bench.heal();
    let load = |words: &'static [&'static str]| (words[0], run(bench.scratch.mcp(words), |_| {}));
    let loads = vec![load(&["list", "--cached"]), load(&["check"]), load(&["history"])];
    let files = names(bench.scratch.path());
    let again = repeated(&bench, fault);
    let finally = hosts();
    Course { wanted: bench.goal(), before, ran, struck, after, left, loads, files, again, finally }
}

/// The command once more, without the fault.
fn repeated(bench: &Bench<'_>, fault: &Fault) -> Ran {
    let verb = bench.verb;
    let verb = match verb {
        // An engine that ended after the answer took the container with it, and that is no rest of the run.
        Verb::Resume if fault.takes_the_machine() => Verb::Start,
        _ => verb,
    };
    let again = run(bench.command(verb), |_| {});
    // A registration that stands is not made again; what it was to start is.
    let is_registered = verb == Verb::AddStart && again.code == Some(2) && again.err.contains("registered");
    let again = if is_registered { run(bench.command(Verb::Start), |_| {}) } else { again };
    // Of a container that docker was making when it was killed it may know half, and then only a new one helps.
    let is_half_known = again.code == Some(1) && again.err.contains("task ") && again.err.contains("already exists");
    if is_half_known { run(bench.command(Verb::Recreate), |_| {}) } else { again }
}

fn names(directory: &Path) -> Vec<String> {
    fs::read_dir(directory).unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Brings about what the command needs.
fn prepare(bench: &Bench<'_>) {
    match bench.verb {
        verb if verb.needs_containers() => {
            let ran = run(bench.command(Verb::Start), |_| {});
            assert_eq!(ran.code, Some(0), "cannot prepare: {}{}", ran.out, ran.err);
        }
        Verb::Resume => {
            // A run that reached nobody.
            let text = bench.scratch.read("hosts.yaml");
            bench.scratch.write("hosts.yaml", &text.replace("port: ", "port: 1 # "));
            let mut command = bench.command(Verb::Start);
            command.args(["--retries", "0"]);
            let ran = run(command, |_| {});
            assert_eq!(ran.code, Some(4), "cannot prepare: {}{}", ran.out, ran.err);
            bench.scratch.write("hosts.yaml", &text);
        }
        Verb::Trust => {
            bench.scratch.write("known_hosts", "");
        }
        _ => {}
    }
}

/// Runs the command under the fault; says whether the fault came about.
fn broken(bench: &Bench<'_>, fault: &Fault) -> (Ran, bool) {
    match fault.kind {
        Kind::Cable(harm) => {
            let proxy = bench.cable(Some(harm), None, "");
            let ran = run(bench.command(bench.verb), |_| {});
            let struck = proxy.was_cut() || matches!(harm.at, Point::Refused | Point::Unanswered);
            proxy.mend();
            (ran, struck)
        }
        Kind::Moment(phase, deed) => at_the_moment(bench, phase, deed),
        Kind::Host(lines) => {
            other_host(bench, lines);
            (run(bench.command(bench.verb), |_| {}), true)
        }
        Kind::Sshd(configuration) => {
            let sshd = Sshd::start(bench, configuration);
            let proxy = bench.cable(None, Some(sshd.address), "");
            let silent = if configuration == "MaxStartups 3" { sshd.take(3) } else { vec![] };
            let ran = run(bench.command(bench.verb), |_| {});
            drop(silent);
            (ran, proxy.connections() > 0)
        }
        Kind::Before(deed) => {
            let machine = Machine { grounds: bench.grounds };
            machine.take(deed);
            let ran = run(bench.command(bench.verb), |_| {});
            machine.give_back(deed);
            (ran, true)
        }
        Kind::Place(place) => (run(placed(bench, bench.command(bench.verb), place), |_| {}), true),
    }
}

fn other_host(bench: &Bench<'_>, lines: &str) {
    let grounds = bench.grounds;
    let lines = lines
        .replace("SHELLS", &grounds.shells().display().to_string())
        .replace("STRANGER", &grounds.stranger().display().to_string());
    let straight = format!("address: {}", grounds.rig.host(2).address);
    match lines.as_str() {
        "known_hosts: OTHERKEY" => {
            // The key of the first host for the second.
            let known = fs::read_to_string(&grounds.rig.known_hosts).unwrap();
            let first =
                known.lines().next().unwrap().replace(&grounds.rig.host(1).address, &grounds.rig.host(2).address);
            let path = bench.scratch.write("other_hosts", &first);
            bench.hosts(&straight, &format!("known_hosts: {}", path.display()));
        }
        "known_hosts: NOKEY" => bench.hosts(&straight, "known_hosts: other_hosts"),
        _ if lines.starts_with("address: ") => bench.hosts(&lines, ""),
        _ => bench.hosts(&straight, &lines),
    }
}

/// Runs the command, and `deed` when its connection has come to `phase`.
fn at_the_moment(bench: &Bench<'_>, phase: Phase, deed: Deed) -> (Ran, bool) {
    let lines = match deed {
        Deed::HostClockForward | Deed::HostClockBack => "user: jumpy",
        _ => "",
    };
    let harm = Harm { at: Point::Phase(phase), way: Way::Pause, every: false };
    let proxy = bench.cable(Some(harm), None, lines);
    let machine = Machine { grounds: bench.grounds };
    let clock = bench.grounds.clock(&bench.name());
    let own_clock = tempfile::NamedTempFile::new().unwrap();
    let mut command = bench.command(bench.verb);
    let disk = Disk::of(bench);
    match deed {
        Deed::ClockForward | Deed::ClockBack => {
            fs::write(own_clock.path(), "+0").unwrap();
            command.env("LD_PRELOAD", faketime().unwrap()).env("FAKETIME_TIMESTAMP_FILE", own_clock.path());
            command
                .env("FAKETIME_NO_CACHE", "1")
                .env("DONT_FAKE_MONOTONIC", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        Deed::FillDisk => command = disk.around(&command, true),
        _ => {}
    }
    let away = bench.grounds.shells().join(format!("away-{}", bench.name()));
    let mut struck = false;
    let mut sessions = vec![];
    let ran = run(command, |child| {
        let Some(local) = proxy.harmed(Duration::from_secs(30)) else { return };
        struck = true;
        match deed {
            Deed::KillSession | Deed::StopSession => {
                sessions = processes::sshd_of(local);
                struck = !sessions.is_empty();
                processes::signal(&sessions, if deed == Deed::KillSession { Signal::KILL } else { Signal::STOP });
            }
            Deed::KillMcp => child.kill().unwrap(),
            Deed::PauseMcp => {
                processes::signal(&[child.id()], Signal::STOP);
                proxy.deliver();
                // Time passes for the host, and none for `mcp`.
                std::thread::sleep(Duration::from_secs(3));
                processes::signal(&[child.id()], Signal::CONT);
            }
            Deed::MoveWorkspace => fs::rename(bench.scratch.path(), &away).unwrap(),
            Deed::FillDisk => disk.fill(),
            Deed::ClockForward => fs::write(own_clock.path(), "+3h").unwrap(),
            Deed::ClockBack => fs::write(own_clock.path(), "-3h").unwrap(),
            Deed::HostClockForward => fs::write(&clock, "+3h").unwrap(),
            Deed::HostClockBack => fs::write(&clock, "-3h").unwrap(),
            Deed::RestartEngine => {
                proxy.deliver();
                at_work(&bench.name());
                machine.take(Deed::StopEngine);
                machine.give_back(Deed::StopEngine);
            }
            Deed::KillEngine | Deed::FreezeEngine | Deed::StopEngine | Deed::StopSshd | Deed::FreezeSshd => {
                proxy.deliver();
                at_work(&bench.name());
                machine.take(deed);
            }
        }
        proxy.deliver();
    });
    proxy.mend();
    if deed == Deed::StopSession {
        processes::signal(&sessions, Signal::CONT);
    }
    if deed.takes_the_machine() && deed != Deed::RestartEngine {
        machine.give_back(deed);
    }
    if away.exists() {
        // What was written in the meantime, beside what was there before.
        let _ = fs::remove_dir_all(bench.scratch.path());
        fs::rename(&away, bench.scratch.path()).unwrap();
    }
    let _ = fs::remove_file(clock);
    (ran, struck)
}

/// Waits until something of the pair runs on the second host, or has run.
fn at_work(name: &str) {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {
        if processes::naming(name).iter().any(|(_, line)| line.starts_with("docker ")) {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until no process of the pair is there; gives those that do not end.
fn wait_for_the_rest(name: &str) -> Vec<(u32, String)> {
    let begin = Instant::now();
    loop {
        let left = processes::naming(name);
        if left.is_empty() {
            return left;
        }
        if begin.elapsed() > Duration::from_secs(60) {
            for (pid, _) in &left {
                processes::signal(&processes::in_group(processes::group_of(*pid)), Signal::KILL);
            }
            return left;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The second machine's engine and listener, taken away and given back.
struct Machine<'a> {
    grounds: &'a Grounds,
}

impl Machine<'_> {
    fn take(&self, deed: Deed) {
        let rig = &self.grounds.rig;
        match deed {
            Deed::StopEngine => rig.engine("stop", 2),
            Deed::KillEngine => {
                let daemon = self.grounds.daemon().expect("the second machine has an engine");
                processes::signal(&[daemon], Signal::KILL);
                wait_until("the engine is gone", || self.grounds.daemon().is_none());
            }
            Deed::FreezeEngine => rig.engine("freeze", 2),
            Deed::StopSshd => rig.sshd("stop", 2),
            Deed::FreezeSshd => rig.sshd("freeze", 2),
            other => panic!("{other:?} takes nothing of a machine"),
        }
    }

    fn give_back(&self, deed: Deed) {
        let rig = &self.grounds.rig;
        match deed {
            Deed::FreezeEngine => rig.engine("thaw", 2),
            Deed::StopSshd => rig.sshd("start", 2),
            Deed::FreezeSshd => rig.sshd("thaw", 2),
            _ => rig.engine("start", 2),
        }
    }
}

/// An sshd of one pair, inside the second machine but for its network.
struct Sshd {
    address: SocketAddr,
    child: Child,
}

impl Sshd {
    fn start(bench: &Bench<'_>, configuration: &str) -> Self {
        let rig = &bench.grounds.rig;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let text = fs::read_to_string(rig.directory.join("edge-2/sshd_config")).unwrap();
        let file = rig.directory.join("shells").join(format!("sshd-{}", bench.name()));
        fs::write(&file, format!("ListenAddress {address}\n{configuration}\n{text}")).unwrap();
        let init = bench.grounds.init().to_string();
        let child = Command::new("nsenter")
            .args(["-t", &init, "-m", "-u", "-i", "-p", "--", "/usr/sbin/sshd", "-D", "-e", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(File::create(file.with_extension("log")).unwrap())
            .spawn()
            .unwrap();
        wait_until("sshd listens", || TcpStream::connect(address).is_ok());
        Self { address, child }
    }

    /// So many connections that have a banner and say nothing.
    fn take(&self, number: usize) -> Vec<TcpStream> {
        let mut taken = vec![];
        wait_until("connections are starting", || {
            let mut stream = TcpStream::connect(self.address).unwrap();
            let mut start = [0; 3];
            let is_let_in = stream.read_exact(&mut start).is_ok() && start == *b"SSH";
            if is_let_in {
                taken.push(stream);
            }
            taken.len() == number
        });
        taken
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // nsenter runs it as a child of its own, which has the same words.
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.child.id())).unwrap_or_default();
        let children: Vec<u32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
        processes::signal(&children, Signal::TERM);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `command` in a place that is wrong.
fn placed(bench: &Bench<'_>, command: Command, place: Place) -> Command {
    let shell = |text: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", text, "sh"]);
        shell
    };
    let wrap = |mut shell: Command| {
        shell.arg(command.get_program()).args(command.get_args());
        around(shell, &command)
    };
    match place {
        Place::FullDisk => Disk::of(bench).around(&command, false),
        Place::ReadOnly => {
            let directory = bench.scratch.path().display();
            let text = format!(
                "mount --bind '{directory}' '{directory}' && mount -o remount,ro,bind '{directory}' && cd '{directory}' && exec \"$@\""
            );
            let mut unshare = Command::new("unshare");
            unshare.args(["--mount", "--", "sh", "-c", &text, "sh"]);
            wrap(unshare)
        }
        Place::Descriptors(number) => wrap(shell(&format!("ulimit -n {number}; exec \"$@\""))),
        Place::ClosedPipe => wrap(shell("\"$@\" | true")),
    }
}

/// A small disk for a workspace, in a mount namespace of its own, so that nothing of it stays.
struct Disk {
    workspace: PathBuf,
    aside: PathBuf,
}

impl Disk {
    fn of(bench: &Bench<'_>) -> Self {
        let aside = bench.grounds.shells().join(format!("disk-{}", bench.name()));
        Self { workspace: bench.scratch.path().to_owned(), aside }
    }

    /// `command` with its workspace on the disk: full from the beginning, or once [`Disk::fill`] says so.
    fn around(&self, command: &Command, later: bool) -> Command {
        let (workspace, aside) = (self.workspace.display(), self.aside.display());
        let fill = "cat /dev/zero >ballast 2>/dev/null";
        let fill = if later {
            format!("(until [ -e '{aside}/fill' ]; do sleep 0.02; done; {fill}; : >'{aside}/full') &")
        } else {
            fill.to_owned()
        };
        let text = format!(
            "mkdir -p '{aside}/files' && cp -a '{workspace}/.' '{aside}/files' && mount -t tmpfs -o size=128k tmpfs '{workspace}' && \
             cd '{workspace}' && cp -a '{aside}/files/.' . || exit 99\n{fill}\n\"$@\"\ncode=$?\n: >'{aside}/fill'\nwait\nrm -f ballast\n\
             rm -rf '{aside}/files'; mkdir '{aside}/files'; cp -a . '{aside}/files'; cd /; umount '{workspace}'\n\
             find '{workspace}' -mindepth 1 -delete; cp -a '{aside}/files/.' '{workspace}'\nexit $code"
        );
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--", "sh", "-c", &text, "sh"]).arg(command.get_program()).args(command.get_args());
        around(unshare, command)
    }

    fn fill(&self) {
        File::create(self.aside.join("fill")).unwrap();
        wait_until("the disk is full", || self.aside.join("full").exists());
    }
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(30), "never came true: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

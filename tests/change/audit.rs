//! What hosts write into their own syslogs of a change: the real `logger`, to a socket at `/dev/log` as a syslog daemon has it.

use crate::{
    rig::Rig,
    support::{Answer, Bench, gist, wait_until},
};

/// Gives host 1 a `/dev` of its own, so that its `/dev/log` is no other machine's.
const OWN_DEV: &str = "mkdir /run/dev && mount --rbind /dev /run/dev && mount -t tmpfs -o mode=755 tmpfs /dev || exit 1
for node in null zero full random urandom tty; do : >/dev/$node; mount --bind /run/dev/$node /dev/$node || exit 1; done
for directory in pts shm mqueue; do
  [ ! -d /run/dev/$directory ] || { mkdir /dev/$directory && mount --rbind /run/dev/$directory /dev/$directory; } || exit 1
done
ln -s pts/ptmx /dev/ptmx; ln -s /proc/self/fd /dev/fd";

/// A syslog daemon: what comes goes into `/run/syslog`.
const DAEMON: &str = r#"socket(S, AF_UNIX, SOCK_DGRAM, 0) && bind(S, pack_sockaddr_un("/dev/log")) or die $!;
open L, ">", "/run/syslog"; while (defined recv(S, $m, 8192, 0)) { syswrite L, "$m\n" }"#;

/// One that hangs: its queue is full, and it takes nothing before `/run/go` is there; then it writes what is in its queue.
const HANGING: &str = r#"socket(S, AF_UNIX, SOCK_DGRAM, 0) && bind(S, pack_sockaddr_un("/dev/log")) or die $!;
socket(C, AF_UNIX, SOCK_DGRAM, 0) && connect(C, pack_sockaddr_un("/dev/log")) or die $!;
1 while defined send(C, "filler", MSG_DONTWAIT); open F, ">", "/run/full"; close F;
select undef, undef, undef, 0.02 until -e "/run/go";
open L, ">", "/run/syslog.new"; syswrite L, "$m\n" while defined recv(S, $m, 8192, MSG_DONTWAIT);
rename "/run/syslog.new", "/run/syslog""#;

fn with_syslog(rig: &Rig, program: &str, ready: &str) {
    rig.on(1, &["sh", "-c", OWN_DEV]);
    rig.on(1, &["sh", "-c", "setsid perl -MSocket -e \"$1\" </dev/null >/run/syslog.log 2>&1 &", "sh", program]);
    wait_until("the syslog is there", || {
        rig.on(1, &["sh", "-c", &format!("test -e {ready} && echo yes || :")]) == "yes"
    });
}

fn said(rig: &Rig) -> Vec<String> {
    rig.on(1, &["sh", "-c", "cat /run/syslog"]).lines().map(str::to_owned).collect()
}

/// What a line says, from `verb=` on; before that it says who it was.
fn ends(lines: &[String]) -> Vec<String> {
    let mut ends: Vec<String> = lines
        .iter()
        .map(|line| {
            assert!(line.starts_with("<37>") && line.contains(" mcp: run="), "auth.notice is 37: {line}");
            line[line.find("verb=").unwrap()..].to_owned()
        })
        .collect();
    ends.sort();
    ends
}

#[test]
fn each_change_is_one_line_in_the_syslog_of_its_host_without_a_further_exec() {
    let rig = Rig::own(1);
    with_syslog(&rig, DAEMON, "/run/syslog");
    let mut bench = Bench::on(&rig);
    for short in ["a", "b"] {
        bench.server(short, "edge-1", "", "");
    }
    let command = bench.scratch.docker_run("bad", "", "").replace("mcp-demo:1", "no-such-image:1");
    bench.entry("bad", "edge-1", &command, &[]);
    let before = rig.ssh_counts(1);
    let mut command = bench.command("start --all --settle 0 -o json");
    command.env("MCP_ACTOR", "ana").env("SUDO_USER", "bo").env("SSH_CONNECTION", "192.0.2.7 40000 192.0.2.8 22");
    let answer = Answer::of(command.output().unwrap());
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert_eq!(rig.ssh_counts(1).execs - before.execs, 3, "one to look, one to pull what is missing, one to act");
    wait_until("two lines", || said(&rig).len() == 2);
    let lines = said(&rig);
    let run = serde_json::from_str::<serde_json::Value>(&answer.out).unwrap()["run"].as_str().unwrap().to_owned();
    for line in &lines {
        assert!(line.contains(&format!("run={run} by=ana@")), "{line}");
        assert!(line.contains(" uid=0 sudo_user=bo from=192.0.2.7 verb=start "), "{line}");
    }
    let line = |verb: &str, short: &str, outcome: &str| {
        let name = bench.name(short);
        format!("verb={verb} instance={name}@edge-1 container={name} outcome={outcome}")
    };
    // Nothing was changed for the server whose image cannot be pulled.
    assert_eq!(ends(&lines), [line("start", "a", "ok"), line("start", "b", "ok")]);

    // What is left alone says nothing, what was told to be quiet neither.
    bench.mcp("start :a");
    let hosts = bench.scratch.hosts_yaml();
    bench.scratch.write("hosts.yaml", &hosts.replace("    groups:", "    audit: none\n    groups:"));
    bench.report("stop :b", 0);
    bench.scratch.write("hosts.yaml", &hosts);
    let (a, b) = (line("remove", "a", "ok"), line("restart", "b", "ok"));
    bench.report("restart :b --settle 0", 0);
    wait_until("the line of the restart", || said(&rig).len() == 3);
    bench.mcp("remove :a --stop --yes").says(0, &[]);
    wait_until("the line of the removal", || said(&rig).len() == 4);
    assert_eq!(ends(&said(&rig)[2..]), [a, b]);
}

#[test]
fn a_syslog_that_hangs_holds_up_no_change_and_leaves_no_process() {
    let rig = Rig::own(1);
    with_syslog(&rig, HANGING, "/run/full");
    let mut bench = Bench::on(&rig);
    bench.server("web", "edge-1", "", "");
    assert_eq!(gist(bench.report("start --all --settle 0", 0).row()), "changed created running");
    assert_eq!(gist(bench.report("restart --all --settle 0", 0).row()), "changed restarted running");
    wait_until("no logger is left", || rig.on(1, &["sh", "-c", "pgrep -x logger || :"]).is_empty());
    rig.on(1, &["sh", "-c", ": >/run/go"]);
    wait_until("the queue is read", || rig.on(1, &["sh", "-c", "test -e /run/syslog && echo yes || :"]) == "yes");
    let lines = said(&rig);
    assert!(!lines.is_empty() && lines.iter().all(|line| line == "filler"), "it was not hanging: {lines:?}");
}

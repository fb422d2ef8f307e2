#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use super::*;
use crate::transport::{End, Output, script::Sections};

const ME: Holder<'_> = Holder { owner: "alice@laptop", purpose: "restart", run: Some("261121-k3qx") };
const HOUR: Duration = Duration::from_secs(3600);

fn shells() -> Vec<Vec<&'static str>> {
    vec![vec!["dash"], vec!["bash", "--posix"], vec!["bash"], vec!["busybox", "sh"], vec![WITHOUT_FLOCK]]
}

/// A dash that finds no flock(1).
const WITHOUT_FLOCK: &str = "dash, no flock";

/// `script` with its leases in `directory`.
fn begin(shell: &[&str], directory: &Path, script: &Script) -> Child {
    let mut text = script.to_shell().text.replace(DIRECTORY, directory.join("leases").to_str().unwrap());
    let mut program = shell[0];
    if program == WITHOUT_FLOCK {
        program = "dash";
        text = text.replace("command -v flock", "command -v there-is-none");
    }
    Command::new(program)
        .args(&shell[1..])
        .args(["-c", &text])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn end(child: Child, script: &Script) -> Sections {
    let out = child.wait_with_output().unwrap();
    script.read(&Output::whole(out.stdout, out.stderr, End::Exit(0)))
}

fn run(shell: &[&str], directory: &Path, script: &Script) -> Sections {
    end(begin(shell, directory, script), script)
}

/// A script that acts on `names` and says which it may act on.
fn acting(names: &[&str], code: &str, allowed: Duration) -> (Script, SectionId, Vec<SectionId>) {
    let mut script = Script::new();
    let id = take(&mut script, names, &ME, allowed);
    let codes: Vec<String> = names.iter().map(|name| guarded(name, code)).collect();
    let jobs = script.side_by_side(&codes, 10);
    (script, id, jobs)
}

fn wait_for(what: impl Fn() -> bool) {
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while !what() {
        assert!(std::time::Instant::now() < until, "it never came true");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory.join("leases")).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.contains('@'));
    names.sort();
    names
}

/// What a lease of this test's own process looks like, with `left` seconds to go.
fn forge(directory: &Path, name: &str, left: i64, process: u32, change: impl Fn(String) -> String) {
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let now: i64 = uptime.split('.').next().unwrap().parse().unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let engine = std::env::var("DOCKER_HOST").unwrap_or_default();
    let line =
        format!("1 {} {} {process} {} bob@desk stop r1 {}|{engine}\n", now + left, now - 5, boot.trim(), host.trim());
    fs::create_dir_all(directory.join("leases")).unwrap();
    fs::set_permissions(directory.join("leases"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(directory.join(format!("leases/{name}@mcp-other")), change(line)).unwrap();
}

#[test]
fn a_script_acts_under_its_leases_and_drops_them_at_its_end() {
    for shell in shells() {
        let place = tempfile::tempdir().unwrap();
        let seen = format!("ls {}", place.path().join("leases").display());
        let (script, id, jobs) = acting(&["web", "db.1"], &seen, HOUR);
        let sections = run(&shell, place.path(), &script);
        assert_eq!(taken(sections.get(id).unwrap()), Taken::default(), "{shell:?}");
        for job in jobs {
            let section = sections.get(job).unwrap();
            assert_eq!(section.exit, Some(0), "{shell:?} {section:?}");
            let names: Vec<String> = section.stdout_text().lines().map(str::to_owned).collect();
            let word = script.word();
            for name in ["web", "db.1"] {
                assert!(names.contains(&format!("{name}@{word}")), "{shell:?} {names:?}");
            }
        }
        assert!(files(place.path()).is_empty(), "{shell:?}");
        let mode = fs::metadata(place.path().join("leases")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o1777, "other accounts take theirs there too");
    }
}

#[test]
fn what_another_script_holds_is_left_alone_and_its_holder_named() {
    for shell in shells() {
        let place = tempfile::tempdir().unwrap();
        let go = place.path().join("go");
        let waits = format!("while ! [ -e {} ]; do sleep 0.05; done", go.display());
        let (first, _, _) = acting(&["web", "db"], &waits, HOUR);
        let child = begin(&shell, place.path(), &first);
        wait_for(|| place.path().join("leases").exists() && files(place.path()).len() == 2);
        let (second, id, jobs) = acting(&["db", "cache"], "echo acts", HOUR);
        let sections = run(&shell, place.path(), &second);
        let taken = taken(sections.get(id).unwrap());
        assert_eq!(taken.trouble, None);
        assert_eq!(taken.held.keys().collect::<Vec<_>>(), ["db"], "{shell:?}");
        let lease = &taken.held["db"];
        assert_eq!((&*lease.owner, &*lease.purpose, lease.run.as_deref()), ("alice@laptop", "restart", ME.run));
        assert!(lease.left <= HOUR && lease.left > HOUR / 2 && lease.age < HOUR / 2, "{lease:?}");
        let answers: Vec<_> = jobs.iter().map(|job| sections.get(*job).unwrap().clone()).collect();
        assert_eq!((answers[0].exit, &*answers[0].stdout), (Some(REFUSED), &b""[..]), "{shell:?}");
        assert_eq!((answers[1].exit, &*answers[1].stdout), (Some(0), &b"acts\n"[..]), "{shell:?}");
        let mut question = Script::new();
        let id = list(&mut question);
        let listed = listed(run(&shell, place.path(), &question).get(id).unwrap());
        assert_eq!(listed.iter().map(|l| &*l.container).collect::<Vec<_>>(), ["db", "web"], "{shell:?}");
        let mut question = Script::new();
        let id = list_on(&mut question, &["db", "cache"]);
        let listed = super::listed(run(&shell, place.path(), &question).get(id).unwrap());
        assert_eq!(listed.iter().map(|l| &*l.container).collect::<Vec<_>>(), ["db"], "{shell:?}");
        fs::write(go, "").unwrap();
        end(child, &first);
        assert!(files(place.path()).is_empty());
    }
}

#[test]
fn of_scripts_that_begin_together_each_container_has_one() {
    for shell in shells() {
        let place = tempfile::tempdir().unwrap();
        let log = place.path().join("log");
        let code = format!("echo begin >>{0}; sleep 0.02; echo end >>{0}", log.display());
        let scripts: Vec<_> = (0..12).map(|_| acting(&["web"], &code, HOUR)).collect();
        let children: Vec<_> = scripts.iter().map(|(script, ..)| begin(&shell, place.path(), script)).collect();
        let mut acted = 0;
        for (child, (script, _, jobs)) in children.into_iter().zip(&scripts) {
            acted += usize::from(end(child, script).get(jobs[0]).unwrap().exit == Some(0));
        }
        let log = fs::read_to_string(log).unwrap();
        assert_eq!(log, "begin\nend\n".repeat(acted), "{shell:?}: two acted at once");
        assert!(acted >= 1 && files(place.path()).is_empty());
    }
}

#[test]
fn a_lease_that_is_over_stands_in_nobodys_way() {
    let mut gone = Command::new("true").spawn().unwrap();
    let dead = gone.id();
    gone.wait().unwrap();
    let me = std::process::id();
    type Change = fn(String) -> String;
    let same: Change = |line| line;
    let cases: [(&str, i64, u32, Change); 8] = [
        ("its time is over", -1, me, same),
        ("its process is gone", 100, dead, same),
        ("it would last for ever", 10_000_000, me, same),
        ("another start of the host", 100, me, |line| line.replace(" bob@", "x bob@")),
        ("no time", 100, me, |line| line.replacen("1 ", "1 x", 1)),
        ("octal", 100, me, |line| line.replacen("1 ", "1 0", 1)),
        ("far too long a number", 100, me, |line| line.replacen("1 ", "1 99999999999999999999999999", 1)),
        ("no process", 100, me, |line| line.replace(&format!(" {} ", std::process::id()), " x ")),
    ];
    for shell in shells() {
        for (why, left, process, change) in cases {
            let place = tempfile::tempdir().unwrap();
            forge(place.path(), "web", left, process, change);
            let (script, id, jobs) = acting(&["web"], "echo acts", HOUR);
            let sections = run(&shell, place.path(), &script);
            assert_eq!(taken(sections.get(id).unwrap()), Taken::default(), "{shell:?} {why}");
            assert_eq!(sections.get(jobs[0]).unwrap().stdout, b"acts\n", "{shell:?} {why}");
            assert!(files(place.path()).is_empty(), "{shell:?} {why}");
        }
        // The same lease with nothing wrong counts, or the cases above show nothing.
        let place = tempfile::tempdir().unwrap();
        forge(place.path(), "web", 100, me, same);
        let (script, id, _) = acting(&["web"], "echo acts", HOUR);
        let taken = taken(run(&shell, place.path(), &script).get(id).unwrap());
        assert_eq!(taken.held["web"].owner, "bob@desk", "{shell:?}");
    }
}

#[test]
fn a_lease_lasts_while_any_process_of_its_script_does() {
    for shell in shells() {
        let place = tempfile::tempdir().unwrap();
        let [begun, go, dead] = ["begun", "go", "dead"].map(|name| place.path().join(name));
        // The shell itself dies; what it runs beside goes on.
        let waits = format!(
            "echo >{}; while ! [ -e {} ]; do sleep 0.05; done; echo >{}",
            begun.display(),
            go.display(),
            dead.display()
        );
        let (first, _, _) = acting(&["web"], &waits, HOUR);
        let mut child = begin(&shell, place.path(), &first);
        wait_for(|| begun.exists());
        child.kill().unwrap();
        child.wait().unwrap();
        let held = || {
            let (script, id, _) = acting(&["web"], "true", HOUR);
            taken(run(&shell, place.path(), &script).get(id).unwrap()).held.contains_key("web")
        };
        assert!(held(), "{shell:?}");
        fs::write(go, "").unwrap();
        wait_for(|| dead.exists() && !held());
        assert!(files(place.path()).is_empty(), "{shell:?}");
    }
}

#[test]
fn a_lease_of_a_process_that_has_ended_and_was_not_waited_for_is_over() {
    for shell in shells() {
        let place = tempfile::tempdir().unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        forge(place.path(), "web", 1000, child.id(), |line| line);
        let look = || {
            let mut script = Script::new();
            let id = list(&mut script);
            listed(run(&shell, place.path(), &script).get(id).unwrap()).len()
        };
        assert_eq!(look(), 1, "{shell:?}");
        drop(child.stdin.take());
        let stat = format!("/proc/{}/stat", child.id());
        wait_for(|| fs::read_to_string(&stat).unwrap().contains(") Z "));
        assert_eq!(look(), 0, "{shell:?}: a zombie");
        child.wait().unwrap();
    }
}

#[test]
fn leases_of_another_engine_are_none_and_are_left() {
    for shell in shells() {
        let place = tempfile::tempdir().unwrap();
        forge(place.path(), "web", 100, std::process::id(), |line| line.replace('|', "|unix:///other"));
        let (script, id, _) = acting(&["web"], "true", HOUR);
        assert_eq!(taken(run(&shell, place.path(), &script).get(id).unwrap()), Taken::default(), "{shell:?}");
        assert_eq!(files(place.path()), ["web@mcp-other"], "{shell:?}");
    }
}

#[test]
fn a_script_whose_lease_was_released_or_has_run_out_begins_nothing_more() {
    for shell in shells() {
        let place = tempfile::tempdir().unwrap();
        let mut script = Script::new();
        take(&mut script, &["web", "db"], &ME, HOUR);
        let freed = format!("rm -f {}/leases/db@*", place.path().display());
        let first = script.run(&guarded("web", &freed));
        let second = script.run(&guarded("db", "echo acts"));
        script.plain("mcp_until=0");
        let third = script.run(&guarded("web", "echo acts"));
        let sections = run(&shell, place.path(), &script);
        assert_eq!(sections.get(first).unwrap().exit, Some(0), "{shell:?}");
        for id in [second, third] {
            let section = sections.get(id).unwrap();
            assert_eq!((section.exit, &*section.stdout), (Some(REFUSED), &b""[..]), "{shell:?}");
            assert_eq!(section.stderr_text().trim(), ENDED, "{shell:?}");
        }
    }
}

#[test]
fn a_lease_can_be_released_from_outside() {
    for shell in shells() {
        let place = tempfile::tempdir().unwrap();
        for name in ["web", "db"] {
            forge(place.path(), name, 100, std::process::id(), |line| line);
        }
        let mut script = Script::new();
        let id = release(&mut script, &["web", "none"]);
        let answer = released(run(&shell, place.path(), &script).get(id).unwrap());
        assert_eq!(answer, (vec!["web".to_owned()], vec![]), "{shell:?}");
        assert_eq!(files(place.path()), ["db@mcp-other"], "{shell:?}");
    }
}

#[test]
fn a_place_that_cannot_be_used_is_trouble_and_nothing_is_done() {
    for shell in shells() {
        let place = tempfile::tempdir().unwrap();
        let leases = place.path().join("leases");
        std::os::unix::fs::symlink("/etc", &leases).unwrap();
        let (script, id, jobs) = acting(&["web"], "echo acts", HOUR);
        let sections = run(&shell, place.path(), &script);
        let trouble = taken(sections.get(id).unwrap()).trouble.unwrap();
        assert!(trouble.contains("symbolic link"), "{shell:?} {trouble}");
        assert_eq!(sections.get(jobs[0]).unwrap().exit, Some(REFUSED), "{shell:?}");
        fs::remove_file(&leases).unwrap();
        fs::write(&leases, "").unwrap();
        let (script, id, jobs) = acting(&["web"], "echo acts", HOUR);
        let sections = run(&shell, place.path(), &script);
        assert!(taken(sections.get(id).unwrap()).trouble.is_some(), "{shell:?}");
        assert_eq!(sections.get(jobs[0]).unwrap().stdout, b"", "{shell:?}");
    }
}

#[test]
fn what_others_write_into_leases_cannot_look_like_anything_else() {
    let text = "a\u{1b}[2J 1 2 o p r\nweb 1 2 o\u{202e}x <b> r\nweb x 2 o p r\nok 1 2 o p -\n";
    let section = Section { stdout: text.as_bytes().to_vec(), exit: Some(0), ..Section::default() };
    let leases = listed(&section);
    let shown: Vec<_> = leases.iter().map(|l| (&*l.container, &*l.owner, &*l.purpose, l.run.as_deref())).collect();
    assert_eq!(shown, [("ok", "o", "p", None), ("web", "o_x", "_b_", Some("r"))]);
    assert_eq!(word("Zoë O'Brien@my laptop;`reboot`"), "Zo__O_Brien@my_laptop__reboot_");
}

#[test]
fn what_another_account_has_put_there_is_neither_followed_nor_waited_for_nor_read_without_end() {
    let make = |place: &Path, mode: u32| {
        let leases = place.join("leases");
        fs::create_dir(&leases).unwrap();
        fs::set_permissions(&leases, fs::Permissions::from_mode(mode)).unwrap();
        leases
    };
    let refused = |shell: &[&str], place: &Path| {
        let (script, id, jobs) = acting(&["web"], "echo acts", HOUR);
        let sections = run(shell, place, &script);
        assert_eq!(sections.get(jobs[0]).unwrap().stdout, b"", "{shell:?}");
        taken(sections.get(id).unwrap()).trouble.unwrap_or_else(|| panic!("{shell:?}: no trouble"))
    };
    for shell in shells().into_iter().filter(|shell| shell[0] != WITHOUT_FLOCK) {
        let place = tempfile::tempdir().unwrap();
        let leases = make(place.path(), 0o1777);
        // A link that leads where nothing is yet.
        std::os::unix::fs::symlink(place.path().join("made-by-root"), leases.join("lock")).unwrap();
        assert!(refused(&shell, place.path()).contains("lock"), "{shell:?}");
        assert!(!place.path().join("made-by-root").exists(), "{shell:?}");
        fs::remove_file(leases.join("lock")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, leases.join("lock"), rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
        assert!(refused(&shell, place.path()).contains("lock"), "{shell:?}");
        fs::remove_file(leases.join("lock")).unwrap();
        // A lease without end, and more of them than anybody has.
        fs::File::create(leases.join("web@huge")).unwrap().set_len(1 << 40).unwrap();
        let (script, id, _) = acting(&["web"], "true", HOUR);
        assert_eq!(taken(run(&shell, place.path(), &script).get(id).unwrap()), Taken::default(), "{shell:?}");
        (0..MOST).for_each(|number| fs::write(leases.join(format!("web@{number}")), "x").unwrap());
        assert!(refused(&shell, place.path()).contains("more than"), "{shell:?}");
        let open = tempfile::tempdir().unwrap();
        make(open.path(), 0o777);
        assert!(refused(&shell, open.path()).contains("1777"), "{shell:?}");
    }
}

//! Batches and limits of `exec` and `copy`, their journal, and going on with what they left.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Child, Stdio},
};

use serde_json::Value;

use crate::{
    fleet::Fleet,
    said::Said,
    sshd::{kill, user, wait_until},
};

/// A file on this machine that every host writes to, and a command that writes its number there and then goes on.
struct Book {
    path: String,
}

impl Book {
    fn new(fleet: &Fleet) -> Self {
        Self { path: fleet.file("book", "") }
    }

    /// `$n` is the number of the host: 3 of `h-0003`.
    fn command(&self, then: &str) -> String {
        format!("set -- $SSH_CONNECTION; n=${{3##*.}}; book={}; echo $n >>$book; {then}", self.path)
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(&self.path).unwrap().lines().map(str::to_owned).collect()
    }

    fn sorted(&self) -> Vec<String> {
        let mut lines = self.lines();
        lines.sort();
        lines
    }
}

fn journal(fleet: &Fleet) -> String {
    fs::read_to_string(fleet.sshd.path("workspace/journal.jsonl")).unwrap_or_default()
}

/// The page of the last run.
fn last_run(fleet: &Fleet) -> Value {
    let runs = fleet.mcp(&["history", "-n", "1", "--json"]).code(0).json();
    fleet.mcp(&["history", runs[0]["run"].as_str().unwrap(), "--json"]).code(0).json()
}

/// `HOST OUTCOME` of each host.
fn outcomes(page: &Value) -> Vec<String> {
    let word = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    page["hosts"].as_array().unwrap().iter().map(|row| word(row, "host") + " " + &word(row, "outcome")).collect()
}

fn kill_dead(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_batch_runs_side_by_side_and_ends_before_the_next_one_begins() {
    let fleet = Fleet::start();
    let book = Book::new(&fleet);
    // Each waits until its partner has begun as well.
    let command =
        book.command("while [ $(($(grep -c '^[0-9]' $book) % 2)) -eq 1 ]; do sleep 0.02; done; echo end $n >>$book");
    let said = fleet.mcp(&["exec", "h-000[1:4]", "--serial", "2", "-b", "--", &command]).code(0);
    said.err("exec: batch 1 of 2, 2 hosts").err("exec: 4 ok in ").err("in 2 batches");
    let lines = book.lines();
    let sorted = |from: usize| {
        let mut part = lines[from..from + 2].to_vec();
        part.sort();
        part
    };
    assert_eq!(sorted(0), ["1", "2"], "{lines:?}");
    assert_eq!(sorted(2), ["end 1", "end 2"], "{lines:?}");
    assert_eq!(sorted(4), ["3", "4"], "{lines:?}");
    assert_eq!(sorted(6), ["end 3", "end 4"], "{lines:?}");
}

#[test]
fn batches_have_their_sizes_and_hosts_keep_their_order() {
    let fleet = Fleet::start();
    let book = Book::new(&fleet);
    let said = fleet.mcp(&["exec", "h-000[1:6]", "--serial", "1,50%", "--forks", "1", "--", &book.command("")]).code(0);
    said.err("batch 1 of 3, 1 host").err("batch 2 of 3, 3 hosts").err("batch 3 of 3, 2 hosts");
    assert_eq!(book.lines(), ["1", "2", "3", "4", "5", "6"]);
    let page = last_run(&fleet);
    let names = |numbers: &[u8]| Value::from(numbers.iter().map(|n| format!("h-000{n}")).collect::<Vec<_>>());
    assert_eq!(page["batches"], Value::from(vec![names(&[1]), names(&[2, 3, 4]), names(&[5, 6])]));
}

#[test]
fn a_limit_leaves_the_rest_alone_and_says_so_everywhere() {
    let fleet = Fleet::start();
    let book = Book::new(&fleet);
    let command = book.command("case $n in 1|3) exit 7;; esac");
    let limits = ["--serial", "2", "--max-fail", "2"];
    let said = fleet.mcp(&[&["exec", "h-000[1:6]", "--json"][..], &limits, &["--", &command]].concat()).code(1);
    assert_eq!(book.sorted(), ["1", "2", "3", "4"]);
    let left: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let left: Vec<&Value> = left.iter().filter(|row| row["outcome"] == "not_attempted").collect();
    assert_eq!((&left[0]["host"], &left[1]["host"], left.len()), (&"h-0005".into(), &"h-0006".into(), 2), "{said}");
    assert_eq!((&left[0]["error"]["kind"], &left[0]["exit_code"]), (&"halted".into(), &Value::Null));
    said.err("exec: 2 ok · 2 failed (exit 7) · 2 not attempted in ")
        .err(", 2 of 3 batches begun")
        .err("exec ended early: 2 of 6 hosts failed, and the limit is --max-fail 2")
        .err("hint:  mend what failed, then `mcp resume` goes on with the rest")
        .err("resume with: mcp resume");
    let page = last_run(&fleet);
    let expected = ["h-0001 failed", "h-0002 ok", "h-0003 failed", "h-0004 ok", "h-0005 not_attempted"];
    assert_eq!(outcomes(&page)[..5], expected);
    assert_eq!((&page["hosts"][0]["exit_code"], &page["hosts"][1]["exit_code"]), (&7.into(), &0.into()));
    assert_eq!((&page["exit"], &page["left"], &page["verb"]), (&1.into(), &4.into(), &"exec".into()));
    assert_eq!(page["halted"], "2 of 6 hosts failed, and the limit is --max-fail 2");
    assert_eq!(page["options"], serde_json::json!({"serial": "2", "max_fail": "2"}));
    let said = fleet.mcp(&[&["exec", "h-000[1:6]", "-b"][..], &limits, &["--", &command]].concat()).code(1);
    said.out("--- h-[0005-0006] (2) · not attempted");
}

#[test]
fn the_first_failure_ends_a_run_that_is_told_so_and_no_answer_is_a_failure() {
    let fleet = Fleet::start();
    let book = Book::new(&fleet);
    let one_by_one = ["--fail-fast", "--forks", "1", "--", &book.command("[ $n != 2 ]")];
    let said = fleet.mcp(&[&["exec", "h-000[1:4]"][..], &one_by_one].concat()).code(1);
    said.err("exec ended early: h-0002 failed, and --fail-fast ends the run with the first").err("2 not attempted");
    assert_eq!(book.lines(), ["1", "2"]);
    let said = fleet.mcp(&[&["exec", "gone,told", "--retries", "0"][..], &one_by_one].concat()).code(4);
    said.err("1 unreachable · 1 not attempted");
    assert_eq!(book.lines(), ["1", "2"], "told came after gone");
    // Ansible's rule.
    fleet
        .mcp(&["exec", "gone,told", "--retries", "0", "--serial", "1", "--", "true"])
        .code(4)
        .err("exec ended early: batch 1 of 2 failed: its only host did");
    fleet
        .mcp(&["exec", "h-000[1:2]", "--serial", "1", "--timeout", "1", "--", "sleep 60"])
        .code(1)
        .err("1 timed out · 1 not attempted");
    // Without a limit all are attempted.
    fleet
        .mcp(&["exec", "h-000[1:2],gone", "--retries", "0", "--", "exit 1"])
        .code(4)
        .err("2 failed (exit 1) · 1 unreach");
    fleet.mcp(&["exec", "h-0001", "--wait", "1s", "--", "true"]).code(2).err("--wait is a pause between batches");
}

#[test]
fn resume_runs_the_rest_exactly_once_with_the_same_options() {
    let fleet = Fleet::start();
    let book = Book::new(&fleet);
    let mended = fleet.sshd.path("mended");
    let command = book.command(&format!("[ $n != 3 ] || [ -e {} ] || exit 5; cat", mended.display()));
    let input = fleet.file("input", "from the file\n");
    let words = ["exec", "h-000[1:5]", "-b", "--serial", "1", "--stdin", &input, "--", &command];
    fleet.mcp(&words).code(1).err("2 ok · 1 failed (exit 5) · 2 not attempted");
    assert_eq!(book.lines(), ["1", "2", "3"]);
    fs::write(&mended, "").unwrap();
    let said = fleet.mcp(&["resume"]).code(0);
    said.err("resume exec of ")
        .err(": 3 of 5 left")
        .out("--- h-[0003-0005] (3)\nfrom the file\n")
        .err("exec: 3 ok in ")
        .err("in 3 batches");
    assert_eq!(book.lines(), ["1", "2", "3", "3", "4", "5"]);
    fleet.mcp(&["resume"]).code(0).err("nothing is left");
    assert_eq!(book.lines().len(), 6);
    let runs = fleet.mcp(&["history", "--json"]).json();
    assert_eq!((&runs[1]["parent"], &runs[1]["command"]), (&runs[0]["run"], &Value::from(vec!["resume"])));
}

#[test]
fn retry_failed_takes_what_the_last_exec_left_with_the_command_said_now() {
    let fleet = Fleet::start();
    let book = Book::new(&fleet);
    fleet
        .mcp(&["exec", "h-000[1:3],gone", "--retries", "0", "--", &book.command("[ $n != 2 ]")])
        .code(4)
        .err("2 ok · 1 failed (exit 1) · 1 unreachable");
    fleet.mcp(&["exec", "h-0001", "--retry-failed", "--", "true"]).code(0).err("nothing of what is selected is left");
    fleet.mcp(&["exec", "h-*", "--retry-failed", "--dry-run", "--", "true"]).code(0).out("h-0002").nowhere("h-0003");
    let said = fleet.mcp(&["exec", "--retry-failed", "--retries", "0", "--", &book.command("")]).code(4);
    said.err("1 ok · 1 unreachable");
    assert_eq!(book.sorted(), ["1", "2", "2", "3"]);
    fleet.mcp(&["exec", "h-*", "--retry-failed", "--", "true"]).code(0).err("nothing of what is selected is left");
    fleet.mcp(&["copy", "--retry-failed", &book.path]).code(2).err("there is no copy in the journal");
}

#[test]
fn what_a_killed_run_left_is_known_and_resumed() {
    let fleet = Fleet::start();
    let book = Book::new(&fleet);
    let go = fleet.sshd.path("go");
    let command = book.command(&format!("[ $n != 2 ] || while [ ! -e {} ]; do sleep 0.05; done", go.display()));
    let mut mcp = fleet.command(&["exec", "h-000[1:4]", "--serial", "1", "--", &command]);
    let child = mcp.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the second host is at work", || book.lines() == ["1", "2"]);
    assert_eq!(last_run(&fleet)["state"], "running");
    fleet.mcp(&["resume"]).code(1).err("is still at work");
    kill_dead(child);
    let page = last_run(&fleet);
    assert_eq!((&page["state"], &page["exit"]), (&"killed".into(), &Value::Null));
    assert_eq!(outcomes(&page), ["h-0001 ok", "h-0002 unknown", "h-0003 not_attempted", "h-0004 not_attempted"]);
    fs::write(&go, "").unwrap();
    fleet.mcp(&["resume"]).code(0).err(": 3 of 4 left").err("exec: 3 ok");
    assert_eq!(book.lines(), ["1", "2", "2", "3", "4"]);
}

#[test]
fn an_interrupted_run_lets_go_of_nothing_and_leaves_the_rest_to_resume() {
    let fleet = Fleet::start();
    let book = Book::new(&fleet);
    let go = fleet.sshd.path("go");
    let story = fleet.sshd.path("story");
    let command = book.command(&format!("while [ ! -e {} ]; do sleep 0.05; done", go.display()));
    let mut mcp = fleet.command(&["exec", "h-000[1:3]", "--forks", "1", "--", &command]);
    let mut child = mcp.stdout(Stdio::null()).stderr(fs::File::create(&story).unwrap()).spawn().unwrap();
    wait_until("the first host is at work", || book.lines() == ["1"]);
    kill("-INT", &child.id().to_string());
    let said = || fs::read_to_string(&story).unwrap();
    wait_until("the interrupt has come", || said().contains("interrupted"));
    fs::write(&go, "").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{}", said());
    assert!(said().contains("1 ok · 2 not attempted") && said().contains("resume with: mcp resume"), "{}", said());
    let page = last_run(&fleet);
    assert_eq!((&page["interrupted"], &page["exit"], &page["left"]), (&true.into(), &130.into(), &2.into()));
    fleet.mcp(&["resume"]).code(0).err(": 2 of 3 left");
    assert_eq!(book.sorted(), ["1", "2", "3"]);
}

#[test]
fn a_resume_that_names_no_run_passes_over_a_command_that_was_well_everywhere() {
    let fleet = Fleet::start();
    let book = Book::new(&fleet);
    fleet.mcp(&["exec", "h-000[1:2]", "--serial", "1", "--", &book.command("[ $(wc -l <$book) != 1 ]")]).code(1);
    fleet.mcp(&["exec", "h-000[1:2]", "--", "true"]).code(0);
    let said = fleet.mcp(&["resume"]).code(0);
    said.err(": 2 of 2 left").err("came to 2 of these since");
    assert_eq!(book.lines(), ["1", "1", "2"]);
    let runs = fleet.mcp(&["history", "--json"]).json();
    fleet.mcp(&["resume", runs[1]["run"].as_str().unwrap()]).code(0).err("nothing is left");
}

#[test]
fn a_credential_is_in_no_journal_so_the_command_has_to_be_said_again() {
    let fleet = Fleet::start();
    let book = Book::new(&fleet);
    let command = book.command("API_KEY=s3cr3t; [ $(wc -l <$book) != 1 ]");
    fleet
        .mcp(&["exec", "h-000[1:2]", "--serial", "1", "--", &command])
        .code(1)
        .err("go on with: the same command and --retry-failed")
        .err("the same command with --retry-failed goes on with the rest");
    let text = journal(&fleet);
    assert!(!text.contains("s3cr3t") && text.contains("API_KEY=***"), "{text}");
    let mode = fs::metadata(fleet.sshd.path("workspace/journal.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fleet
        .mcp(&["resume"])
        .code(2)
        .err("cannot be resumed: the journal lacks what looked like a credential in its command line")
        .err("run the command again with --retry-failed");
    assert_eq!(book.lines(), ["1"]);
    fleet.mcp(&["exec", "--retry-failed", "--serial", "1", "--", &command]).code(0).err("exec: 2 ok");
    assert_eq!(book.lines(), ["1", "1", "2"]);
    fleet.mcp(&["resume"]).code(0).err("nothing is left");
}

#[test]
fn what_was_read_once_or_has_changed_since_is_not_resumed() {
    let fleet = Fleet::start();
    let book = Book::new(&fleet);
    let mut mcp = fleet.command(&["exec", "h-0001", "--stdin", "-", "--", &book.command("exit 1")]);
    assert_eq!(mcp.stdin(Stdio::null()).output().unwrap().status.code(), Some(1));
    fleet.mcp(&["resume"]).code(2).err("the journal lacks its standard input");
    let script = fleet.file("script", "exit 1");
    fleet.mcp(&["exec", "h-0001", "--script", &script]).code(1);
    fs::write(&script, "exit 0 ").unwrap();
    fleet.mcp(&["resume"]).code(2).err("script has changed since, or is gone").err("--retry-failed");
    fleet.mcp(&["exec", "--retry-failed", "--script", &script]).code(0);
    assert_eq!(book.lines(), ["1"]);
}

#[test]
fn output_is_never_written_down() {
    let fleet = Fleet::start();
    let text = "printf 'se%s\\n' cret; printf 'com%s\\n' plaint >&2; [ -z \"$SSH_CONNECTION\" ] || exit 3";
    for how in [&["-b"][..], &["--json"], &["--no-prefix"], &[]] {
        let words = [&["exec", "h-0001,here"][..], how, &["--", text]].concat();
        fleet.mcp(&words).code(1).out("secret");
    }
    fleet.mcp(&["exec", "h-0001", "--", "printf 'se%s' cret; kill -KILL $$"]).code(1);
    let text = journal(&fleet);
    assert_eq!(text.lines().filter(|line| line.contains(r#""kind":"result""#)).count(), 9, "{text}");
    assert!(!text.contains("secret") && !text.contains("complaint"), "{text}");
    assert!(text.contains("ended by signal KILL"), "{text}");
}

#[test]
fn hosts_by_address_are_gone_on_with() {
    let fleet = Fleet::start();
    let book = Book::new(&fleet);
    let (user, port) = (user(), fleet.sshd.port);
    let address = |n: u8| format!("{user}@127.1.0.{n}:{port}");
    let pattern = format!("{},{},h-0003", address(8), address(9));
    let command = book.command("[ $(wc -l <$book) != 1 ]");
    fleet.mcp(&["exec", &pattern, "--serial", "1", "--", &command]).code(1);
    let page = last_run(&fleet);
    let expected = ["h-0003 failed".to_owned(), address(8) + " not_attempted", address(9) + " not_attempted"];
    assert_eq!(outcomes(&page), expected);
    assert_eq!(page["batches"][2][0], address(9));
    fleet.mcp(&["resume"]).code(0).err(": 3 of 3 left").err("exec: 3 ok");
    assert_eq!(book.lines(), ["3", "3", "8", "9"]);
    fleet.mcp(&["exec", &address(9), "--", "exit 1"]).code(1);
    fleet.mcp(&["exec", "--retry-failed", "--", &book.command("")]).code(0).err("exec: 1 ok");
    assert_eq!(book.lines().last().unwrap(), "9");
}

#[test]
fn a_host_that_has_left_the_inventory_is_named_and_left_out() {
    let fleet = Fleet::start();
    fleet.mcp(&["exec", "told,here", "--", "exit 1"]).code(1);
    let path = fleet.sshd.path("workspace/hosts.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("  told:", "  other:")).unwrap();
    fleet.mcp(&["resume"]).code(1).err("no longer in the inventory, so left out: told").err(": 1 of 2 left");
    fs::write(&path, text.replace("  told:", "  other:").replace("  here:", "  there:")).unwrap();
    fleet.mcp(&["resume"]).code(2).err("no longer in the inventory: here,told");
}

fn said_of_copy(said: Said, counts: &str) {
    said.err(&format!("copy: {counts} in "));
}

#[test]
fn a_copy_goes_in_batches_and_is_gone_on_with() {
    let fleet = Fleet::start();
    let place = fleet.sshd.path("place");
    let there = place.join("file");
    let file = fleet.file("file", "content");
    let words = ["copy", "h-000[1:3]", &file, there.to_str().unwrap(), "--serial", "1"];
    let said = fleet.mcp(&[&words[..], &["--dry-run"]].concat()).code(0);
    said.err("batch 3 of 3: h-0003");
    assert_eq!(journal(&fleet), "");
    let said = fleet.mcp(&[&words[..], &["--json"]].concat()).code(1);
    let rows = said.json();
    assert_eq!((&rows[0]["outcome"], &rows[2]["outcome"]), (&"failed".into(), &"not_attempted".into()), "{said}");
    assert_eq!(rows[2]["error"]["kind"], "halted");
    said.err("copy ended early: batch 1 of 3 failed: its only host did").err("resume with: mcp resume");
    fs::create_dir(&place).unwrap();
    let said = fleet.mcp(&["resume"]).code(0).err("resume copy of ").err(": 3 of 3 left").err("in 3 batches");
    said_of_copy(said, "1 copied · 2 unchanged");
    assert_eq!(fs::read(&there).unwrap(), b"content");
    let page = last_run(&fleet);
    assert_eq!(outcomes(&page), ["h-0001 copied", "h-0002 unchanged", "h-0003 unchanged"]);
    assert_eq!((&page["counts"]["copied"], &page["left"]), (&1.into(), &0.into()));
    assert!(!journal(&fleet).contains("content"));

    // Again with what is left, pattern and all, or by FILE alone.
    fs::remove_dir_all(&place).unwrap();
    fleet.mcp(&words).code(1);
    fs::create_dir(&place).unwrap();
    let said = fleet.mcp(&[&words[..], &["--retry-failed"]].concat()).code(0);
    said_of_copy(said, "1 copied · 2 unchanged");
    fleet.mcp(&["copy", "gone", &file, "--retries", "0"]).code(4);
    fleet.mcp(&["copy", "--retry-failed", &file, "--retries", "0"]).code(4).err("1 unreachable");
    fs::write(&file, "other content").unwrap();
    fleet.mcp(&["resume"]).code(2).err("file has changed since, or is gone");
}

#[test]
fn a_dry_run_shows_the_batches_and_is_in_no_journal() {
    let fleet = Fleet::start();
    let said = fleet.mcp(&["exec", "h-000[1:3]", "--serial", "2", "--dry-run", "--", "uptime"]).code(0);
    said.err("batch 1 of 2: h-0001, h-0002").err("batch 2 of 2: h-0003");
    assert_eq!(journal(&fleet), "");
    assert!(!fleet.sshd.log().contains("Accepted"));
}

#[test]
fn history_shows_runs_on_hosts_as_tables() {
    let fleet = Fleet::start();
    fleet.mcp(&["exec", "h-000[1:2],gone", "--retries", "0", "--", "exit 4"]).code(4);
    let said = fleet.mcp(&["history"]).code(0);
    said.out("0 ok · 2 failed · 1 unreachable").out("exec h-000[1:2],gone --retries 0 -- exit 4");
    let run = last_run(&fleet)["run"].as_str().unwrap().to_owned();
    let said = fleet.mcp(&["history", &run]).code(0);
    said.out("EXIT").out("unreachable").err("3 left; resume with: mcp resume");
    assert_eq!(fleet.mcp(&["history", &run, "-o", "name"]).out, "h-0001\nh-0002\ngone\n");
    let page = last_run(&fleet);
    assert_eq!(page["instances"], Value::from(Vec::<Value>::new()));
    assert!(page["hosts"][2]["cause"].as_str().unwrap().contains("Connection refused"), "{page}");
}

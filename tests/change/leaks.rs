//! Secrets that are registered stay where they were registered: planted ones are looked for in everything that `mcp` says, in
//! everything that it writes, and in the words of every process on the host while it is at work.

use std::{collections::BTreeSet, path::Path, process::Stdio};

use crate::{
    rig::Rig,
    support::{Answer, Bench},
};

/// Each is planted in one place, so that a leak tells where it comes from.
const PLANTED: [(&str, &str); 16] = [
    ("-e of the run string", "Zq3run8Kx5"),
    ("a quoted -e of the run string", "Zq3quo ted8Kx"),
    ("URL in the run string", "Zq3url8Kx5"),
    ("label of the run string", "Zq3lab8Kx5"),
    ("stop string", "Zq3stop8Kx5"),
    ("what docker refuses and repeats", "Zq3fail8Kx5"),
    ("env of the inventory", "Zq3env8Kx5"),
    ("URL in env of the inventory", "Zq3eurl8Kx5"),
    ("JSON in a variable", "Zq3json8Kx5"),
    ("an option in a variable", "Zq3opti8Kx5"),
    ("YAML in a variable", "Zq3yaml8Kx5"),
    ("a name in the plural", "Zq3plur8Kx5"),
    ("a name that ends in PW", "Zq3endi8Kx5"),
    ("behind a scheme", "Zq3sche8Kx5"),
    ("a well-known shape", "Zq3shap8Kx5"),
    ("a private key in PEM", "Zq3pemk8Kx5"),
];

/// Where planted secrets stand in `text`.
fn planted(text: &str) -> Vec<&'static str> {
    PLANTED.iter().filter(|(_, secret)| text.contains(secret)).map(|(place, _)| *place).collect()
}

/// The words of all processes of host 1, the docker client's and those that this test itself runs apart.
fn words_of_processes(rig: &Rig, found: &mut BTreeSet<String>, samples: &mut usize) {
    let all = rig.on(1, &["ps", "-eo", "args"]);
    *samples += 1;
    for line in all.lines().filter(|line| !planted(line).is_empty()) {
        found.insert(line.to_owned());
    }
}

fn is_docker_itself(line: &str) -> bool {
    let program = line.split_whitespace().next().unwrap_or_default();
    Path::new(program).file_name().is_some_and(|name| name == "docker" || name.to_string_lossy().starts_with("docker-"))
}

fn files(directory: &Path, all: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else if !path.ends_with("servers.yaml") && !path.ends_with("hosts.yaml") {
            all.push((
                path.display().to_string(),
                String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned(),
            ));
        }
    }
}

#[test]
fn a_registered_secret_reaches_nothing_but_docker_itself() {
    let rig = Rig::get();
    let mut bench = Bench::new();
    let hosts = bench.scratch.read("hosts.yaml");
    let env =
        format!("defaults:\n  env: {{VAULT_TOKEN: {}, DSN: 'postgres://u:{}@db/x'}}\n", PLANTED[6].1, PLANTED[7].1);
    bench.scratch.write("hosts.yaml", &hosts.replacen("defaults:\n", &env, 1));
    let options = format!(
        "-e API_KEY={} -e \"APP_SECRET={}\" -e DB=postgres://app:{}@db/x --label api.token={}",
        PLANTED[0].1, PLANTED[1].1, PLANTED[2].1, PLANTED[3].1
    );
    let forms = format!(
        "-e \"CONFIG={{\\\"api_key\\\":\\\"{}\\\"}}\" -e \"ARGS=--password {}\" -e 'YAML=api_key: {}' -e API_KEYS={} -e DB_PW={} \
         -e 'HEADER=Authorization: Token {}' -e SHAPE=sk_live_{}0123456789 \
         -e 'CERT=-----BEGIN PRIVATE KEY-----{}-----END PRIVATE KEY-----'",
        PLANTED[8].1,
        PLANTED[9].1,
        PLANTED[10].1,
        PLANTED[11].1,
        PLANTED[12].1,
        PLANTED[13].1,
        PLANTED[14].1,
        PLANTED[15].1
    );
    let options = format!("{options} {forms}");
    let command = bench.scratch.docker_run("a", &options, "--ignore-term");
    let stop = format!("docker --tlskey={} stop -t 1 {}", PLANTED[4].1, bench.name("a"));
    bench.entry("a", "edge-1", &command, &[&format!("stop: {stop}")]);
    let refused = bench.scratch.docker_run("b", &format!("--sysctl kernel.key={}", PLANTED[5].1), "");
    bench.entry("b", "edge-1", &refused, &[]);

    let mut said = vec![];
    let mut processes = BTreeSet::new();
    let mut samples = 0;
    let verbs = [
        "check",
        "start :a",
        "list",
        "list --stats",
        "get :a",
        "log :a",
        "restart :a",
        "restart :a --recreate",
        "start :b",
        "get :b",
        "start --all --offline",
        "restart --all --offline",
        "stop --all --offline",
        "hosts list",
        "hosts check edge-1",
        "edit :a --tag x",
        "history",
        "list --cached",
        "exec edge-1 -- true",
        "stop :a",
        "start nobody",
    ];
    for verb in verbs {
        let formats: &[&str] =
            if verb.contains("start") || verb.contains("stop") { &["wide"] } else { &["wide", "json", "yaml"] };
        for format in formats {
            let words = match verb.split_once(" -- ") {
                Some((verb, rest)) => format!("{verb} -v -o {format} -- {rest}"),
                None => format!("{verb} -v -o {format}"),
            };
            let mut child = bench
                .command(&words)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            while child.try_wait().unwrap().is_none() {
                words_of_processes(rig, &mut processes, &mut samples);
            }
            said.push((words, Answer::of(child.wait_with_output().unwrap())));
        }
    }

    let mut leaks = vec![];
    for (words, answer) in &said {
        for place in planted(&format!("{}{}", answer.out, answer.err)) {
            leaks.push(format!("mcp {words} says the one in {place}: {answer:?}"));
        }
    }
    let mut all = vec![];
    files(bench.scratch.path(), &mut all);
    for name in ["state.yaml", "journal.jsonl"] {
        assert!(all.iter().any(|(path, _)| path.ends_with(name)), "there is a {name} to look into");
    }
    for (path, text) in &all {
        leaks.extend(planted(text).into_iter().map(|place| format!("{path} has the one in {place}")));
    }
    leaks.extend(processes.iter().filter(|line| !is_docker_itself(line)).map(|line| format!("seen in ps: {line}")));
    assert!(leaks.is_empty(), "{leaks:#?}");
    // It is there for a second: the server does not hear the signal.
    let is_seen = |line: &String| is_docker_itself(line) && planted(line) == ["stop string"];
    assert!(processes.iter().any(is_seen), "what the processes are asked for can be seen: {processes:#?}");
    assert!(samples > 20, "{samples} looks at the host's processes");

    // What was looked for was there to be found: in docker's refusal, in what runs, and where it is asked for.
    let failed = said.iter().find(|(words, _)| words.starts_with("start :b")).unwrap();
    assert!(failed.1.err.contains("sysctl") && failed.1.err.contains("***"), "{failed:?}");
    let shown = bench.mcp("get :a -o json --show-secrets");
    assert_eq!(planted(&shown.out).len(), 13, "{shown:?}");
    assert!(bench.mcp("start :b --show-secrets").err.contains(PLANTED[5].1));
    bench.mcp("start :a").says(0, &[]);
    let environment = bench.inspect(1, "a", "{{json .Config.Env}}{{json .Config.Labels}}");
    assert_eq!(planted(&environment).len(), 12, "what runs is as it was registered: {environment}");
}

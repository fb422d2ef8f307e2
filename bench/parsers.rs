//! What reading costs: docker's answers, the strings and files people write, what is remembered, at the size of a large fleet.
//!
//! Boundary: `mcp`'s public readers over text that is made here from captured fixtures; no network, no docker. Reading known_hosts and
//! finding a script's end mark are internal to the transport.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a bench that cannot read its text has failed"
)]

use std::{collections::BTreeSet, fmt::Write as _, hint::black_box, path::PathBuf};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mcp::{
    config::{
        inventory::{Context, Inventory},
        journal::Runs,
        pattern::HostPattern,
        registry::Registry,
        ssh_config::Reader,
        state::{Record, State},
    },
    docker::{inspect, run_string::RunString, stats},
    domain::{Instance, fold::fold},
    operations::registered,
    transport::{End, Output, Room, script::Script},
};

const HOSTS: usize = 1000;

fn fixture(path: &str) -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// What docker says of 50 containers: the captured ones, again and again.
fn inspect_of_50() -> String {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/docker/28.2/inspect");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "out"));
    files.sort();
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    text.lines().filter(|line| line.starts_with('{')).cycle().take(50).map(|line| format!("{line}\n")).collect()
}

fn docker(c: &mut Criterion) {
    let text = inspect_of_50();
    assert_eq!(inspect::parse(&text).unwrap().len(), 50);
    c.bench_function("docker inspect, 50 containers", |b| b.iter(|| inspect::parse(black_box(&text))));

    let one = fixture("docker/28.2/stats/json.out");
    let text: String = one.lines().cycle().take(50).map(|line| format!("{line}\n")).collect();
    assert_eq!(stats::parse(&text).len(), 50);
    c.bench_function("docker stats, 50 containers", |b| b.iter(|| stats::parse(black_box(&text))));

    let text = "docker run -d --name finance -p 127.0.0.1:8080:8080 -p 9090-9095:9090-9095/udp --restart unless-stopped \
                -e 'GREETING=it is' -e TOKEN --env-file /etc/finance.env -v /srv/data:/data:ro --mount type=tmpfs,target=/run \
                --label \"a=b c\" --network host --memory=2g --gpus all acme/finance:1.4 serve --verbose \"$HOME\"";
    RunString::parse(text).unwrap();
    c.bench_function("run string", |b| b.iter(|| RunString::parse(black_box(text))));
}

fn sections(c: &mut Criterion) {
    // Fifty sections of 160 KB, as a script would leave them.
    let mut script = Script::new();
    let ids: Vec<_> = (0..50).map(|_| script.run("true")).collect();
    let line = "a line of a log that is neither short nor long, and holds no marker at all\n";
    let (mut stdout, mut stderr) = (String::new(), String::new());
    for n in 1..=ids.len() {
        let word = script.word();
        let _ = write!(stdout, "\n{word} {n} begin\n{}\n{word} {n} end 0\n", line.repeat(2100));
        let _ = write!(stderr, "\n{word} {n} begin\n\n{word} {n} end\n");
    }
    let (stdout, stderr) = (stdout.into_bytes(), stderr.into_bytes());
    let bytes = stdout.len() as u64;
    let output = Output { stdout, stderr, truncated: false, end: End::Exit(0), room: Room::default() };
    let sections = script.read(&output);
    assert!(ids.iter().all(|id| sections.get(*id).is_some_and(|s| s.exit == Some(0) && s.stdout.len() > 150_000)));
    let mut group = c.benchmark_group("sections");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("50 of 160 KB", |b| b.iter(|| script.read(black_box(&output))));
    group.finish();
}

fn context() -> Context {
    Context { dir: "/nowhere".into(), home: None, user: "ana".to_owned(), ssh: Reader::default() }
}

fn hosts_yaml() -> String {
    let mut text = "version: 1\ndefaults:\n  user: deploy\n  identity_file: /keys/id\nhosts:\n".to_owned();
    for n in 0..HOSTS {
        let _ = writeln!(text, "  web-{n:04}: {{address: 10.0.{}.{}}}", n / 250, n % 250 + 1);
    }
    text.push_str("groups:\n  prod:\n    hosts: [\"web-[0000-0899]\"]\n  edge:\n    hosts: [\"web-*5\"]\n");
    text
}

fn servers_yaml() -> String {
    let mut text = "version: 1\nservers:\n".to_owned();
    for n in 0..1000 {
        let port = 10_000 + n;
        let _ = write!(
            text,
            "  s{n:04}:\n    command: docker run -d --name s{n:04} -p 127.0.0.1:{port}:8080 --restart unless-stopped acme/s:1.4\n    \
             host: web-{n:04}\n    tags: [prod, public]\n"
        );
    }
    text
}

fn files(c: &mut Criterion) {
    let (context, text) = (context(), hosts_yaml());
    let inventory = Inventory::parse(&text, "hosts.yaml", &context).unwrap();
    assert_eq!(inventory.hosts().len(), HOSTS);
    c.bench_function("hosts.yaml, 1000 hosts", |b| {
        b.iter(|| Inventory::parse(black_box(&text), "hosts.yaml", &context));
    });

    let text = servers_yaml();
    assert_eq!(Registry::parse(&text, "servers.yaml", &inventory, &registered::check).unwrap().servers().len(), 1000);
    c.bench_function("servers.yaml, 1000 servers", |b| {
        b.iter(|| Registry::parse(black_box(&text), "servers.yaml", &inventory, &registered::check));
    });

    let state = state_of(5000);
    let text = state.to_text().unwrap();
    assert_eq!(State::parse(&text, "state.yaml").unwrap(), state);
    c.bench_function("state.yaml, 5000 records, load", |b| b.iter(|| State::parse(black_box(&text), "state.yaml")));
    c.bench_function("state.yaml, 5000 records, save", |b| b.iter(|| black_box(&state).to_text()));

    let pattern = HostPattern::parse("web-*,@prod,!web-[0100-0199],~web-0[12],!@edge").unwrap();
    assert!(!inventory.select(&pattern).unwrap().is_empty());
    c.bench_function("host pattern over 1000 hosts", |b| b.iter(|| inventory.select(black_box(&pattern))));

    let names: BTreeSet<String> = (0..HOSTS).map(|n| format!("web-{:04}.r{}.example.org", n, n % 7)).collect();
    assert_eq!(
        fold((0..HOSTS).map(|n| format!("web-{n:04}")).collect::<Vec<_>>().iter().map(String::as_str)),
        "web-[0000-0999]"
    );
    c.bench_function("fold 1000 names", |b| b.iter(|| fold(black_box(&names).iter().map(String::as_str))));
}

fn state_of(records: usize) -> State {
    let one = State::parse(&fixture("workspaces/v1/state.yaml"), "state.yaml").unwrap();
    let samples: Vec<Record> = one.instances.into_values().collect();
    let record = |n: usize| {
        let instance = Instance {
            server: format!("s{:04}", n % 5).parse().unwrap(),
            host: format!("web-{:04}", n / 5).parse().unwrap(),
        };
        let mut record = samples[n % samples.len()].clone();
        (record.status.name, record.status.host) = (instance.server.clone(), instance.host.clone());
        (instance, record)
    };
    State { instances: (0..records).map(record).collect() }
}

fn journal(c: &mut Criterion) {
    // Ten runs over 1000 hosts each, from the lines of a captured one.
    let hosts: Vec<String> = (0..HOSTS).map(|n| format!("\"web-{n:04}\"")).collect();
    let mut text = String::new();
    for run in 0..10 {
        let head = |seq: usize| {
            format!("{{\"v\":2,\"seq\":{seq},\"at\":\"2026-05-14T10:15:02.5Z\",\"run\":\"260514-10150{run}-k3qx\"")
        };
        let _ = writeln!(
            text,
            "{},\"kind\":\"begin\",\"verb\":\"exec\",\"command\":[\"exec\",\"all\",\"--\",\"true\"],\"who\":{{\"user\":\"ana\",\"machine\":\"laptop\"}},\
             \"process\":{{\"pid\":4711,\"started\":123456}},\"version\":\"0.1.0\",\"options\":{{}},\"hosts\":[{}],\"again\":{{\"exec\":{{\"command\":[\"true\"]}}}}}}",
            head(0),
            hosts.join(",")
        );
        for (n, host) in hosts.iter().enumerate() {
            let _ = writeln!(text, "{},\"kind\":\"attempt\",\"hosts\":[{host}]}}", head(2 * n + 1));
            let _ = writeln!(
                text,
                "{},\"kind\":\"result\",\"host\":{host},\"outcome\":\"ok\",\"exit_code\":0,\"seconds\":0.089}}",
                head(2 * n + 2)
            );
        }
    }
    let read = |text: &str| {
        let mut runs = Runs::default();
        text.lines().for_each(|line| runs.take(line.as_bytes()));
        runs
    };
    let runs = read(&text);
    assert_eq!((runs.runs.len(), runs.skipped, runs.runs[9].results.len()), (10, 0, HOSTS));
    let mut group = c.benchmark_group("journal");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("10 runs over 1000 hosts", |b| b.iter(|| read(black_box(&text))));
    group.finish();
}

criterion_group!(benches, docker, sections, files, journal);
criterion_main!(benches);

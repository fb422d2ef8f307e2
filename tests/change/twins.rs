//! Two inventory names for one machine.

use crate::support::{Bench, Report, gist};

#[test]
fn a_container_with_two_names_is_restarted_once_and_the_other_row_names_the_first() {
    let mut bench = Bench::new();
    let alias = format!("  edge-1:\n    address: {}\n", bench.rig.host(1).address);
    let both = alias.clone() + "    groups: [demo]\n" + &alias.replace("edge-1", "alias");
    let hosts = bench.scratch.hosts_yaml().replace(&(alias + "    groups: [demo]\n"), &both);
    bench.scratch.write("hosts.yaml", &hosts);
    bench.server("one", "edge-1,alias", "", "");
    let name = bench.name("one");
    let report = bench.report("start :one --settle 0", 0);
    assert_eq!(gist(report.of(&name, "edge-1")), "changed created running");
    assert_eq!(gist(report.of(&name, "alias")), "unchanged - running");
    let answer = bench.mcp("restart :one --settle 0 --lock-timeout 0 -v -o json");
    assert_eq!((answer.execs("edge-1"), answer.execs("alias")), (2, 0), "one look and one act: {answer:?}");
    let report = Report(serde_json::from_str(&answer.out).unwrap());
    assert_eq!(gist(report.of(&name, "edge-1")), "changed restarted running");
    let row = report.of(&name, "alias");
    assert_eq!(gist(row), "unchanged - running");
    assert_eq!(row["note"], format!("the same container as {name}@edge-1"));
    assert_eq!(bench.inspect(1, "one", "{{.RestartCount}}"), "0");
    // The plan, and a replacement that is remembered under both names.
    let plan = bench.report("restart :one --dry-run", 0);
    assert_eq!(
        (&plan.of(&name, "edge-1")["action"], &plan.of(&name, "alias")["action"]),
        (&"restart".into(), &"nothing".into())
    );
    bench.report("restart :one --recreate --settle 0", 0);
    let state = bench.scratch.read("state.yaml");
    let id = bench.id(1, "one");
    assert_eq!(state.lines().filter(|line| line.contains(&id)).count(), 2, "{state}");
    bench.mcp("resume").says(0, &["nothing is left"]);
    let check = bench.mcp("check");
    assert_eq!(check.code, Some(0), "{check:?}");
    let said = check.out.clone() + &check.err;
    assert!(said.contains("edge-1, alias: one machine with several names"), "{check:?}");
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

use std::{collections::BTreeMap, path::Path};

use super::{data::Resolved, value::Value, *};
use crate::{
    config::inventory::Context,
    domain::{Connection, HostName, SshEndpoint},
};

fn context() -> Context {
    Context { dir: "/ws".into(), home: Some("/home/ana".into()), user: "ana".into(), ssh: Default::default() }
}

fn ini(text: &str) -> Data {
    let mut data = Data::new();
    ini::read(&mut data, text, "hosts.ini").unwrap_or_else(|error| panic!("{error}"));
    data
}

fn converted(data: &mut Data) -> Result<(crate::config::inventory::Inventory, Vec<String>), String> {
    let context = context();
    let with = Conversion { label: "hosts.ini", context: &context, cwd: Path::new("/here") };
    convert(data, &with).map(|converted| (converted.inventory, converted.warnings)).map_err(|error| error.to_string())
}

/// What became of each host of an INI inventory: its endpoint, or why it is refused.
fn connections(text: &str) -> BTreeMap<String, Connection> {
    let (inventory, _) = converted(&mut ini(text)).unwrap_or_else(|error| panic!("{error}"));
    inventory.hosts().iter().map(|host| (host.name.to_string(), host.connection.clone())).collect()
}

fn endpoint(connection: &Connection) -> &SshEndpoint {
    match connection {
        Connection::Ssh(endpoint) => endpoint,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_variable_that_counts_takes_effect() {
    let text = "\
a ansible_host=10.0.0.1 ansible_port=2222 ansible_user=deploy ansible_ssh_private_key_file=keys/a ansible_ssh_timeout=7
b ansible_ssh_host=10.0.0.2 ansible_ssh_port=2200 ansible_ssh_user=old ansible_host=no ansible_user=no ansible_private_key_file=~/b
c ansible_ssh_common_args='-J ops@gate:2201,inner -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes'
d ansible_host_key_checking=False ansible_ssh_extra_args='-p 99 -l extra -i /k/d'
e ansible_connection=local mcp_docker='sudo -n docker' mcp_env=\"{'TZ': 'UTC', 'N': 1}\" mcp_timeout=2m
f mcp_address=10.0.0.6 mcp_user=six mcp_port=66 mcp_jump=a mcp_identity_file=\"['/k/1', 'k/2']\" mcp_docker=false mcp_connect_timeout=3 ansible_host=no
g ansible_host=[2001:db8::7] ansible_port=22 ansible_ssh_common_args='-p 99'
";
    let (inventory, warnings) = converted(&mut ini(text)).unwrap();
    let host = |name: &str| inventory.get(&HostName::new(name).unwrap()).unwrap();
    let end = |name: &str| endpoint(&host(name).connection).clone();
    let a = SshEndpoint {
        port: 2222,
        identity_files: vec!["/here/keys/a".into()],
        ..SshEndpoint::new("10.0.0.1", "deploy")
    };
    assert_eq!(end("a"), a);
    assert_eq!(host("a").connect_timeout.as_secs(), 7);
    let b =
        SshEndpoint { port: 2200, identity_files: vec!["/home/ana/b".into()], ..SshEndpoint::new("10.0.0.2", "old") };
    assert_eq!(end("b"), b);
    let c = end("c");
    let jumps: Vec<String> = c
        .jump
        .iter()
        .map(|jump| format!("{}@{}:{}", jump.endpoint.user, jump.endpoint.address, jump.endpoint.port))
        .collect();
    assert_eq!(jumps, ["ops@gate:2201", "ana@inner:22"]);
    assert_eq!(c.host_key, crate::domain::HostKeyPolicy::AcceptNew);
    assert_eq!(c.known_hosts, [Path::new("/dev/null"), Path::new("/etc/ssh/ssh_known_hosts")]);
    assert!(c.identities_only);
    let d = end("d");
    assert_eq!((d.port, d.user.as_str(), d.host_key), (99, "extra", crate::domain::HostKeyPolicy::AcceptNew));
    assert_eq!(host("e").connection, Connection::Local);
    assert_eq!(host("e").docker, crate::domain::Docker::Words("sudo -n docker".into()));
    assert_eq!(host("e").env.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["N=1", "TZ=UTC"]);
    assert_eq!(host("e").timeout.map(|time| time.as_secs()), Some(120));
    let f = end("f");
    assert_eq!((f.address.as_str(), f.user.as_str(), f.port), ("10.0.0.6", "six", 66));
    assert_eq!(f.jump.iter().map(|jump| jump.name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(f.identity_files, [Path::new("/k/1"), Path::new("/ws/k/2")]);
    assert_eq!(host("f").docker, crate::domain::Docker::Absent);
    assert_eq!((end("g").address.as_str(), end("g").port), ("2001:db8::7", 22));
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn what_cannot_be_followed_refuses_the_host_by_name_and_place_and_no_other() {
    let text = "\
[one]
fine
templated ansible_host=\"{{ lookup('x') }}\"
windows ansible_connection=winrm
proxied ansible_ssh_common_args='-o ProxyCommand=\"ssh -W %h:%p gate\"'
odd ansible_port=http
behind mcp_jump=windows
through ansible_ssh_common_args='-J odd'
harmless other=\"{{ anything }}\"
";
    let found = connections(text);
    for (name, reason) in [
        ("templated", "ansible_host is a template"),
        ("templated", "hosts.ini:3"),
        ("windows", "ansible_connection is \"winrm\" (hosts.ini:4)"),
        ("proxied", "ProxyCommand is not supported"),
        ("odd", "port: expected a port from 1 to 65535"),
        ("behind", "it is reached through windows: ansible_connection"),
        ("through", "it is reached through odd: port"),
    ] {
        match &found[name] {
            Connection::Refused(said) => assert!(said.contains(reason), "{name}: {said}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    for name in ["fine", "harmless"] {
        assert_eq!(endpoint(&found[name]), &SshEndpoint::new(name, "ana"));
    }
}

#[test]
fn encrypted_values_and_files_refuse_the_hosts_they_concern() {
    let mut data = ini("[prod]\np1\np2\n[open]\no1\n[told]\nt1 mcp_vault=ignore\n");
    let file = std::rc::Rc::new(yaml::vars_file("$ANSIBLE_VAULT;1.1;AES256\n6162\n", "group_vars/prod.yml").unwrap());
    for name in ["prod", "told"] {
        let group = data.find_group(name).unwrap();
        data.add_group_file(group, 0, &file);
    }
    let values = "ansible_host: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\nother: 1\n";
    let file = std::rc::Rc::new(yaml::vars_file(values, "host_vars/o1.yml").unwrap());
    data.add_host_file(2, &file);
    let (inventory, _) = converted(&mut data).unwrap();
    let shown: Vec<String> =
        inventory.hosts().iter().map(|host| format!("{}: {:?}", host.name, host.connection)).collect();
    assert!(shown[0].contains("group_vars/prod.yml is encrypted") && shown[1].contains("Refused"), "{shown:#?}");
    assert!(shown[2].contains("ansible_host is encrypted with Ansible Vault (host_vars/o1.yml:1)"), "{shown:#?}");
    assert!(shown[3].contains("Ssh("), "{shown:#?}");
}

#[test]
fn secrets_are_dropped_where_they_are_read_and_named_once() {
    let mut data = ini("a ansible_password=geheim ansible_become_pass=geheim\nb ansible_password=geheim\n");
    assert!(!format!("{data:?}").contains("geheim"));
    let (_, warnings) = converted(&mut data).unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("ansible_become_pass (1 host), ansible_password (2 hosts)"), "{warnings:?}");
}

#[test]
fn broken_files_are_one_error_with_file_and_line() {
    for (text, error) in [
        ("[web\nw1\n", ""),
        ("[web x]\nw1\n", "hosts.ini:1: "),
        ("a\n[web:cats]\n", "hosts.ini:2: the section [web:cats] has an unknown kind"),
        ("a\nb c\n", "hosts.ini:2: after the host \"b\", expected key=value words"),
        ("a x='open\n", "hosts.ini:1: a `'` is left open"),
        ("[g:children]\nnowhere\n", "hosts.ini:2: [g:children] names the group \"nowhere\", which is declared nowhere"),
        ("\n[g:vars]\nx=1\n", "hosts.ini:2: [g:vars] belongs to no group"),
        ("[g]\na\n[g:vars]\nx\n", "hosts.ini:4: expected key=value"),
        ("web[3:1]\n", "hosts.ini:1: the host \"web[3:1]\": bad range"),
        ("a:99999\n", "hosts.ini:1: the host \"a:99999\": the port"),
        ("[g:vars]\nansible_group_priority=high\n[g]\n", "hosts.ini:2: ansible_group_priority"),
        ("[a:children]\nb\n[b:children]\na\n", "the groups hold each other: a → b → a"),
        ("-x\n", "hosts.ini:1: \"-x\" is not a host name"),
        ("all\n", "hosts.ini:1: `all` always means every host"),
    ] {
        let mut data = Data::new();
        let found = ini::read(&mut data, text, "hosts.ini").map_err(|error| error.to_string());
        let found = found.and_then(|()| converted(&mut data).map(|_| ())).expect_err(text);
        assert!(found.contains(error), "{text}: {found}");
    }
    let yaml = |text: &str| {
        let tree = crate::config::yaml::parse_ansible(text, "hosts.yml").map_err(|error| error.to_string())?;
        yaml::read(&mut Data::new(), &tree, "hosts.yml").map_err(|error| error.to_string())
    };
    for (text, error) in [
        ("- a\n", "hosts.yml:1: expected groups by name, found a list"),
        ("web:\n  hosts:\n    - a\n", "hosts.yml:2: hosts: expected names with `:`, found a list"),
        ("web:\n  host: {a: }\n", "hosts.yml:2: unknown key \"host\" in the group \"web\""),
        ("web: [a]\n", "hosts.yml:1: the group \"web\""),
        ("plugin: aws_ec2\n", "inventory plugin \"aws_ec2\""),
        ("web: {\n", "hosts.yml:"),
    ] {
        let found = yaml(text).unwrap_err();
        assert!(found.contains(error), "{text}: {found}");
    }
    for (text, error) in [
        ("[1]", "--list: expected a JSON object"),
        ("{", "--list: the answer is not JSON"),
        (r#"{"g": {"hosts": "a"}}"#, "--list: g.hosts: expected a list"),
        (r#"{"g": {"hosts": [1]}}"#, "--list: g.hosts: expected names in quotes"),
        (r#"{"_meta": {"hostvars": []}}"#, "--list: _meta.hostvars: expected an object"),
    ] {
        let found = json::list(&mut Data::new(), text, "inv").map(|_| ()).unwrap_err().to_string();
        assert!(found.starts_with("inv: ") && found.contains(error), "{text}: {found}");
    }
}

#[test]
fn groups_and_hosts_may_share_a_name_and_odd_names_of_groups_are_made_safe() {
    let mut data = Data::new();
    let text = r#"{"solo": {"hosts": ["solo"]}, "tag a/b": {"hosts": ["solo", "x"]}, "_meta": {"hostvars": {}}}"#;
    json::list(&mut data, text, "inv").unwrap();
    let (inventory, warnings) = converted(&mut data).unwrap();
    let groups: Vec<String> = inventory.groups().iter().map(|group| group.name.to_string()).collect();
    assert_eq!(groups, ["solo", "tag_a_b"]);
    assert!(warnings[0].contains("\"tag a/b\" is @tag_a_b"), "{warnings:?}");
    assert_eq!(inventory.hosts().len(), 2);
}

proptest::proptest! {
    #[test]
    fn no_text_panics_whatever_it_is_read_as(
        lines in proptest::collection::vec(
            "(  ){0,2}(\\[?(a|b|all|web)(:children|:vars|:22)?\\]?|hosts|vars|children|x=1|ansible_host|mcp_jump)(:| |=)?(a|b|\\{\\}|'|\"|\\[1:3\\]|!vault|&x|\\*x|-J b|ansible_ssh_common_args=-Jb)?",
            0..12,
        )
    ) {
        let text = lines.join("\n");
        let mut data = Data::new();
        if ini::read(&mut data, &text, "x").is_ok() {
            let _ = converted(&mut data);
        }
        let mut data = Data::new();
        if let Ok(tree) = crate::config::yaml::parse_ansible(&text, "x") && yaml::read(&mut data, &tree, "x").is_ok() {
            let _ = converted(&mut data);
        }
        let _ = yaml::vars_file(&text, "x");
        let _ = json::list(&mut Data::new(), &text, "x");
        let mut args = ssh_args::SshArgs::default();
        let _ = ssh_args::read(&text, &mut args);
    }
}

/// A value as JSON, for comparing with what Ansible wrote; secrets have none.
pub(crate) fn to_json(value: &Value) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Text(text) => Json::String(text.clone()),
        Value::List(items) => Json::Array(items.iter().filter_map(to_json).collect()),
        Value::Map(map) => {
            Json::Object(map.iter().filter_map(|(key, value)| Some((key.clone(), to_json(value)?))).collect())
        }
        Value::Vault | Value::Secret => return None,
    })
}

/// The inventory as `ansible-inventory --list` writes it, without what has no content here.
pub(crate) fn as_listed(data: &Data, resolved: &Resolved) -> serde_json::Value {
    use serde_json::{Map, Value as Json, json};
    let mut whole = Map::new();
    for (at, _) in data.groups.iter().enumerate() {
        let (name, hosts, children) = data.listed(at);
        let mut group = Map::new();
        if !hosts.is_empty() && at != Data::ALL {
            group.insert("hosts".into(), json!(hosts));
        }
        if !children.is_empty() {
            group.insert("children".into(), json!(children));
        }
        if !group.is_empty() {
            whole.insert(name.to_owned(), Json::Object(group));
        }
    }
    let mut host_vars = Map::new();
    for (at, host) in data.hosts.iter().enumerate() {
        let effective = data.effective(at, resolved);
        let vars: Map<String, Json> = effective
            .vars
            .iter()
            .filter_map(|(name, variable)| Some(((*name).to_owned(), to_json(&variable.value)?)))
            .collect();
        if !vars.is_empty() {
            host_vars.insert(host.name.clone(), Json::Object(vars));
        }
    }
    whole.insert("_meta".into(), json!({ "hostvars": host_vars }));
    Json::Object(whole)
}

//! The fuzzing targets of the files that people write, and of those that `mcp` writes.
//!
//! Boundary: text in; a panic when something does not hold. Built for tests and fuzzing only.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    ansible::{self, Conversion, Data},
    edit::{self, EditError, Value},
    error::ConfigErrors,
    inventory::{Context, Inventory},
    journal::{Line, Runs},
    pattern::{HostPattern, NamePattern},
    range,
    registry::Registry,
    ssh_config::{Choice, Machine, ReadError, Reader, Request, SshConfig},
    state::State,
    yaml,
};
use crate::domain::{Connection, Server, ServerName};

const FILE: &str = "fuzzed";

/// An entry that is added and taken out again.
const NEW: &str = "zz-added";

/// `hosts.yaml`: read, and every host of it selected; what is wrong says where.
pub(crate) fn hosts_yaml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Inventory::parse(&text, FILE, &context("")) {
        Ok(inventory) => is_sound(&inventory),
        Err(errors) => say_where(&errors),
    }
}

/// `servers.yaml`, with and without the hosts it places servers on.
pub(crate) fn servers_yaml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Registry::parse(&text, FILE, &Inventory::implicit_localhost(), &|_| vec![]) {
        Ok(registry) => {
            let instances = registry.instances(&Inventory::implicit_localhost());
            assert!(instances.len() <= registry.servers().len(), "one host, more instances than servers");
        }
        Err(errors) => say_where(&errors),
    }
    if let Err(errors) = Registry::parse_without_hosts(&text, FILE, &|_| vec![]) {
        say_where(&errors);
    }
}

/// `state.yaml`: what was read is written and read again.
pub(crate) fn state_yaml(data: &[u8]) {
    match State::parse(&String::from_utf8_lossy(data), FILE) {
        Ok(state) => {
            let text = state.to_text().unwrap_or_else(|error| panic!("{state:?} cannot be written: {error}"));
            let again = State::parse(&text, FILE).unwrap_or_else(|error| panic!("{error}:\n{text}"));
            assert_eq!(again, state, "{text}");
        }
        Err(errors) => assert!(errors.0.iter().all(|error| error.file == FILE), "{errors}"),
    }
}

/// Adding a host and removing it again leaves the hosts that were there.
pub(crate) fn edit_hosts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let names = |text: &str| {
        let inventory = Inventory::parse(text, FILE, &context("")).ok()?;
        // Without any entry there is a host that no line stands for.
        let hosts = if inventory.is_implicit() { &[] } else { inventory.hosts() };
        Some(hosts.iter().map(|host| host.name.to_string()).collect::<Vec<_>>())
    };
    let Some(before) = names(&text) else { return };
    let fields = [("port", Value::Number(2222)), ("address", Value::Text("'\"\\: #".to_owned()))];
    let Some(added) = unless_refused(edit::add_host(&text, NEW, &fields)) else { return };
    yaml::parse(&added, FILE).unwrap_or_else(|error| panic!("{error}:\n{added}"));
    let Some(removed) = unless_refused(edit::remove_host(&added, NEW)) else { return };
    assert_eq!(names(&removed).as_ref(), Some(&before), "{text}\n--- added:\n{added}\n--- removed:\n{removed}");
}

/// Adding a server, changing it and removing it again leaves the servers that were there.
pub(crate) fn edit_servers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let registry = |text: &str| Registry::parse(text, FILE, &Inventory::implicit_localhost(), &|_| vec![]).ok();
    let Some(before) = registry(&text) else { return };
    let Ok(name) = ServerName::new(NEW) else { return };
    let mut server = Server::new(name.clone(), "docker run -e 'A=\"\\' x\n# y: z", vec!["localhost".to_owned()]);
    let Some(added) = unless_refused(edit::add_server(&text, &server)) else { return };
    let read = registry(&added).unwrap_or_else(|| panic!("what was added cannot be read:\n{added}"));
    assert_eq!(read.get(&name), Some(&server), "{added}");
    server.command = "docker run - x".to_owned();
    server.tags = vec!["- a".to_owned(), "b: c".to_owned()];
    if let Some(changed) = unless_refused(edit::update_server(&added, &name, &server)) {
        yaml::parse(&changed, FILE).unwrap_or_else(|error| panic!("{error}:\n{changed}"));
    }
    let Some(removed) = unless_refused(edit::remove_server(&added, &name)) else { return };
    assert_eq!(registry(&removed).as_ref(), Some(&before), "{text}\n--- added:\n{added}\n--- removed:\n{removed}");
}

/// An edit's text; none where the layout is refused, which is an answer.
fn unless_refused(edited: Result<String, EditError>) -> Option<String> {
    edited.ok()
}

/// The journal: a line that is read is written and read again; lines that are none are counted.
pub(crate) fn journal(data: &[u8]) {
    let mut runs = Runs::default();
    for line in data.split(|byte| *byte == b'\n') {
        runs.take(line);
        let Some(read) = Line::parse(line) else { continue };
        let text = read.to_text().unwrap_or_else(|error| panic!("{read:?} cannot be written: {error}"));
        assert_eq!(Line::parse(text.as_bytes()).as_ref(), Some(&read), "{text}");
    }
    for run in &runs.runs {
        assert!(runs.get(&run.id).is_some() && runs.find(run.id.as_str()).len() == 1, "{run:?}");
        assert!(runs.left(runs.root(run)).len() <= run.begin.targets.len().max(data.len()), "{run:?}");
    }
}

/// ssh_config(5): read, then asked about names.
pub(crate) fn ssh_config(data: &[u8]) {
    let machine = OneFile(String::from_utf8_lossy(data).into_owned());
    let config = match SshConfig::read(&Choice::File(OneFile::PATH.into()), &machine) {
        Ok(config) => config,
        Err(error) => return assert!(!error.message.is_empty() && !error.file.is_empty(), "{error}"),
    };
    for name in ["web-1", "db.example.org", "a"] {
        let request = Request { name, ..Request::default() };
        match config.evaluate(&request, &machine) {
            Ok(settings) => {
                let _ =
                    (settings.identity_paths(&machine), settings.certificate_paths(&machine), settings.hops(&machine));
            }
            Err(error) => assert!(!error.message.is_empty() && !error.file.is_empty(), "{error}"),
        }
    }
    // The same by the way that an inventory takes.
    let context = context(&machine.0);
    if let Ok(inventory) = Inventory::parse("version: 1\nhosts: {web-1: {}, db: {address: a}}\n", FILE, &context) {
        is_sound(&inventory);
    }
}

/// Ansible's INI inventories.
pub(crate) fn ansible_ini(data: &[u8]) {
    let mut inventory = Data::new();
    converted(ansible::ini::read(&mut inventory, &String::from_utf8_lossy(data), FILE), inventory);
}

/// Ansible's YAML inventories, and its files of variables.
pub(crate) fn ansible_yaml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut inventory = Data::new();
    let read = yaml::parse_ansible(&text, FILE).and_then(|tree| ansible::yaml::read(&mut inventory, &tree, FILE));
    converted(read, inventory);
    let _ = ansible::yaml::vars_file(&text, FILE);
}

/// What an inventory executable prints, for `--list` and for `--host`; and a list of hosts on the command line.
pub(crate) fn ansible_json(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut inventory = Data::new();
    converted(ansible::json::list(&mut inventory, &text, FILE).map(|_| ()), inventory);
    let mut inventory = Data::new();
    converted(ansible::json::host(&mut inventory, "web-1", &text, FILE), inventory);
    let mut inventory = Data::new();
    converted(ansible::host_list(&mut inventory, &text), inventory);
}

fn converted(read: Result<(), ConfigErrors>, mut data: Data) {
    if let Err(errors) = read {
        return assert!(!errors.0.is_empty() && !errors.to_string().is_empty(), "an error without a word");
    }
    let context = context("");
    let with = Conversion { label: FILE, context: &context, cwd: Path::new("/here") };
    if let Ok(converted) = ansible::convert(&mut data, &with) {
        is_sound(&converted.inventory);
    }
}

/// Patterns of hosts, of servers, and ranges in names.
pub(crate) fn patterns(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let inventory =
        "version: 1\nhosts: {'web-[01:03]': {groups: [web]}, db: {groups: [data]}}\ngroups: {web: {}, data: {}}\n";
    let Ok(inventory) = Inventory::parse(inventory, FILE, &context("")) else {
        panic!("the inventory of this test is wrong")
    };
    if let Ok(pattern) = HostPattern::parse(&text) {
        let selected = inventory.select(&pattern).map(|hosts| hosts.len());
        assert!(selected.is_ok_and(|count| count <= 4) || inventory.select(&pattern).is_err(), "{text:?}");
        let _ = inventory.select_present(&pattern);
        let _ = Inventory::implicit_localhost().with_one_shots(&pattern, &context(""));
    }
    if let Ok(pattern) = NamePattern::parse(&text) {
        let _ = ServerName::new("finance").map(|name| pattern.matches_server(&name));
    }
    if let Ok(names) = range::expand(&text) {
        assert!(!names.is_empty(), "{text:?}");
    }
}

/// What holds of every inventory that was taken: each host is found by its name and by a pattern, and no part of a connection can
/// pass for an option.
fn is_sound(inventory: &Inventory) {
    for host in inventory.hosts().iter().take(50) {
        assert!(!host.name.as_str().starts_with('-'), "{:?}", host.name);
        assert!(inventory.get(&host.name).is_some_and(|found| found == host), "{:?}", host.name);
        if let Connection::Ssh(endpoint) = &host.connection {
            assert!(!endpoint.address.is_empty() && !endpoint.user.is_empty(), "{endpoint:?}");
        }
    }
}

/// Every error names the file; those of one entry name it or its line.
fn say_where(errors: &ConfigErrors) {
    assert!(!errors.0.is_empty(), "an error without a word");
    for error in &errors.0 {
        assert_eq!(error.file, FILE, "{error}");
        assert!(!error.message.is_empty(), "{error}");
        assert!(error.line.is_some() || error.path.is_some(), "{error}");
    }
}

fn context(ssh: &str) -> Context {
    let ssh = if ssh.is_empty() { Reader::default() } else { Reader::new(Arc::new(OneFile(ssh.to_owned()))) };
    Context { dir: "/ws".into(), home: Some("/home/ana".into()), user: "ana".into(), ssh }
}

/// A machine with one file, which every pattern with a `*` finds.
#[derive(Debug)]
struct OneFile(String);

impl OneFile {
    const PATH: &'static str = "/home/ana/.ssh/config";
}

impl Machine for OneFile {
    fn read(&self, path: &Path, _strict: bool) -> Result<Option<String>, ReadError> {
        Ok((path == Path::new(Self::PATH)).then(|| self.0.clone()))
    }

    fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let found = pattern == Self::PATH || pattern.contains('*');
        Ok(if found { vec![Self::PATH.into()] } else { vec![] })
    }

    fn variable(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/home/ana".to_owned())
    }

    fn home_of(&self, user: &str) -> Option<PathBuf> {
        (user == "bob").then(|| "/home/bob".into())
    }

    fn home(&self) -> Option<PathBuf> {
        Some("/home/ana".into())
    }

    fn user(&self) -> String {
        "ana".to_owned()
    }

    fn user_id(&self) -> u32 {
        1000
    }

    fn host_name(&self) -> String {
        "here.example.org".to_owned()
    }
}

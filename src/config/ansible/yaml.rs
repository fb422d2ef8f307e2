//! YAML inventories (`all: {hosts, children, vars}`) and the files of `group_vars` and `host_vars`.
//!
//! Boundary: text into [`Data`]. Source: Ansible's `plugins/inventory/yaml.py` and `plugins/vars/host_group_vars.py`.

use std::rc::Rc;

use super::{
    Data, VAULT, address,
    data::{Variables, VarsFile, error, set},
    value::{Place, Value, entries},
};
use crate::config::{
    error::ConfigErrors,
    walk::kind,
    yaml::{self, Entry, Node, Value as Yaml},
};

/// Reads the YAML inventory `root` into `data`.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub(crate) fn read(data: &mut Data, root: &Node, label: &str) -> Result<(), ConfigErrors> {
    let mut reader = Reader { data, file: label.into() };
    let place = |line| Place { file: label.into(), line };
    if let Some(plugin) = root.entry("plugin") {
        let what = Value::of_yaml(&plugin.value).shown().unwrap_or_default();
        let message = format!(
            "this configures Ansible's inventory plugin {what:?}, which only Ansible runs; name an executable that prints \
             what `ansible-inventory -i {label} --list` does"
        );
        return Err(error(&place(plugin.line), &message));
    }
    if !matches!(root.value, Yaml::Mapping { .. }) {
        return Err(error(&place(root.line), &format!("expected groups by name, found {}", kind(root))));
    }
    for entry in entries(root) {
        reader.group(entry)?;
    }
    Ok(())
}

struct Reader<'a> {
    data: &'a mut Data,
    file: Rc<str>,
}

impl Reader<'_> {
    fn place(&self, line: usize) -> Place {
        Place { file: Rc::clone(&self.file), line }
    }

    /// Reads a group; nothing for what Ansible passes over.
    fn group(&mut self, entry: &Entry) -> Result<Option<usize>, ConfigErrors> {
        let node = &entry.value;
        let is_mapping = matches!(node.value, Yaml::Mapping { .. });
        if !is_mapping && !node.is_null() {
            let message = format!("the group {:?}: expected hosts, children and vars, found {}", entry.key, kind(node));
            return Err(error(&self.place(entry.line), &message));
        }
        let group = self.data.group(&entry.key);
        for section in entries(node) {
            match section.key.as_str() {
                "vars" => {
                    for variable in self.section(section)? {
                        let place = self.place(variable.line);
                        self.data.set_group(group, &variable.key, Value::of_yaml(&variable.value), &place)?;
                    }
                }
                "children" => match &section.value.value {
                    Yaml::Scalar(scalar) if !section.value.is_null() => {
                        let child = self.data.group(&scalar.text);
                        self.data.child(group, child, &self.place(section.line));
                    }
                    _ => {
                        for child in self.section(section)? {
                            if let Some(position) = self.group(child)? {
                                self.data.child(group, position, &self.place(child.line));
                            }
                        }
                    }
                },
                "hosts" => match &section.value.value {
                    Yaml::Scalar(scalar) if !section.value.is_null() => {
                        self.host(&scalar.text, None, group, section.line)?;
                    }
                    _ => {
                        for host in self.section(section)? {
                            self.host(&host.key, Some(&host.value), group, host.line)?;
                        }
                    }
                },
                other => {
                    let message = format!(
                        "unknown key {other:?} in the group {:?}; there are hosts, children and vars",
                        entry.key
                    );
                    return Err(error(&self.place(section.line), &message));
                }
            }
        }
        Ok(Some(group))
    }

    fn section<'n>(&self, section: &'n Entry) -> Result<Vec<&'n Entry>, ConfigErrors> {
        if matches!(section.value.value, Yaml::Mapping { .. }) || section.value.is_null() {
            return Ok(entries(&section.value));
        }
        let message = format!("{}: expected names with `:`, found {}", section.key, kind(&section.value));
        Err(error(&self.place(section.line), &message))
    }

    fn host(&mut self, name: &str, vars: Option<&Rc<Node>>, group: usize, line: usize) -> Result<(), ConfigErrors> {
        let place = self.place(line);
        let wrong = |reason: &str| error(&place, &format!("the host {name:?}: {reason}"));
        let (names, port) = address::expand(name).map_err(|reason| wrong(&reason))?;
        let vars = vars.filter(|node| !node.is_null());
        if vars.is_some_and(|node| !matches!(node.value, Yaml::Mapping { .. })) {
            return Err(wrong("expected variables, found something else"));
        }
        let vars = vars.map(|node| entries(node)).unwrap_or_default();
        for name in names {
            let host = self.data.host(&name, port, &place);
            self.data.join(group, host);
            for variable in &vars {
                let place = self.place(variable.line);
                self.data.set_host(host, &variable.key, Value::of_yaml(&variable.value), &place);
            }
        }
        Ok(())
    }
}

/// Reads a file of `group_vars` or `host_vars`.
///
/// # Errors
/// What is wrong in it.
pub(crate) fn vars_file(text: &str, label: &str) -> Result<VarsFile, ConfigErrors> {
    let file: Rc<str> = label.into();
    if text.starts_with(VAULT) {
        return Ok(VarsFile::Encrypted(Place { file, line: 0 }));
    }
    let root = yaml::parse_ansible(text, label)?;
    let mut vars = Variables::new();
    match &root.value {
        Yaml::Mapping { .. } => {
            for entry in entries(&root) {
                let place = Place { file: Rc::clone(&file), line: entry.line };
                set(&mut vars, &entry.key, Value::of_yaml(&entry.value), &place);
            }
        }
        _ if root.is_null() => {}
        _ => {
            let place = Place { file, line: root.line };
            return Err(error(&place, &format!("expected variables by name, found {}", kind(&root))));
        }
    }
    Ok(VarsFile::Readable(vars))
}

//! Ansible's inventories: INI files, YAML files, the JSON of inventory executables, `group_vars` and `host_vars`.
//!
//! Boundary: texts in, an [`Inventory`] out; files are read and executables run by [`source`](super::source). Nothing is
//! evaluated: templates and encrypted values that would decide something refuse the hosts they concern.
//! Source of the rules: ansible-core 2.19, `inventory/` and `plugins/inventory/`; `fixtures/ansible` holds what it answers.
//! Next: [`ini`], [`yaml`] and [`json`] fill [`Data`]; `settings` reads what takes effect out of the variables; `convert` makes
//! hosts of it.

pub(crate) mod data;
pub(crate) mod ini;
pub(crate) mod json;
pub(crate) mod yaml;

mod address;
mod convert;
mod literal;
mod settings;
mod ssh_args;
#[cfg(test)]
pub(crate) mod tests;
mod value;
mod words;

pub(crate) use convert::{Conversion, convert};
pub(crate) use data::Data;

/// How every text that Ansible Vault encrypted begins.
pub(crate) const VAULT: &str = "$ANSIBLE_VAULT";

/// Variables that hold secrets. Their values are dropped where they are read.
pub(crate) const SECRETS: [&str; 12] = [
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_ssh_password",
    "ansible_become_pass",
    "ansible_become_password",
    "ansible_sudo_pass",
    "ansible_su_pass",
    "ansible_private_key",
    "ansible_ssh_private_key",
    "ansible_private_key_passphrase",
    "ansible_ssh_private_key_passphrase",
    "ansible_vault_password",
];

/// Adds the hosts of a list such as `web1,web2:2222`, as in `ansible -i 'web1,web2:2222'`.
///
/// Errors: a name with a range, which Ansible does not take here.
pub(crate) fn host_list(data: &mut Data, list: &str) -> Result<(), crate::config::error::ConfigErrors> {
    let file: std::rc::Rc<str> = list.into();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let place = value::Place { file: file.clone(), line: 0 };
        let (names, port) = address::expand(name)
            .map_err(|reason| crate::config::error::ConfigError::file(list, format!("{name:?}: {reason}")))?;
        for name in names {
            let host = data.host(&name, port, &place);
            data.join(Data::UNGROUPED, host);
        }
    }
    Ok(())
}

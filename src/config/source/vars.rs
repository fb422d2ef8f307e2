//! Finds the files of `group_vars` and `host_vars` beside the inventories.
//!
//! Boundary: which files count, by Ansible's rules (`DataLoader.find_vars_files`); what they say is `ansible::yaml`'s.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use crate::config::{
    ansible::{Data, data::VarsFile, yaml::vars_file},
    error::{ConfigError, ConfigErrors},
    store::{into_config, text},
};

/// Endings of these files, in the order in which they are looked for; the first that is there counts.
const ENDINGS: [&str; 4] = ["", ".yml", ".yaml", ".json"];
/// Deepest nesting of directories.
const DEEPEST: usize = 16;

/// Reads what stands beside each source (`directories`, in the order of the sources) into `data`.
///
/// # Errors
/// A file that cannot be read or is broken.
pub(super) fn read(data: &mut Data, directories: &[PathBuf], cwd: &Path) -> Result<(), ConfigErrors> {
    for (source, directory) in directories.iter().enumerate() {
        let groups: Vec<String> = data.groups.iter().map(|group| group.name.clone()).collect();
        let mut found = Found::in_directory(&directory.join("group_vars"), cwd)?;
        for (at, name) in groups.iter().enumerate() {
            for file in found.files(name)? {
                data.add_group_file(at, source, &file);
            }
        }
        let hosts: Vec<String> = data.hosts.iter().map(|host| host.name.clone()).collect();
        let mut found = Found::in_directory(&directory.join("host_vars"), cwd)?;
        for (at, name) in hosts.iter().enumerate() {
            for file in found.files(name)? {
                data.add_host_file(at, &file);
            }
        }
    }
    Ok(())
}

/// What a `group_vars` or `host_vars` directory holds, listed once.
struct Found<'a> {
    entries: HashMap<String, PathBuf>,
    cwd: &'a Path,
}

impl<'a> Found<'a> {
    fn in_directory(directory: &Path, cwd: &'a Path) -> Result<Self, ConfigErrors> {
        let entries = if directory.is_dir() { list(directory)? } else { Vec::new() };
        Ok(Self { entries: entries.into_iter().collect(), cwd })
    }

    /// The files about `name`.
    fn files(&mut self, name: &str) -> Result<Vec<Rc<VarsFile>>, ConfigErrors> {
        let found = ENDINGS.iter().find_map(|ending| self.entries.get(&format!("{name}{ending}")).cloned());
        let Some(path) = found else { return Ok(Vec::new()) };
        let mut paths = Vec::new();
        if path.is_dir() {
            below(&path, &mut paths, 0)?;
        } else {
            paths.push(path);
        }
        paths.iter().map(|path| self.file(path)).collect()
    }

    fn file(&self, path: &Path) -> Result<Rc<VarsFile>, ConfigErrors> {
        let label = path.strip_prefix(self.cwd).unwrap_or(path).to_string_lossy().into_owned();
        let text = text(path, &label).map_err(into_config)?.unwrap_or_default();
        Ok(Rc::new(vars_file(&text, &label)?))
    }
}

/// The files of a directory and those below it, by name.
fn below(directory: &Path, paths: &mut Vec<PathBuf>, depth: usize) -> Result<(), ConfigErrors> {
    if depth > DEEPEST {
        let message = format!("nested deeper than {DEEPEST} directories");
        return Err(ConfigError::file(&directory.to_string_lossy(), message).into());
    }
    let mut entries = list(directory)?;
    entries.sort();
    for (name, path) in entries {
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let ending = Path::new(&name).extension().map(|ending| format!(".{}", ending.to_string_lossy()));
        if path.is_dir() {
            if ending.is_none() {
                below(&path, paths, depth + 1)?;
            }
        } else if ending.is_none_or(|ending| ENDINGS.contains(&ending.as_str())) {
            paths.push(path);
        }
    }
    Ok(())
}

fn list(directory: &Path) -> Result<Vec<(String, PathBuf)>, ConfigErrors> {
    let failed = |source: std::io::Error| {
        ConfigErrors::from(ConfigError::file(&directory.to_string_lossy(), format!("cannot read it: {source}")))
    };
    let entries = std::fs::read_dir(directory).map_err(failed)?;
    entries
        .map(|entry| {
            let entry = entry.map_err(failed)?;
            Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
        })
        .collect()
}

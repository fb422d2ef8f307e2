//! `mcp init`.

use std::{
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use clap::Args;

use super::App;
use crate::{
    error::{CommandError, Exit},
    render::Ui,
};

const HOSTS: &str = include_str!("init/hosts.yaml");
const SERVERS: &str = include_str!("init/servers.yaml");

/// Write a commented workspace
///
/// Existing files are left as they are.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcp init\n  mcp init ./fleet")]
pub struct InitArgs {
    /// The directory [default: --dir, else the current one]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Whether `directory` is the current one, where no `-C` is needed.
fn is_here(directory: &Path) -> bool {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    directory.canonicalize().is_ok_and(|directory| here.is_ok_and(|here| here == directory))
}

pub(super) fn run(app: &App, ui: &mut Ui, args: InitArgs) -> Result<Exit, CommandError> {
    let directory = args.directory.or_else(|| app.global.dir.clone()).unwrap_or_else(|| PathBuf::from("."));
    let failed =
        |path: &Path, e: &std::io::Error| CommandError::failed(format!("cannot write {}", path.display())).because(e);
    if app.global.dry_run {
        ui.note(&format!("would write hosts.yaml and servers.yaml into {}", directory.display()));
        return Ok(Exit::Ok);
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(|e| failed(&directory, &e))?;
    for (name, text) in [("hosts.yaml", HOSTS), ("servers.yaml", SERVERS)] {
        let path = directory.join(name);
        match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes()).map_err(|e| failed(&path, &e))?;
                ui.note(&format!("wrote {}", path.display()));
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => ui.note(&format!("{} is there already", path.display())),
            Err(e) => return Err(failed(&path, &e)),
        }
    }
    if !is_here(&directory) {
        ui.note(&format!("next: `cd {}`, or use -C {0} with each command", directory.display()));
    }
    ui.note("next: `mcp hosts add NAME --address ADDRESS`, `mcp hosts trust`, `mcp hosts check`; without hosts, servers run on localhost");
    Ok(Exit::Ok)
}

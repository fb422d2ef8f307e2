//! `mcp man`.

use std::path::PathBuf;

use clap::Args;

use crate::{
    error::{CommandError, Exit},
    render::Ui,
};

/// Print the man page, or write one per command into a directory
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcp man | man -l -\n  mcp man --write ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Write mcp.1, mcp-start.1, … into this directory
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

pub(super) fn run(ui: &mut Ui, args: ManArgs) -> Result<Exit, CommandError> {
    let failed = |what: String, e: &std::io::Error| CommandError::failed(what).because(e);
    let Some(directory) = args.write else {
        let mut text = vec![];
        clap_mangen::Man::new(crate::cli::command())
            .render(&mut text)
            .map_err(|e| failed("cannot write the man page".to_owned(), &e))?;
        ui.answer(&String::from_utf8_lossy(&text));
        return Ok(Exit::Ok);
    };
    std::fs::create_dir_all(&directory).map_err(|e| failed(format!("cannot create {}", directory.display()), &e))?;
    clap_mangen::generate_to(crate::cli::command(), &directory)
        .map_err(|e| failed(format!("cannot write man pages into {}", directory.display()), &e))?;
    Ok(Exit::Ok)
}

//! `mcp copy`.

use std::{os::unix::fs::MetadataExt, path::Path, time::Instant};

use clap::Args;
use jiff::Timestamp;

use super::{App, Interrupt, exec::open_input};
use crate::{
    domain::Host,
    error::{CommandError, Exit},
    operations::{
        copy::{self, CopyRequest},
        dry_run::DryStep,
        select,
    },
    render::{Progress, Ui},
};

/// Send a file to many hosts
///
/// What arrives is checked by size and checksum before it takes the place of what is there, in one step. A file that is there
/// already, with the same content and mode, is left as it is.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp copy '@web' nginx.conf /etc/nginx/\n  mcp copy all /etc/motd\n  mcp copy 'db-*' ./backup.sh /usr/local/bin/backup --mode 0755 --backup\n  mcp copy edge-1 app.env '~/app/.env' --mode 0600 --parents"
)]
pub struct CopyArgs {
    /// Hosts: 'web-*,@prod,!web-03', or all
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// The file; - is mcp's own standard input
    #[arg(value_name = "FILE")]
    file: String,
    /// The path there; a directory when it is one or ends with / [default: FILE's own path when it begins with /, else its name in
    /// the account's home directory]
    #[arg(value_name = "DEST", required_if_eq("file", "-"))]
    destination: Option<String>,
    /// Permission bits [default: FILE's own; 0644 for standard input]
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<u32>,
    /// Owner there: USER, USER:GROUP or :GROUP
    #[arg(long, value_name = "USER[:GROUP]", value_parser = owner)]
    owner: Option<String>,
    /// Make directories that are missing
    #[arg(short, long)]
    parents: bool,
    /// Keep what was there, with the time at the end of its name
    #[arg(long)]
    backup: bool,
}

fn mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777 && text.len() <= 5)
        .ok_or_else(|| format!("{text:?} is no mode such as 0644"))
}

fn owner(text: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-$@\\".contains(c);
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    let is_owner = text.len() > 1 && !text.starts_with('-') && user.chars().chain(group.chars()).all(is_name);
    if is_owner || (text.len() == 1 && is_name(text.chars().next().unwrap_or(':')) && text != "-") {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is no owner such as root, deploy:www or :www"))
}

pub(super) fn run(app: &App, ui: &mut Ui, args: CopyArgs) -> Result<Exit, CommandError> {
    let is_stdin = args.file == "-";
    let wrong = |why: String| CommandError::usage(format!("cannot copy {}", args.file)).hint(why);
    if Path::new(&args.file).is_dir() {
        return Err(wrong(
            "it is a directory, and only files are copied; for all of it: tar -c DIR | mcp exec PATTERN --stdin - -- tar -x".to_owned(),
        ));
    }
    let (workspace, loaded) = app.open_on(ui, Some(&args.pattern))?;
    let names = select::hosts(Some(&args.pattern), &loaded.inventory)?;
    let hosts: Vec<&Host> = loaded.inventory.hosts().iter().filter(|host| names.contains(&host.name)).collect();
    let input = open_input(Path::new(&args.file))?;
    let unreadable = |e: std::io::Error| CommandError::usage(format!("cannot read {}", args.file)).because(&e);
    let own_mode = if is_stdin { 0o644 } else { input.metadata().map_err(unreadable)?.mode() & 0o777 };
    let name = Path::new(&args.file).file_name().and_then(|name| name.to_str());
    let destination = match args.destination {
        Some(destination) if destination.is_empty() || destination.contains('\0') => {
            return Err(wrong("DEST is empty; ./ is the directory commands begin in".to_owned()));
        }
        Some(destination) => destination,
        None if args.file.starts_with('/') => args.file.clone(),
        None => String::new(),
    };
    if is_stdin && destination.ends_with('/') {
        return Err(wrong("standard input has no name; say the whole path".to_owned()));
    }
    let request = CopyRequest {
        name: name.ok_or_else(|| wrong("it has no name in UTF-8".to_owned()))?.to_owned(),
        destination,
        mode: args.mode.unwrap_or(own_mode),
        owner: args.owner,
        parents: args.parents,
        backup: args.backup.then(|| format!(".{}~", Timestamp::now().strftime("%Y%m%dT%H%M%SZ"))),
        digest: CopyRequest::digest(&input).map_err(unreadable)?,
        input: &input,
    };
    if app.global.dry_run {
        let command = copy::shown(&request, &args.file);
        let step =
            |host: &&Host| DryStep { host: host.name.clone(), instance: None, when: None, command: command.clone() };
        ui.dry_run(&hosts.iter().map(step).collect::<Vec<_>>());
        return Ok(Exit::Ok);
    }
    let begin = Instant::now();
    let cancel = app.cancel(Interrupt::Drains);
    let progress = Progress::new(ui, "copy");
    let reports =
        app.with_fleet(&workspace, &loaded, Interrupt::Drains, &|event| progress.event(&event), |context| {
            copy::copy(context, &hosts, &request)
        })?;
    ui.copied(&hosts, &reports, begin.elapsed(), cancel.is_draining());
    Ok(copy::exit(&reports))
}

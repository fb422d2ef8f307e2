//! `mcp copy`.

use std::{os::unix::fs::MetadataExt, path::Path, time::Instant};

use clap::Args;
use jiff::Timestamp;

use super::{
    App,
    exec::open_input,
    on_hosts::{Chosen, INTERRUPT, RetryHostsArgs, choose, ended, known, show_batches},
    rolling::RollingArgs,
};
use crate::{
    config::journal::{Again, CopyAgain},
    domain::Host,
    error::{CommandError, Exit},
    fleet::Rolling,
    operations::{
        copy::{self, CopyRequest},
        dry_run::DryStep,
        host_run::HostVerb,
    },
    render::{Progress, Ui},
};

/// Send a file to many hosts
///
/// What arrives is checked by size and checksum before it takes the place of what is there, in one step. A file that is there
/// already, with the same content and mode, is left as it is.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp copy '@web' nginx.conf /etc/nginx/\n  mcp copy all /etc/motd\n  mcp copy 'db-*' ./backup.sh /usr/local/bin/backup --mode 0755 --backup\n  mcp copy edge-1 app.env '~/app/.env' --mode 0600 --parents\n  mcp copy all app.conf /etc/app/ --serial 25% --fail-fast\n  mcp copy all app.conf /etc/app/ --retry-failed"
)]
pub struct CopyArgs {
    /// Hosts: 'web-*,@prod,!web-03', or all; with --retry-failed a single argument is FILE
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// The file; - is mcp's own standard input
    #[arg(value_name = "FILE", required_unless_present = "retry_failed")]
    file: Option<String>,
    /// The path there; a directory when it is one or ends with / [default: FILE's own path when it begins with /, else its name in
    /// the account's home directory]
    #[arg(value_name = "DEST")]
    destination: Option<String>,
    #[command(flatten)]
    retry: RetryHostsArgs,
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
    #[command(flatten)]
    rolling: RollingArgs,
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

pub(super) fn run(app: &App, ui: &mut Ui, mut args: CopyArgs) -> Result<Exit, CommandError> {
    // With --retry-failed the pattern can be left out: a single argument is the file.
    let (pattern, file) = match args.file.take() {
        Some(file) => (Some(args.pattern), file),
        None => (None, args.pattern),
    };
    let rolling = args.rolling.over(Rolling::default())?;
    scp_words(pattern.as_deref(), &file, args.destination.as_deref())?;
    if Path::new(&file).is_dir() {
        return Err(wrong(
            &file,
            "it is a directory, and only files are copied; for all of it: tar -c DIR | mcp exec PATTERN --stdin - -- tar -x",
        ));
    }
    let is_stdin = file == "-";
    let destination = match args.destination {
        Some(destination) if destination.is_empty() || destination.contains('\0') => {
            return Err(wrong(&file, "DEST is empty; ./ is the directory commands begin in"));
        }
        Some(destination) if is_stdin && destination.ends_with('/') => {
            return Err(wrong(&file, "standard input has no name; say the whole path"));
        }
        Some(destination) => destination,
        None if is_stdin => return Err(wrong(&file, "standard input has no name; say DEST, the whole path")),
        None if file.starts_with('/') => file.clone(),
        None => String::new(),
    };
    let Some(chosen) = choose(app, ui, HostVerb::Copy, pattern.as_deref(), &args.retry)? else { return Ok(Exit::Ok) };
    let (mode, owner) = (args.mode, args.owner);
    let plan = Plan { file, destination, mode, owner, parents: args.parents, backup: args.backup };
    carry_out(app, ui, &chosen, plan, rolling)
}

/// Refuses what is written as for scp, and names what to write.
fn scp_words(pattern: Option<&str>, file: &str, destination: Option<&str>) -> Result<(), CommandError> {
    if let Some((host, path)) = pattern.and_then(remote) {
        return Err(CommandError::usage(format!("cannot copy from a host: {host}:{path}"))
            .hint(format!("files go to hosts only; `mcp exec {host} -- cat {path} > FILE` prints one of a host")));
    }
    if let Some((host, path)) = remote(file).filter(|_| !Path::new(file).exists()) {
        return Err(CommandError::usage(format!("{file} is no file here"))
            .hint(format!("the hosts come first: `mcp copy {host} {} {path}`", pattern.unwrap_or("FILE"))));
    }
    if let Some((host, path)) = destination.and_then(remote) {
        return Err(CommandError::usage(format!("the destination {host}:{path} names a host")).hint(format!(
            "the hosts come first: `mcp copy {host} {file} {path}`; a path with that name is ./{host}:{path}"
        )));
    }
    Ok(())
}

/// `HOST:PATH`, as scp and rsync write it; not `user@host:2222`, and no path that has a colon further on.
fn remote(text: &str) -> Option<(&str, &str)> {
    let (host, path) = text.split_once(':')?;
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "._-@*?".contains(c));
    let is_port = !path.is_empty() && path.bytes().all(|byte| byte.is_ascii_digit());
    // `./a:b` and `..:` are paths.
    (is_host && !host.starts_with('.') && !is_port && !path.contains(':')).then_some((host, path))
}

/// Does again what an earlier run was told, on the hosts it left.
pub(super) fn resume(
    app: &App,
    ui: &mut Ui,
    chosen: &Chosen,
    again: CopyAgain,
    rolling: Rolling,
) -> Result<Exit, CommandError> {
    let CopyAgain { file, destination, mode, owner, parents, backup } = again;
    let plan = Plan { file: file.path, destination, mode: Some(mode), owner, parents, backup };
    carry_out(app, ui, chosen, plan, rolling)
}

/// What is sent where.
struct Plan {
    file: String,
    destination: String,
    mode: Option<u32>,
    owner: Option<String>,
    parents: bool,
    backup: bool,
}

fn wrong(file: &str, why: &str) -> CommandError {
    CommandError::usage(format!("cannot copy {file}")).hint(why)
}

fn carry_out(app: &App, ui: &mut Ui, chosen: &Chosen, plan: Plan, rolling: Rolling) -> Result<Exit, CommandError> {
    let Plan { file, destination, mode, owner, parents, backup } = plan;
    let path = Path::new(&file);
    let hosts = chosen.hosts();
    let written = known(path, "its file");
    let input = open_input(path)?;
    let unreadable = |e: std::io::Error| CommandError::usage(format!("cannot read {file}")).because(&e);
    let own_mode = if file == "-" { 0o644 } else { input.metadata().map_err(unreadable)?.mode() & 0o777 };
    let name = path.file_name().and_then(|name| name.to_str());
    let request = CopyRequest {
        name: name.ok_or_else(|| wrong(&file, "it has no name in UTF-8"))?.to_owned(),
        destination,
        mode: mode.unwrap_or(own_mode),
        owner,
        parents,
        backup: backup.then(|| format!(".{}~", Timestamp::now().strftime("%Y%m%dT%H%M%SZ"))),
        digest: CopyRequest::digest(&input).map_err(unreadable)?,
        input: &input,
    };
    if app.global.dry_run {
        let command = copy::shown(&request, &file);
        let step =
            |host: &&Host| DryStep { host: host.name.clone(), instance: None, when: None, command: command.clone() };
        ui.dry_run(&hosts.iter().map(step).collect::<Vec<_>>());
        show_batches(ui, &hosts, &rolling);
        return Ok(Exit::Ok);
    }
    let again = written.map_or_else(std::convert::identity, |file| {
        let (destination, owner) = (request.destination.clone(), request.owner.clone());
        Again::Copy(CopyAgain { file, destination, mode: request.mode, owner, parents, backup })
    });
    let begin = Instant::now();
    let cancel = app.cancel(INTERRUPT);
    let progress = Progress::new(ui, "copy");
    let run = chosen.begin(app, &hosts, HostVerb::Copy, rolling, again);
    let listener = |event: crate::fleet::Event<'_>| progress.event(&event);
    let went = app.with_fleet(&chosen.workspace, &chosen.loaded, INTERRUPT, &listener, |context| {
        copy::copy(context, &hosts, &request, &run)
    });
    let ((reports, went), run) = ended(went, run)?;
    let exit = copy::exit(&reports);
    let exit = if cancel.is_draining() { exit.or(Exit::Interrupted) } else { exit };
    let report = run.end(exit, went, cancel.is_draining());
    ui.copied(&hosts, &reports, begin.elapsed(), &report);
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_scp_are_refused_with_what_to_write_here() {
        for (pattern, file, destination, hint) in [
            ("h1:/etc/hostname", ".", None, "mcp exec h1 -- cat /etc/hostname"),
            ("app.conf", "h1:/etc/", None, "mcp copy h1 app.conf /etc/"),
            ("h1", "Cargo.toml", Some("h2:/tmp/"), "mcp copy h2 Cargo.toml /tmp/"),
        ] {
            let error = scp_words(Some(pattern), file, destination).err().and_then(|error| error.hint);
            assert!(error.as_deref().is_some_and(|text| text.contains(hint)), "{pattern} {file}: {error:?}");
        }
        for (pattern, file, destination) in [
            ("root@10.0.0.5:2222", "a", Some("/tmp/a:b")),
            ("[::1]:22", "./h1:x", Some("./h2:x")),
            ("2001:db8::1", "-", Some("~/a")),
        ] {
            assert!(scp_words(Some(pattern), file, destination).is_ok(), "{pattern} {file}");
        }
    }
}

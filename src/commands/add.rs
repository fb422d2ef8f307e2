//! `mcp add`.

use std::{io::Read, time::Duration};

use clap::Args;

use super::{
    App,
    change::{Plan, carry_out},
    hosts, start,
};
use crate::{
    cli::{parse_duration, parse_duration_up_to},
    config::{inventory::Inventory, pattern::HostPattern, store::SERVERS},
    domain::{Amount, LONGEST_KEPT, Rollout, Serial, Server, ServerName, Settings},
    error::{CommandError, Exit},
    fleet::Rolling,
    operations::{
        Verb,
        change::Options,
        place, register,
        select::{self, Selection},
    },
    render::Ui,
};

/// Register a server with its literal `docker run` string
///
/// Missing -d and --name are added once, and shown; from then on the string runs as it is written. A string with -i and without -d is
/// one for single connections (stdio) and stays as it is. $VAR and ~ are left to the host's shell. --command also takes the JSON entry
/// of an AI client whose command is docker; secrets in its `env` are not written down, the host has to have them.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp add finance --host edge-1 --command 'docker run -p 127.0.0.1:8080:8080 --restart unless-stopped acme/finance:1.4'\n  mcp add search --host '@prod' --tag nightly --start --command 'docker run -p 127.0.0.1:9000:9000 acme/search'\n  mcp add files --host root@192.0.2.11:2222 --command 'docker run -i --rm mcp/filesystem /data'\n  mcp add github --command - < entry.json"
)]
pub struct AddArgs {
    /// The server's name
    name: String,
    /// The literal docker run string, an AI client's JSON entry, or - to read either from stdin
    #[arg(long, value_name = "STRING", allow_hyphen_values = true)]
    command: String,
    /// A host, a host pattern or an address that is added to hosts.yaml (repeatable); an instance runs on each
    #[arg(long, value_name = "PATTERN")]
    host: Vec<String>,
    #[command(flatten)]
    fields: FieldArgs,
    /// Start it at once
    #[arg(long)]
    start: bool,
}

/// What can be said of a server besides its command and hosts; shared with `edit`.
#[derive(Debug, Args)]
pub(super) struct FieldArgs {
    /// The port clients use [default: the first published one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Option<u16>,
    /// A label to select by (repeatable)
    #[arg(long = "tag", value_name = "TAG")]
    pub(super) tags: Vec<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(super) description: Option<String>,
    /// Start order on a host: lower first
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(super) priority: Option<i32>,
    /// The string that stops it [default: docker stop]
    #[arg(long, value_name = "STRING")]
    pub(super) stop: Option<String>,
    /// The string that reads its logs [default: docker logs]
    #[arg(long, value_name = "STRING")]
    pub(super) logs: Option<String>,
    /// The string that samples its usage [default: docker stats --no-stream]
    #[arg(long, value_name = "STRING")]
    pub(super) stats: Option<String>,
    /// The string that pulls its image, such as 'docker login … && docker pull …' [default: docker pull]
    #[arg(long, value_name = "STRING")]
    pub(super) pull: Option<String>,
    /// Hosts per batch of start and restart, as --serial takes them; used unless --serial is given
    #[arg(long, value_name = "SPEC")]
    pub(super) rollout_serial: Option<Serial>,
    /// Failed hosts that end such a run, as --max-fail takes them
    #[arg(long, value_name = "N|P%")]
    pub(super) rollout_max_fail: Option<Amount>,
    /// Pause between two batches of such a run
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) rollout_wait: Option<Duration>,
    /// How long the previous container is kept after a replacement [default: 0, not at all]
    #[arg(long, value_name = "TIME", value_parser = parse_kept)]
    pub(super) keep_previous: Option<Duration>,
}

impl FieldArgs {
    /// The settings among them.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            rollout: Rollout {
                serial: self.rollout_serial.clone(),
                max_fail: self.rollout_max_fail,
                wait: self.rollout_wait,
            },
            keep_previous: self.keep_previous,
        }
    }
}

fn parse_kept(text: &str) -> Result<Duration, String> {
    parse_duration_up_to(text, LONGEST_KEPT)
}

pub(super) fn server_name(text: &str) -> Result<ServerName, CommandError> {
    ServerName::new(text).map_err(|e| CommandError::usage(format!("cannot use the name {text:?}")).because(&e))
}

/// The string that is to be registered on `host`, and what should be said of it; `-` is read from stdin.
pub(super) fn literal(
    given: &str,
    name: &ServerName,
    host: &[String],
    inventory: &Inventory,
) -> Result<(String, Vec<String>), CommandError> {
    const MOST: u64 = 1024 * 1024;
    let mut read = String::new();
    if given == "-" {
        let result = std::io::stdin().lock().take(MOST).read_to_string(&mut read);
        result.map_err(|e| CommandError::usage("cannot read --command from stdin").because(&e))?;
    }
    // What Windows writes into files and pipes begins with a byte order mark.
    let given = if given == "-" { read.trim_start_matches('\u{feff}') } else { given };
    let hosts = HostPattern::join(host).and_then(|pattern| inventory.select(&pattern)).unwrap_or_default();
    register::literal(given, name, &hosts)
}

pub(super) fn run(app: &App, ui: &mut Ui, args: AddArgs) -> Result<Exit, CommandError> {
    let (workspace, loaded) = app.open(ui)?;
    let name = server_name(&args.name)?;
    let mut host = args.host;
    if host.is_empty() {
        let only = loaded.inventory.default_host().ok_or_else(|| {
            CommandError::usage(format!("where should {name} run?"))
                .hint("say --host NAME or --host PATTERN; see `mcp hosts list`")
        })?;
        host.push(only.name.to_string());
    }
    let own = args.fields.settings();
    let (host, new) = place::place(&host, &loaded.inventory)?;
    if !new.is_empty() {
        hosts::refuse_other_sources(&workspace)?;
    }
    let preview = if new.is_empty() { None } else { Some(register::with_hosts(&workspace, &new)?) };
    let inventory = preview.as_ref().unwrap_or(&loaded.inventory);
    let (command, notes) = literal(&args.command, &name, &host, inventory)?;
    let completed = register::complete(Server {
        port: args.fields.port,
        description: args.fields.description,
        tags: args.fields.tags,
        priority: args.fields.priority.unwrap_or(0),
        stop: args.fields.stop,
        logs: args.fields.logs,
        stats: args.fields.stats,
        pull: args.fields.pull,
        own,
        ..Server::new(name.clone(), command, host)
    })?;
    notes.iter().for_each(|note| ui.note(note));
    if app.global.dry_run {
        for host in &new {
            ui.note(&format!("would add {} to hosts.yaml as {}", host.typed, host.name));
        }
        ui.note(&format!("would register {name}: {}", completed.server.command));
        completed.warnings.iter().for_each(|warning| ui.warn(warning));
        return Ok(Exit::Ok);
    }
    if !new.is_empty() && loaded.registry.get(&name).is_some() {
        return Err(register::registered_already(&name));
    }
    workspace.create_dir().map_err(|e| CommandError::failed("cannot create the workspace").because(&e))?;
    for host in &new {
        register::add_host(&workspace, host.name.as_str(), &host.fields)?;
        ui.note(&format!(
            "added {} to hosts.yaml as {}; trust its key with `mcp hosts trust {1}`",
            host.typed, host.name
        ));
    }
    register::add(&workspace, inventory, &completed.server)?;
    if !workspace.is_named() {
        ui.note(&format!("wrote {}", workspace.dir().join(SERVERS).display()));
    }
    // One answer: that of the start, when there is one.
    if !args.start {
        ui.registered(&completed);
        return Ok(Exit::Ok);
    }
    ui.registered_note(&completed);
    let loaded = app.load(&workspace)?;
    ui.guard(workspace.secrets());
    let selection = Selection { names: vec![name.to_string()], ..Selection::default() };
    let targets = select::select(&selection, &loaded.inventory, &loaded.registry, false)?;
    let options = Options { settle: start::DEFAULT_SETTLE, ..Options::default() };
    let plan = Plan { verb: Verb::Start, options, rolling: Rolling::default(), parent: None };
    carry_out(app, ui, &workspace, &loaded, &targets, plan)
}

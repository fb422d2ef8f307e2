//! `mcp edit`.

mod editor;

use clap::Args;

use super::{
    App,
    add::{FieldArgs, literal, server_name},
};
use crate::{
    domain::{Rollout, Server, Settings},
    error::{CommandError, Exit},
    operations::{
        edited, place, register,
        select::{self, Selection},
    },
    render::Ui,
};

/// Change a server's entry, by flags or in $EDITOR
///
/// Comments, order and formatting of everything else stay. A running container keeps running; `mcp restart` applies a
/// changed command. A draft that is not valid, not confirmed or not written is kept beside servers.yaml, and the next `mcp edit`
/// offers to continue with it; what others changed in the file meanwhile is merged.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp edit finance\n  mcp edit finance --command 'docker run -d --name finance -p 127.0.0.1:8080:8080 acme/finance:1.5'\n  mcp edit finance --host '@prod' --no-tags --tag core --disable"
)]
pub struct EditArgs {
    /// The server's name
    name: String,
    /// The literal docker run string, an AI client's JSON entry, or - to read either from stdin
    #[arg(long, value_name = "STRING", allow_hyphen_values = true)]
    command: Option<String>,
    /// A host or a host pattern (repeatable); replaces those registered
    #[arg(long, value_name = "PATTERN")]
    host: Vec<String>,
    #[command(flatten)]
    fields: FieldArgs,
    /// Take all tags away before adding those of --tag
    #[arg(long)]
    no_tags: bool,
    /// Take a value away, so that its default holds again (repeatable)
    #[arg(long, value_name = "KEY", value_enum)]
    unset: Vec<Key>,
    /// Count it in --all, tags and patterns again
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Leave it out of --all, tags and patterns
    #[arg(long)]
    disable: bool,
}

/// A value that need not be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Key {
    Port,
    Description,
    Priority,
    Stop,
    Logs,
    Stats,
    Pull,
    Rollout,
    RolloutSerial,
    RolloutMaxFail,
    RolloutWait,
    KeepPrevious,
}

impl Key {
    fn take_away(self, server: &mut Server) {
        match self {
            Self::Port => server.port = None,
            Self::Description => server.description = None,
            Self::Priority => server.priority = 0,
            Self::Stop => server.stop = None,
            Self::Logs => server.logs = None,
            Self::Stats => server.stats = None,
            Self::Pull => server.pull = None,
            Self::Rollout => server.own.rollout = Rollout::default(),
            Self::RolloutSerial => server.own.rollout.serial = None,
            Self::RolloutMaxFail => server.own.rollout.max_fail = None,
            Self::RolloutWait => server.own.rollout.wait = None,
            Self::KeepPrevious => server.own.keep_previous = None,
        }
    }
}

impl EditArgs {
    fn says_something(&self) -> bool {
        let f = &self.fields;
        self.command.is_some()
            || !self.host.is_empty()
            || self.no_tags
            || !self.unset.is_empty()
            || self.enable
            || self.disable
            || !f.tags.is_empty()
            || f.port.is_some()
            || f.priority.is_some()
            || f.settings() != Settings::default()
            || [&f.description, &f.stop, &f.logs, &f.stats, &f.pull].iter().any(|text| text.is_some())
    }
}

pub(super) fn run(app: &App, ui: &mut Ui, args: EditArgs) -> Result<Exit, CommandError> {
    let (workspace, loaded) = app.open(ui)?;
    let name = server_name(&args.name)?;
    let selection = Selection { names: vec![name.to_string()], ..Selection::default() };
    let targets = select::select(&selection, &loaded.inventory, &loaded.registry, false)?;
    let Some(mut server) = targets.first().map(|t| t.server.clone()) else {
        return Err(CommandError::usage(format!("{name} is placed on no host")));
    };
    let before = server.clone();
    let says_something = args.says_something();
    let fields = args.fields;
    // An entry without a port goes by its command's first published one; an edit of something else does not write it down.
    let port_is_derived = (server.port.is_none() || args.unset.contains(&Key::Port)) && fields.port.is_none();
    let command_as_written = args.command.is_none().then(|| server.command.clone());
    if !args.host.is_empty() {
        let (host, new) = place::place(&args.host, &loaded.inventory)?;
        if let Some(host) = new.first() {
            return Err(CommandError::usage(format!("no host has the address {}", host.typed))
                .hint(format!("add it first: `mcp hosts add NAME --address {}`", host.typed)));
        }
        server.host = host;
    }
    if let Some(given) = args.command {
        let (command, notes) = literal(&given, &name, &server.host, &loaded.inventory)?;
        notes.iter().for_each(|note| ui.note(note));
        if register::port_follows_command(&server) {
            server.port = None;
        }
        server.command = command;
    }
    args.unset.iter().for_each(|key| key.take_away(&mut server));
    server.own = fields.settings().over(&server.own);
    server.port = fields.port.or(server.port);
    if args.no_tags {
        server.tags.clear();
    }
    for tag in fields.tags {
        if !server.tags.contains(&tag) {
            server.tags.push(tag);
        }
    }
    server.description = fields.description.or(server.description);
    server.priority = fields.priority.unwrap_or(server.priority);
    server.stop = fields.stop.or(server.stop);
    server.logs = fields.logs.or(server.logs);
    server.stats = fields.stats.or(server.stats);
    server.pull = fields.pull.or(server.pull);
    server.enabled = if args.disable { false } else { args.enable || server.enabled };

    if !says_something {
        return editor::run(app, ui, (&workspace, &loaded), name.as_str());
    }
    let mut completed = register::complete(server)?;
    if port_is_derived {
        completed.server.port = None;
    }
    if let Some(command) = command_as_written.filter(|_| completed.added.is_empty()) {
        completed.server.command = command;
    }
    if app.global.dry_run {
        ui.note(&format!("would register {name}: {}", completed.server.command));
        return Ok(Exit::Ok);
    }
    let left = register::left_behind(&before, &completed.server, &loaded.inventory, &loaded.state);
    if !left.is_empty() && !app.global.yes {
        return Err(CommandError::failed(format!(
            "{name} was not changed: {} would be left running, unknown to mcp",
            left.join(", ")
        ))
        .hint(format!(
            "`mcp stop {}` first, or leave it running with --yes: `mcp list --orphans` shows it then",
            left.join(" ")
        )));
    }
    register::update(&workspace, &loaded.inventory, &completed.server)?;
    ui.edited_server(&completed, edited::server(&before, &completed.server).as_ref());
    Ok(Exit::Ok)
}

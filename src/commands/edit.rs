//! `mcp edit`.

use std::process::Command;

use clap::Args;

use super::{
    App,
    add::{FieldArgs, server_name},
};
use crate::{
    config::inventory::Inventory,
    config::store::Workspace,
    domain::{Rollout, Server, Settings},
    error::{CommandError, Exit},
    operations::{
        register::{self, EditFailure},
        select::{self, Selection},
    },
    render::Ui,
};

/// Change a server's entry, by flags or in $EDITOR
///
/// Comments, order and formatting of everything else stay. A running container keeps running; `mcp restart` applies a
/// changed command.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp edit finance\n  mcp edit finance --command 'docker run -d --name finance -p 8080:8080 acme/finance:1.5'\n  mcp edit finance --host '@prod' --no-tags --tag core --disable"
)]
pub struct EditArgs {
    /// The server's name
    name: String,
    /// The literal docker run string
    #[arg(long, value_name = "STRING")]
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
    if let Some(command) = args.command {
        if register::port_follows_command(&server) {
            server.port = None;
        }
        server.command = command;
    }
    args.unset.iter().for_each(|key| key.take_away(&mut server));
    if !args.host.is_empty() {
        server.host = args.host;
    }
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
        return in_editor(app, ui, &workspace, &loaded.inventory, name.as_str());
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
            "{name} was not changed: {} would go on running and belong to nobody",
            left.join(", ")
        ))
        .hint(format!(
            "`mcp stop {}` first, or leave it running with --yes: `mcp list --orphans` shows it then",
            left.join(" ")
        )));
    }
    register::update(&workspace, &loaded.inventory, &completed.server)?;
    ui.registered(&completed);
    Ok(Exit::Ok)
}

fn in_editor(
    app: &App,
    ui: &mut Ui,
    workspace: &Workspace,
    inventory: &Inventory,
    name: &str,
) -> Result<Exit, CommandError> {
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|v| std::env::var(v).ok().filter(|e| !e.trim().is_empty()));
    let editor = match editor {
        Some(editor) => editor,
        None if ui.interactive => "vi".to_owned(),
        None => {
            return Err(CommandError::usage(format!("nothing to change in {name}"))
                .hint("say what with flags (see `mcp edit --help`), or set $EDITOR"));
        }
    };
    if app.global.dry_run {
        ui.note(&format!("would open servers.yaml in {editor}"));
        return Ok(Exit::Ok);
    }
    let path = workspace.dir().join("servers.yaml");
    let failed = |what: &str, e: &std::io::Error| CommandError::failed(format!("{what} {}", path.display())).because(e);
    let before = std::fs::read_to_string(&path).map_err(|e| failed("cannot read", &e))?;
    let draft = tempfile::Builder::new()
        .prefix("servers-")
        .suffix(".yaml")
        .tempfile()
        .map_err(|e| failed("cannot make a draft of", &e))?;
    std::fs::write(draft.path(), &before).map_err(|e| failed("cannot make a draft of", &e))?;
    loop {
        // $EDITOR may hold arguments (`code --wait`), so a shell splits it; the path travels as an argument of its own.
        let status = Command::new("sh")
            .args(["-c", &format!("{editor} \"$1\""), "sh"])
            .arg(draft.path())
            .status()
            .map_err(|e| CommandError::failed(format!("cannot run {editor}")).because(&e))?;
        if !status.success() {
            return Err(CommandError::failed(format!("{editor} ended with {status}; nothing was changed")));
        }
        let after = std::fs::read_to_string(draft.path()).map_err(|e| failed("cannot read the draft of", &e))?;
        if after == before {
            ui.note("nothing was changed");
            return Ok(Exit::Ok);
        }
        if let Err(error) = register::validate(&after, inventory) {
            ui.error(&error);
            if ui.interactive && ui.confirm("edit again?") {
                continue;
            }
            return Err(CommandError::usage("servers.yaml was not changed: the draft is not valid"));
        }
        workspace
            .edit_registry(|now| {
                if now == before {
                    Ok(after.clone())
                } else {
                    Err(EditFailure(
                        CommandError::failed(
                            "servers.yaml was changed by somebody else meanwhile; nothing was written",
                        )
                        .hint("edit again"),
                    ))
                }
            })
            .map_err(|e| e.0)?;
        ui.note("servers.yaml is changed; `mcp restart` applies changed commands");
        return Ok(Exit::Ok);
    }
}

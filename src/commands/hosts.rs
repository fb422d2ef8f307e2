//! `mcp hosts`.

mod remove;
mod trust;

use clap::{Args, Subcommand};

use super::{App, Interrupt, selection::joined};
use crate::{
    config::{
        edit::Value,
        store::{HOSTS, Workspace},
        target,
    },
    domain::Host,
    error::{CommandError, Exit},
    operations::{hosts, register, select},
    render::{Progress, Ui},
};

/// List, check, trust, add and remove hosts
#[derive(Debug, Args)]
pub struct HostsArgs {
    #[command(subcommand)]
    verb: HostsVerb,
}

#[derive(Debug, Subcommand)]
enum HostsVerb {
    /// Show the inventory
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  mcp hosts list\n  mcp hosts list '@prod,!web-03' -o name"
    )]
    List(PatternArgs),
    /// Say for each host which layer is broken first, with the fix
    ///
    /// The layers: DNS, TCP, key exchange, host key, authentication, shell, docker CLI, engine, permission.
    #[command(after_help = "Examples:\n  mcp hosts check\n  mcp hosts check edge-1 -o json")]
    Check(PatternArgs),
    /// Look at the keys of hosts and write down those that you trust
    ///
    /// Every host shows its key, side by side, and learns nothing of you; new ones are written to known_hosts after one question. A changed key is left alone without
    /// --replace-changed. Jump hosts come first, and those behind them after a question of their own. --dry-run asks the hosts and writes
    /// nothing.
    #[command(
        after_help = "Examples:\n  mcp hosts trust\n  mcp hosts trust '@prod' --expect keys.txt\n  mcp hosts trust edge-1 --replace-changed\n  mcp hosts trust --dry-run -o json"
    )]
    Trust(trust::TrustArgs),
    /// Write a host into hosts.yaml
    #[command(after_help = "Examples:\n  mcp hosts add edge-4 --address 192.0.2.14 --user ops --group prod")]
    Add(HostAddArgs),
    /// Remove hosts from hosts.yaml
    ///
    /// A host that a server is placed on by name, or runs on, is refused. Containers there are left as they are.
    #[command(
        visible_alias = "rm",
        after_help = "Examples:\n  mcp hosts remove edge-4\n  mcp hosts remove edge-4 edge-5 'old-*'"
    )]
    Remove(remove::HostRemoveArgs),
}

#[derive(Debug, Args)]
struct PatternArgs {
    /// Only these hosts: 'web-*,@prod,!web-03', or by address: root@10.0.0.5:2222
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    /// The same (repeatable)
    #[arg(long, value_name = "PATTERN", conflicts_with = "patterns")]
    on: Vec<String>,
}

impl PatternArgs {
    /// The pattern of all hosts that are named, in either way; `None` without any.
    fn pattern(&self) -> Option<String> {
        joined(&self.patterns).or_else(|| joined(&self.on))
    }
}

#[derive(Debug, Args)]
struct HostAddArgs {
    /// The host's name
    name: String,
    /// DNS name or IP address [default: the name]
    #[arg(long)]
    address: Option<String>,
    /// Remote user
    #[arg(long)]
    user: Option<String>,
    /// SSH port
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The jump host on the way: a name, or several with commas, the outermost first
    #[arg(long, value_name = "HOST")]
    jump: Option<String>,
    /// Identity file
    #[arg(long, value_name = "FILE")]
    identity_file: Option<String>,
    /// A group it belongs to (repeatable)
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// The words for docker there: 'sudo -n docker', 'podman'
    #[arg(long, value_name = "WORDS")]
    docker: Option<String>,
}

/// Only `hosts.yaml` is edited: where another source is written, and by whom, is not known.
pub(super) fn refuse_other_sources(workspace: &Workspace) -> Result<(), CommandError> {
    match workspace.sources() {
        None => Ok(()),
        Some(sources) => Err(CommandError::usage(format!("the hosts come from {}", sources.label()))
            .hint("change the host there; only hosts.yaml is edited by mcp, without --inventory and $MCP_INVENTORY")),
    }
}

/// Refuses what ssh takes for a destination in the place of a name or of an address alone.
fn refuse_destinations(name: &str, address: Option<&str>) -> Result<(), CommandError> {
    if let Some(parts) = target::parts(name) {
        return Err(CommandError::usage(format!("{name:?} is not a host name: it says a user or a port"))
            .hint(format!("write `mcp hosts add NAME {}`", parts.as_flags())));
    }
    match address.and_then(target::parts) {
        Some(parts) => {
            Err(CommandError::usage(format!("--address {:?} says a user or a port", address.unwrap_or_default()))
                .hint(format!("write `{}`", parts.as_flags())))
        }
        None => Ok(()),
    }
}

pub(super) fn run(app: &App, ui: &mut Ui, args: HostsArgs) -> Result<Exit, CommandError> {
    match args.verb {
        HostsVerb::List(pattern) => look(app, ui, &pattern, false),
        HostsVerb::Check(pattern) => look(app, ui, &pattern, true),
        HostsVerb::Trust(args) => trust::run(app, ui, args),
        HostsVerb::Add(args) => {
            // A range such as web-[01:20] is no host's name; loading the changed file checks what it expands to.
            let name = args.name;
            refuse_destinations(&name, args.address.as_deref())?;
            let text = |value: Option<String>| value.map(Value::Text);
            let fields: Vec<(&str, Value)> = [
                ("address", text(args.address)),
                ("user", text(args.user)),
                ("port", args.port.map(|port| Value::Number(port.into()))),
                ("jump", text(args.jump)),
                ("identity_file", text(args.identity_file)),
                ("groups", (!args.groups.is_empty()).then_some(Value::List(args.groups))),
                ("docker", text(args.docker)),
            ]
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
            let workspace = app.workspace()?;
            refuse_other_sources(&workspace)?;
            if app.global.dry_run {
                ui.note(&format!("would add {name} to hosts.yaml"));
                return Ok(Exit::Ok);
            }
            workspace.create_dir().map_err(|e| CommandError::failed("cannot create the workspace").because(&e))?;
            register::add_host(&workspace, &name, &fields)?;
            ui.note(&format!("added {name} to {}", app.shown_path(&workspace, HOSTS)));
            ui.note(&format!("next: `mcp hosts trust {name}`, then `mcp hosts check {name}`"));
            Ok(Exit::Ok)
        }
        HostsVerb::Remove(args) => remove::run(app, ui, args),
    }
}

fn look(app: &App, ui: &mut Ui, args: &PatternArgs, check: bool) -> Result<Exit, CommandError> {
    let pattern = args.pattern();
    let (workspace, loaded) = app.open_on(ui, pattern.as_deref())?;
    let names = select::hosts(pattern.as_deref(), &loaded.inventory)?;
    let selected: Vec<&Host> = loaded.inventory.hosts().iter().filter(|h| names.contains(&h.name)).collect();
    if !check {
        ui.hosts(&hosts::list(&loaded.registry, &loaded.inventory, &selected));
        return Ok(Exit::Ok);
    }
    if app.global.dry_run {
        ui.note(&format!("would check {}", crate::domain::plural(selected.len(), "host")));
        return Ok(Exit::Ok);
    }
    let progress = Progress::new(ui, "check");
    let checks = app.with_fleet(&workspace, &loaded, Interrupt::Ends, &|event| progress.event(&event), |context| {
        hosts::check(context, &selected)
    })?;
    ui.host_checks(&checks);
    Ok(hosts::exit(&checks))
}

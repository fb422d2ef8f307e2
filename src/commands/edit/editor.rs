//! `mcp edit NAME` without flags: servers.yaml in `$EDITOR`.
//!
//! Boundary: the dialogue. The draft's files are `config::store::draft`'s, what may be written is `operations::register`'s.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGINT, SIGQUIT},
    flag::register_conditional_default,
};

use crate::{
    commands::{App, app::store_error},
    config::store::{
        Loaded, Workspace,
        draft::{Draft, Rebased, merge},
    },
    error::{CommandError, Exit},
    operations::{
        edited::Edited,
        register::{self, EditFailure},
    },
    render::{Ui, duration},
};

pub(super) fn run(
    app: &App,
    ui: &mut Ui,
    (workspace, loaded): (&Workspace, &Loaded),
    name: &str,
) -> Result<Exit, CommandError> {
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|v| std::env::var(v).ok().filter(|e| !e.trim().is_empty()));
    let editor = match editor {
        Some(editor) => editor,
        None if ui.interactive => "vi".to_owned(),
        None => {
            return Err(CommandError::usage(format!("nothing to change in {name}"))
                .hint("give the changes as flags (see `mcp edit --help`), or set $EDITOR"));
        }
    };
    if app.global.dry_run {
        ui.note(&format!("would open servers.yaml in {editor}"));
        return Ok(Exit::Ok);
    }
    let editor = Editor::new(editor)?;
    let mut draft = take_up(app, ui, workspace, name)?;
    loop {
        let ended = editor.open(&draft);
        let text = match draft.text() {
            Ok(text) => text,
            Err(error) => return Err(kept(store_error(&error), draft, name)),
        };
        if text == draft.base() {
            draft.discard();
            ended.map_err(|mut error| {
                error.message.push_str("; nothing was changed");
                error
            })?;
            ui.note("nothing was changed");
            return Ok(Exit::Ok);
        }
        if let Err(error) = ended {
            return Err(kept(error, draft, name));
        }
        let problem = match write(app, ui, (workspace, loaded), &draft, &text) {
            Ok(written) => {
                draft.discard();
                ui.edited(&written);
                return Ok(Exit::Ok);
            }
            Err(problem) => problem,
        };
        let Problem { error, conflict } = problem;
        if !ui.interactive {
            return Err(kept(error, draft, name));
        }
        ui.error(&error);
        if !ui.confirm("edit again?") {
            let exit = error.exit;
            let mut error = kept(CommandError::usage("the edit was given up"), draft, name);
            error.exit = exit;
            return Err(error);
        }
        if let Some(now) = conflict {
            catch_up(ui, &mut draft, &now)?;
        }
    }
}

/// The draft to edit: one that an earlier edit left, if it is to be continued, else a new one.
fn take_up(app: &App, ui: &mut Ui, workspace: &Workspace, name: &str) -> Result<Draft, CommandError> {
    let Some(mut left) = workspace.left_draft().map_err(|e| store_error(&e))? else {
        return workspace.begin_draft().map_err(|e| store_error(&e));
    };
    let (path, age) = (left.path().display().to_string(), duration(left.age().as_secs()));
    let continues = app.global.yes
        || ui.interactive && ui.confirm(&format!("an earlier edit left a draft {age} ago, {path}; continue with it?"));
    if !continues {
        // Without a terminal nobody can have refused it: it stays for the next edit.
        if ui.interactive {
            let path = left.set_aside();
            ui.note(&format!("that draft stays at {} and is not offered again", path.display()));
        } else {
            ui.warn(&format!("an earlier edit left a draft, {path}; `mcp edit {name} --yes` continues with it"));
        }
        return workspace.begin_draft().map_err(|e| store_error(&e));
    }
    ui.note(&format!("continuing with the draft {path}"));
    let now = workspace.registry_text().map_err(|e| store_error(&e))?;
    catch_up(ui, &mut left, &now)?;
    Ok(left)
}

/// Brings what changed in servers.yaml meanwhile into the draft.
fn catch_up(ui: &mut Ui, draft: &mut Draft, now: &str) -> Result<(), CommandError> {
    match draft.rebase(now).map_err(|e| store_error(&e))? {
        Rebased::Unchanged => {}
        Rebased::Merged => ui.note("servers.yaml was changed meanwhile; the draft has both changes"),
        Rebased::Conflict => ui.warn(
            "servers.yaml was changed meanwhile in the same lines; the draft has both between `<<<<<<< ours` (the draft) \
             and `>>>>>>> theirs` (the file): keep one of each",
        ),
    }
    Ok(())
}

/// The person's editor.
struct Editor {
    command: String,
    /// Whether Ctrl-C ends `mcp`: not while the editor runs, which has the terminal and Ctrl-C for itself.
    is_at_rest: Arc<AtomicBool>,
}

impl Editor {
    fn new(command: String) -> Result<Self, CommandError> {
        let is_at_rest = Arc::new(AtomicBool::new(true));
        for signal in [SIGINT, SIGQUIT] {
            register_conditional_default(signal, Arc::clone(&is_at_rest))
                .map_err(|e| CommandError::failed(format!("cannot run {command}")).because(&e))?;
        }
        Ok(Self { command, is_at_rest })
    }

    /// Runs it on the draft and waits for its end.
    fn open(&self, draft: &Draft) -> Result<(), CommandError> {
        let command = &self.command;
        self.is_at_rest.store(false, Ordering::SeqCst);
        // $EDITOR may hold arguments (`code --wait`), so a shell splits it; the path travels as an argument of its own.
        let status = Command::new("sh").args(["-c", &format!("{command} \"$1\""), "sh"]).arg(draft.path()).status();
        self.is_at_rest.store(true, Ordering::SeqCst);
        let status = status.map_err(|e| CommandError::failed(format!("cannot run {command}")).because(&e))?;
        if status.success() {
            return Ok(());
        }
        Err(CommandError::failed(format!("{command} ended with {status}")))
    }
}

/// Why a draft was not written.
struct Problem {
    error: CommandError,
    /// The present text of the file, when both changed the same lines.
    conflict: Option<String>,
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        Self { error, conflict: None }
    }
}

/// Validates and writes the draft, merged with what changed in the file meanwhile.
fn write(
    app: &App,
    ui: &mut Ui,
    (workspace, loaded): (&Workspace, &Loaded),
    draft: &Draft,
    text: &str,
) -> Result<Edited, Problem> {
    let inventory = &loaded.inventory;
    let edited = register::edited(&loaded.registry, text, inventory, &loaded.state)?;
    if !edited.left_behind.is_empty() && !app.global.yes {
        let left = edited.left_behind.join(", ");
        let question = format!("{left} would be left running, unknown to mcp; write servers.yaml all the same?");
        if !ui.interactive || !ui.confirm(&question) {
            return Err(CommandError::failed(format!("{left} would be left running, unknown to mcp"))
                .hint(format!("`mcp stop {}` first, or write it with --yes", edited.left_behind.join(" ")))
                .into());
        }
    }
    let (mut conflict, mut merged) = (None, false);
    let written = workspace.edit_registry(|now| {
        if now == draft.base() {
            return Ok(text.to_owned());
        }
        let both = merge(draft.base(), text, now).ok().filter(|both| register::validate(both, inventory).is_ok());
        merged = both.is_some();
        both.ok_or_else(|| {
            conflict = Some(now.to_owned());
            let error = CommandError::failed("servers.yaml was changed meanwhile, in a way that cannot be merged");
            EditFailure(error.hint("edit again: the draft gets both changes"))
        })
    });
    match written {
        Ok(_) => {
            if merged {
                ui.note("servers.yaml was changed meanwhile; both changes are in it");
            }
            Ok(edited)
        }
        Err(EditFailure(error)) => Err(Problem { error, conflict }),
    }
}

/// `error`, with the place of the draft that is kept.
fn kept(mut error: CommandError, draft: Draft, name: &str) -> CommandError {
    let path = draft.keep();
    error.message.push_str(&format!("\nservers.yaml was not changed; the draft is kept: {}", path.display()));
    error.hint = Some(match error.hint {
        Some(hint) => format!("{hint}; `mcp edit {name}` continues with the draft"),
        None => format!("`mcp edit {name}` continues with the draft"),
    });
    error
}

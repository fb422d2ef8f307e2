//! Files with their includes as blocks: read once, evaluated for every host.
//!
//! Boundary: files come through [`Machine`]; nothing here depends on a host. The first thing that is wrong is the one error.
//! Source: ssh_config(5), and OpenSSH's readconf.c for what `Include` and `Match` leave unsaid.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use super::{
    Choice, Machine, Origin, ReadError,
    conditions::{self, Condition, CriterionKind},
    keywords,
    lexer::{self, Line},
    options::{self, Setting},
    tokens::{self, Variables},
};
use crate::config::error::{ConfigError, closest};

/// Deepest include (READCONF_MAX_DEPTH).
const DEEPEST: usize = 16;
/// Most files read, counting each as often as it is included; without a limit a few that include each other never end.
const MOST_FILES: usize = 10_000;
/// Where the system's configuration stands.
const SYSTEM: &str = "/etc/ssh/ssh_config";

/// A configuration, read and checked.
#[derive(Debug, Default)]
pub struct SshConfig {
    pub(super) files: Vec<File>,
    /// Names that a `Host` or `Match` line holds without a wildcard, in lower case.
    names: HashSet<String>,
}

#[derive(Debug, Default)]
pub(super) struct File {
    /// The first one, without a condition, is what stands before any `Host` or `Match`.
    blocks: Vec<Block>,
    /// Blocks of nothing but names, by name: of thousands of them a host is held against its own alone.
    by_name: HashMap<String, Vec<usize>>,
    /// The other blocks.
    others: Vec<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) condition: Option<Condition>,
    pub(super) entries: Vec<Entry>,
    /// Holds something that counts even where the condition does not hold: unknown keywords, and `Match final` further in.
    pub(super) noted: bool,
}

#[derive(Debug)]
pub(super) enum Entry {
    Set(Setting, Origin),
    Unknown(String, Origin),
    Include(Vec<File>),
    /// An `Include` whose path depends on the host.
    HostInclude(Origin),
}

struct Parser<'a> {
    machine: &'a dyn Machine,
    names: HashSet<String>,
    read: usize,
}

/// Whose file it is, which says what relative paths and `~` mean in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    User,
    System,
}

/// How a file came to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It was named, as by `-F`.
    Named,
    /// It stands at its usual place, where it may be missing.
    Usual,
    Included,
}

impl SshConfig {
    /// Reads the configuration that `choice` names, as `ssh` or `ssh -F` would.
    ///
    /// # Errors
    /// The first thing that is wrong: a file that cannot be read or that others may write, or a line.
    pub fn read(choice: &Choice, machine: &dyn Machine) -> Result<Self, ConfigError> {
        let mut parser = Parser { machine, names: HashSet::new(), read: 0 };
        let files = match choice {
            Choice::Nothing => Vec::new(),
            Choice::File(path) => {
                let missing = || ConfigError::file(&path.display().to_string(), "there is no such file");
                vec![parser.file(path, Scope::User, Kind::Named, 0)?.ok_or_else(missing)?]
            }
            Choice::Default => {
                let user = match machine.home() {
                    Some(home) => parser.file(&home.join(".ssh/config"), Scope::User, Kind::Usual, 0)?,
                    None => None,
                };
                user.into_iter().chain(parser.file(Path::new(SYSTEM), Scope::System, Kind::Usual, 0)?).collect()
            }
        };
        Ok(Self { files, names: parser.names })
    }

    /// Whether a line speaks of this very name, and not only by a wildcard.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.names.contains(&name.to_ascii_lowercase())
    }

    /// The names it speaks of.
    pub fn all_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

impl Parser<'_> {
    fn file(&mut self, path: &Path, scope: Scope, kind: Kind, depth: usize) -> Result<Option<File>, ConfigError> {
        let shown: Arc<str> = path.display().to_string().into();
        let wrong = |message: String| ConfigError::file(&shown, message);
        self.read += 1;
        if depth > DEEPEST {
            return Err(wrong(format!("includes go deeper than {DEEPEST}; does a file include itself?")));
        }
        if self.read > MOST_FILES {
            return Err(wrong(format!("includes lead to more than {MOST_FILES} files")));
        }
        // A file that was named, and the system's, may have any mode.
        let strict = kind == Kind::Included || (kind == Kind::Usual && scope == Scope::User);
        let text = match self.machine.read(path, strict) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(None),
            Err(ReadError::Closed(_)) if kind == Kind::Usual => return Ok(None),
            Err(error) => return Err(wrong(error.to_string())),
        };
        let mut blocks = vec![Block::default()];
        for (index, text) in text.split('\n').enumerate() {
            let origin = Origin { file: Arc::clone(&shown), line: index + 1 };
            let wrong = |message: String| at(&origin, message);
            let Some(line) = lexer::line(text).map_err(|reason| wrong(reason.to_owned()))? else { continue };
            match keywords::find(&line.keyword) {
                Some(("Host", _)) => {
                    let condition = conditions::host(&line, &mut self.names).map_err(wrong)?;
                    blocks.push(Block { condition: Some(condition), ..Block::default() });
                }
                Some(("Match", _)) => {
                    let criteria = conditions::criteria(&line, &mut self.names).map_err(wrong)?;
                    let condition = Some(Condition::Match(criteria, origin));
                    blocks.push(Block { condition, ..Block::default() });
                }
                Some(("Include", _)) => {
                    let included = self.include(&line, scope, depth, &origin)?;
                    let Some(block) = blocks.last_mut() else { continue };
                    block.noted |= included.iter().any(|entry| match entry {
                        Entry::Include(files) => files.iter().any(File::is_noted),
                        _ => false,
                    });
                    block.entries.extend(included);
                }
                Some((name, _)) => {
                    let setting = options::setting(name, &line, self.machine)
                        .map_err(|reason| wrong(format!("{name}: {reason}")))?;
                    if let (Some(setting), Some(block)) = (setting, blocks.last_mut()) {
                        block.entries.push(Entry::Set(setting, origin));
                    }
                }
                None => {
                    if let Some(block) = blocks.last_mut() {
                        block.noted = true;
                        block.entries.push(Entry::Unknown(line.keyword, origin));
                    }
                }
            }
        }
        Ok(Some(File::new(blocks)))
    }

    fn include(&mut self, line: &Line, scope: Scope, depth: usize, origin: &Origin) -> Result<Vec<Entry>, ConfigError> {
        let wrong = |reason: String| at(origin, format!("Include: {reason}"));
        let mut entries = Vec::new();
        for argument in &line.arguments {
            if argument.is_empty() {
                return Err(wrong("a path is empty".to_owned()));
            }
            if names_the_host(argument) {
                entries.push(Entry::HostInclude(origin.clone()));
                continue;
            }
            let connection = tokens::Connection::default();
            let expanded =
                tokens::expand(argument, tokens::OF_THE_MACHINE, Variables::Expanded, &connection, self.machine)
                    .map_err(wrong)?;
            let pattern = match (expanded.chars().next(), scope) {
                (Some('~'), Scope::System) => {
                    return Err(wrong(format!("{argument:?}: `~` has no meaning in the system's configuration")));
                }
                (Some('/'), _) => expanded,
                (Some('~'), Scope::User) => tokens::tilde(&expanded, self.machine).map_err(wrong)?,
                (_, Scope::User) => tokens::tilde(&format!("~/.ssh/{expanded}"), self.machine).map_err(wrong)?,
                (_, Scope::System) => format!("/etc/ssh/{expanded}"),
            };
            let mut files = Vec::new();
            for path in self.machine.glob(&pattern).map_err(wrong)? {
                files.extend(self.file(&path, scope, Kind::Included, depth + 1)?);
            }
            entries.push(Entry::Include(files));
        }
        Ok(entries)
    }
}

impl File {
    fn new(blocks: Vec<Block>) -> Self {
        let mut file = Self { blocks, ..Self::default() };
        for (at, block) in file.blocks.iter().enumerate() {
            match &block.condition {
                Some(Condition::Host(terms)) if !block.noted && terms.iter().all(conditions::is_name) => {
                    for (_, name) in terms {
                        let blocks = file.by_name.entry(name.clone()).or_default();
                        // A name may stand twice in a line.
                        if blocks.last() != Some(&at) {
                            blocks.push(at);
                        }
                    }
                }
                _ => file.others.push(at),
            }
        }
        file
    }

    /// The blocks that may concern `host`, in order.
    pub(super) fn blocks(&self, host: &str) -> impl Iterator<Item = &Block> {
        let mut positions = self.others.clone();
        if let Some(named) = self.by_name.get(host) {
            positions.extend(named);
            positions.sort_unstable();
        }
        positions.into_iter().filter_map(|at| self.blocks.get(at))
    }

    fn is_noted(&self) -> bool {
        let is_final = |condition: &Option<Condition>| match condition {
            Some(Condition::Match(criteria, _)) => {
                criteria.iter().any(|criterion| matches!(criterion.kind, CriterionKind::Final))
            }
            _ => false,
        };
        self.blocks.iter().any(|block| block.noted || is_final(&block.condition))
    }
}

/// Whether a path holds a token that says another thing for another host.
fn names_the_host(path: &str) -> bool {
    let mut letters = path.chars();
    while let Some(letter) = letters.next() {
        if letter == '%' && letters.next().is_some_and(|token| "Chjknpr".contains(token)) {
            return true;
        }
    }
    false
}

pub(super) fn at(origin: &Origin, message: String) -> ConfigError {
    ConfigError { line: Some(origin.line), ..ConfigError::file(&origin.file, message) }
}

/// The error of an unknown keyword.
pub(super) fn unknown(keyword: &str, origin: &Origin) -> ConfigError {
    let known: Vec<String> = keywords::keywords().iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    let suggestion = closest(keyword, known.iter().map(String::as_str))
        .and_then(|near| keywords::find(&near))
        .map(|(name, _)| name.to_owned());
    let message = format!("there is no keyword {keyword:?}; IgnoreUnknown passes over it");
    ConfigError { suggestion, ..at(origin, message) }
}

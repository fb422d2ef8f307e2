//! Events to tree: follows aliases and merge keys, counts what they stand for, and finds where every value ends.
//!
//! Boundary: one document, one pass; `yaml.rs` holds the tree's types and the limits.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    rc::Rc,
};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::{DEEPEST, Entry, MOST_NODES, Node, Scalar, Value, segment};
use crate::config::error::ConfigError;

/// The parser counts characters; edits need bytes.
enum Offsets {
    Ascii,
    Bytes(Vec<u32>),
}

impl Offsets {
    fn of(text: &str) -> Self {
        if text.is_ascii() {
            return Self::Ascii;
        }
        let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        Self::Bytes(starts.map(|at| u32::try_from(at).unwrap_or(u32::MAX)).collect())
    }

    fn byte(&self, index: usize) -> usize {
        match self {
            Self::Ascii => index,
            Self::Bytes(starts) => starts.get(index).or(starts.last()).map_or(0, |at| *at as usize),
        }
    }

    fn range(&self, span: Span) -> Range<usize> {
        self.byte(span.start.index())..self.byte(span.end.index())
    }
}

pub(super) struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    offsets: Offsets,
    file: &'a str,
    /// Finished anchored nodes; one that is still open is not here, so a node cannot hold itself.
    anchors: HashMap<usize, Rc<Node>>,
    path: Vec<Step>,
    errors: Vec<ConfigError>,
    nodes: usize,
    /// Reads as Ansible does.
    ansible: bool,
}

type Fatal = Box<ConfigError>;

/// A step of a path; it is only written out for an error.
enum Step {
    Key(String),
    Index(usize),
}

impl<'a> Builder<'a> {
    pub(super) fn new(text: &'a str, file: &'a str) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            text,
            offsets: Offsets::of(text),
            file,
            anchors: HashMap::new(),
            path: Vec::new(),
            errors: Vec::new(),
            nodes: 0,
            ansible: false,
        }
    }

    pub(super) fn for_ansible(self) -> Self {
        Self { ansible: true, ..self }
    }

    /// Duplicate keys and tags: wrong, but no reason to stop reading.
    pub(super) fn into_errors(self) -> Vec<ConfigError> {
        self.errors
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Fatal> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.error(error.marker().line(), format!("not YAML: {}", error.info()))),
            None => Err(self.error(1, "not YAML: the text ends early".to_owned())),
        }
    }

    fn error(&self, line: usize, message: String) -> Fatal {
        let step = |(depth, step): (usize, &Step)| match step {
            Step::Key(key) => segment(key, depth == 0),
            Step::Index(index) => format!("[{index}]"),
        };
        let path = (!self.path.is_empty()).then(|| self.path.iter().enumerate().map(step).collect());
        Box::new(ConfigError { file: self.file.to_owned(), path, line: Some(line), message, suggestion: None })
    }

    pub(super) fn stream(&mut self) -> Result<Rc<Node>, Fatal> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                Event::DocumentStart(_) if root.is_some() => {
                    let message = "a second document starts here (`---`); the file holds one".to_owned();
                    return Err(self.error(span.start.line(), message));
                }
                Event::DocumentStart(_) => {}
                event => root = Some(self.node(event, span, 0)?.0),
            }
        }
        Ok(root.unwrap_or_else(|| {
            let value = Value::Scalar(Scalar { text: String::new(), plain: true });
            Rc::new(Node { line: 1, span: 0..0, value, weight: 1 })
        }))
    }

    /// The node that `event` opens, and its bytes here (for an alias, those of the alias).
    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<(Rc<Node>, Range<usize>), Fatal> {
        let line = span.start.line();
        if depth > DEEPEST {
            return Err(self.error(line, format!("nested deeper than {DEEPEST} levels")));
        }
        let own = self.offsets.range(span);
        let (anchor, node) = match event {
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(self.error(line, "this alias stands inside its own anchor".to_owned()));
                };
                self.count(node.weight, line)?;
                return Ok((node, own));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let string = self.tag(tag.as_deref(), line);
                let scalar = Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain && !string };
                self.count(1, line)?;
                let own = self.scalar_range(own, style);
                (anchor, Node { line, span: own, value: Value::Scalar(scalar), weight: 1 })
            }
            Event::SequenceStart(anchor, tag) => {
                self.tag(tag.as_deref(), line);
                (anchor, self.sequence(own, line, depth)?)
            }
            Event::MappingStart(anchor, tag) => {
                self.tag(tag.as_deref(), line);
                (anchor, self.mapping(own, line, depth)?)
            }
            _ => return Err(self.error(line, "not YAML: a value is missing".to_owned())),
        };
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let own = node.span.clone();
        Ok((node, own))
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), Fatal> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MOST_NODES {
            return Err(self.error(line, format!("the file stands for more than {MOST_NODES} values")));
        }
        Ok(())
    }

    /// Whether the tag says string. Other tags could change a value's meaning unseen, so they are refused.
    fn tag(&mut self, tag: Option<&Tag>, line: usize) -> bool {
        let Some(tag) = tag else { return false };
        let ansibles = self.ansible && matches!(tag.suffix.as_str(), "vault" | "vault-encrypted" | "unsafe");
        let string = ansibles || (tag.is_yaml_core_schema() && tag.suffix == "str");
        if !string {
            let error = self.error(line, format!("the tag {}{} is not supported", tag.handle, tag.suffix));
            self.errors.push(*error);
        }
        string
    }

    fn sequence(&mut self, own: Range<usize>, line: usize, depth: usize) -> Result<Node, Fatal> {
        let flow = !own.is_empty();
        let (mut items, mut end, mut weight) = (Vec::new(), own.end, 1_usize);
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                if flow {
                    end = self.flow_end(end, span);
                }
                break;
            }
            self.path.push(Step::Index(items.len()));
            let (item, bytes) = self.node(event, span, depth + 1)?;
            self.path.pop();
            end = end.max(bytes.end);
            weight = weight.saturating_add(item.weight);
            items.push(item);
        }
        Ok(Node { line, span: own.start..end, value: Value::Sequence(items), weight })
    }

    fn mapping(&mut self, own: Range<usize>, line: usize, depth: usize) -> Result<Node, Fatal> {
        let flow = !own.is_empty();
        let (mut entries, mut end, mut weight) = (Vec::<Entry>::new(), own.end, 1_usize);
        let mut lines = HashMap::<String, usize>::new();
        let mut merges = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let key_line = span.start.line();
            let (key, plain) = match event {
                Event::MappingEnd => {
                    if flow {
                        end = self.flow_end(end, span);
                    }
                    break;
                }
                Event::Scalar(text, style, _, tag) => {
                    self.tag(tag.as_deref(), key_line);
                    (text.into_owned(), style == ScalarStyle::Plain)
                }
                _ => return Err(self.error(key_line, "a key must be a plain word or a string".to_owned())),
            };
            let key_span = self.offsets.range(span);
            self.count(1, key_line)?;
            self.path.push(Step::Key(key.clone()));
            if let Some(first) = lines.insert(key.clone(), key_line)
                && !self.ansible
            {
                let message = format!("the key {key:?} is here twice; the first is on line {first}");
                let error = self.error(key_line, message);
                self.errors.push(*error);
            }
            let (event, span) = self.next()?;
            let (value, bytes) = self.node(event, span, depth + 1)?;
            self.path.pop();
            end = end.max(bytes.end);
            weight = weight.saturating_add(value.weight).saturating_add(1);
            if plain && key == "<<" {
                merges.push((value, key_line));
                continue;
            }
            let span = key_span.start..bytes.end.max(key_span.end);
            entries.push(Entry { key, line: key_line, span, key_span, value, merged: false });
        }
        for (value, line) in merges {
            weight = weight.saturating_add(self.merge(&mut entries, &value, line)?);
        }
        Ok(Node { line, span: own.start..end, value: Value::Mapping { entries }, weight })
    }

    /// The parser lets the range of a quoted scalar run on to the next token, past comments; it ends with its closing quote.
    fn scalar_range(&self, range: Range<usize>, style: ScalarStyle) -> Range<usize> {
        let quote = match style {
            ScalarStyle::SingleQuoted => '\'',
            ScalarStyle::DoubleQuoted => '"',
            _ => return range,
        };
        let text = self.text.get(range.clone()).unwrap_or("");
        let Some(open) = text.find(quote) else { return range };
        let mut rest = text.char_indices().skip_while(|(at, _)| *at <= open).peekable();
        while let Some((at, c)) = rest.next() {
            if c == '\\' && quote == '"' {
                rest.next();
            } else if c == quote && rest.next_if(|(_, next)| quote == '\'' && *next == quote).is_none() {
                return range.start..range.start + at + 1;
            }
        }
        range
    }

    /// Where a flow collection ends whose last item ends at `last`: the parser's span may stop short or run on past comments.
    fn flow_end(&self, last: usize, close: Span) -> usize {
        let end = self.offsets.byte(close.end.index());
        let mut comment = false;
        for (at, c) in self.text.get(last..).unwrap_or("").char_indices() {
            match c {
                '#' => comment = true,
                '\n' => comment = false,
                ']' | '}' if !comment => return last + at + 1,
                _ => {}
            }
        }
        end
    }

    /// Takes over the entries of a merge key's mapping or mappings; what is there already wins (yaml.org/type/merge).
    fn merge(&mut self, entries: &mut Vec<Entry>, value: &Rc<Node>, line: usize) -> Result<usize, Fatal> {
        let sources: &[Rc<Node>] = match &value.value {
            Value::Mapping { .. } => std::slice::from_ref(value),
            Value::Sequence(items) => items,
            Value::Scalar(_) => &[],
        };
        let mut known: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
        let mut weight = 0_usize;
        for source in sources {
            let Value::Mapping { entries: merged, .. } = &source.value else {
                return Err(self.error(line, "`<<` takes an alias of a mapping, or a list of them".to_owned()));
            };
            self.count(source.weight, line)?;
            weight = weight.saturating_add(source.weight);
            for entry in merged {
                if known.insert(entry.key.clone()) {
                    entries.push(Entry {
                        key: entry.key.clone(),
                        line: entry.line,
                        span: entry.span.clone(),
                        key_span: entry.key_span.clone(),
                        value: Rc::clone(&entry.value),
                        merged: true,
                    });
                }
            }
        }
        if sources.is_empty() {
            return Err(self.error(line, "`<<` takes an alias of a mapping, or a list of them".to_owned()));
        }
        Ok(weight)
    }
}

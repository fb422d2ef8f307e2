//! YAML text to a tree that remembers lines, byte ranges and the written form of every scalar.
//!
//! Boundary: YAML's own rules and limits; what the keys mean is the schemas'. The parser's events are used rather than a
//! value type because only they keep `010`, `0x1f` and `1e3` as written, and carry the positions that errors and edits need.
//! Next: `walk` reads typed values out of the tree.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    rc::Rc,
};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::error::{ConfigError, ConfigErrors};

/// Largest file taken, in bytes.
pub(crate) const LARGEST: usize = 16 * 1024 * 1024;
/// Deepest nesting taken: the schemas need five levels, and recursion must not be bounded by the stack.
const DEEPEST: usize = 64;
/// Most nodes taken once aliases are followed; stops a few lines from standing for billions of values.
const MOST_NODES: usize = 4_000_000;

/// One value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    /// Bytes of the value itself. A block collection ends with its last item.
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
    weight: usize,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    Sequence(Vec<Rc<Node>>),
    Mapping { entries: Vec<Entry> },
}

/// A scalar as written, quotes and escapes removed.
#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Written without quotes, so it may stand for a number, a boolean or nothing.
    pub(crate) plain: bool,
}

/// One `key: value`.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    /// Bytes from the key to the end of the value.
    pub(crate) span: Range<usize>,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: Rc<Node>,
    /// Came in through a merge key (`<<: *anchor`).
    pub(crate) merged: bool,
}

impl Node {
    /// Whether the value is left out (`key:`) or written `~` or `null` (YAML 1.2.2, section 10.3.2).
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(Scalar { text, plain: true }) if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Same content, wherever it stands and however it is written.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Scalar(a), Value::Scalar(b)) => a.text == b.text && a.plain == b.plain,
            (Value::Sequence(a), Value::Sequence(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Value::Mapping { entries: a, .. }, Value::Mapping { entries: b, .. }) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.key == b.key && a.value.same(&b.value))
            }
            _ => false,
        }
    }

    /// The entry of a mapping by key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping { entries, .. } => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }
}

/// Reads the only document of `text`. Errors: one for broken YAML, or one per duplicate key and unsupported construct.
pub(crate) fn parse(text: &str, file: &str) -> Result<Rc<Node>, ConfigErrors> {
    if text.len() > LARGEST {
        let message = format!("the file has {} bytes; at most {LARGEST} are read", text.len());
        return Err(ConfigError::file(file, message).into());
    }
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        text,
        offsets: Offsets::of(text),
        file,
        anchors: HashMap::new(),
        path: Vec::new(),
        errors: Vec::new(),
        nodes: 0,
    };
    match builder.stream() {
        Ok(root) => ConfigErrors::none_or(builder.errors, root),
        Err(error) => Err((*error).into()),
    }
}

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

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    offsets: Offsets,
    file: &'a str,
    /// Finished anchored nodes; one that is still open is not here, so a node cannot hold itself.
    anchors: HashMap<usize, Rc<Node>>,
    path: Vec<String>,
    errors: Vec<ConfigError>,
    nodes: usize,
}

type Fatal = Box<ConfigError>;

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fatal> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.error(error.marker().line(), format!("not YAML: {}", error.info()))),
            None => Err(self.error(1, "not YAML: the text ends early".to_owned())),
        }
    }

    fn error(&self, line: usize, message: String) -> Fatal {
        let path = (!self.path.is_empty()).then(|| self.path.concat());
        Box::new(ConfigError { file: self.file.to_owned(), path, line: Some(line), message, suggestion: None })
    }

    fn stream(&mut self) -> Result<Rc<Node>, Fatal> {
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
        let string = tag.is_yaml_core_schema() && tag.suffix == "str";
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
            self.path.push(format!("[{}]", items.len()));
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
            self.path.push(segment(&key, self.path.is_empty()));
            if let Some(first) = lines.insert(key.clone(), key_line) {
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

/// A key as a part of a path: quoted when it would be misread.
pub(crate) fn segment(key: &str, first: bool) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "._-*@[:]".contains(c));
    let dot = if first { "" } else { "." };
    if plain { format!("{dot}{key}") } else { format!("{dot}{key:?}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn error(text: &str) -> String {
        parse(text, "f").map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn scalars_keep_their_written_text() {
        for text in ["no", "22:22", "010", "0x1f", "1e3", "1_000", "2024-01-01", "+5", ".inf", "0o7", "y", "1.10"] {
            let node = parse(text, "f").unwrap();
            assert!(matches!(&node.value, Value::Scalar(s) if s.text == text && s.plain), "{text}");
        }
    }

    #[test]
    fn every_duplicate_key_is_an_error_with_its_path_and_line() {
        assert_eq!(
            error("a:\n  b: 1\n  b: 2\nc: 1\n\"c\": 2\n"),
            "f:3: a.b: the key \"b\" is here twice; the first is on line 2\nf:5: c: the key \"c\" is here twice; the first is on line 4"
        );
    }

    #[test]
    fn broken_yaml_is_one_error_with_a_line() {
        for (text, line) in [
            ("a: [1,\n", "f:2"),
            ("a: 1\n b: 2\n", "f:2"),
            ("a: \"x\n", "f:"),
            ("a: *x\n", "f:1"),
            ("a: 1\n---\nb: 1\n", "f:2"),
        ] {
            let error = error(text);
            assert!(error.starts_with(line) && error.lines().count() == 1, "{text:?}: {error}");
        }
    }

    #[test]
    fn an_alias_bomb_is_refused_before_it_goes_off() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let previous = level - 1;
            let items = vec![format!("*a{previous}"); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        assert!(error(&text).contains("stands for more than"));
        assert!(error("a: &a [*a]\n").contains("inside its own anchor"));
    }

    #[test]
    fn merge_bombs_and_deep_nesting_and_huge_files_are_refused() {
        assert!(error(&"- ".repeat(100_000)).contains("nested deeper"));
        assert!(error(&"[".repeat(100_000)).contains("not YAML"));
        assert!(error(&"#".repeat(LARGEST + 1)).contains("at most"));
    }

    #[test]
    fn merge_keys_add_what_is_not_there() {
        let node = parse("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n", "f").unwrap();
        let y = &node.entry("y").unwrap().value;
        let text = |key| match &y.entry(key).unwrap().value.value {
            Value::Scalar(s) => s.text.clone(),
            _ => String::new(),
        };
        assert_eq!((text("a"), text("b")), ("1".to_owned(), "3".to_owned()));
    }

    #[test]
    fn tags_other_than_string_are_refused() {
        assert!(error("a: !!int 5\n").contains("is not supported"));
        assert!(error("a: !env X\n").contains("is not supported"));
        assert!(parse("a: !!str 5\n", "f").is_ok());
    }

    #[test]
    fn byte_ranges_hold_after_letters_of_several_bytes() {
        let text = "é: ü\nname: x\n";
        let node = parse(text, "f").unwrap();
        assert_eq!(text.get(node.entry("name").unwrap().span.clone()), Some("name: x"));
    }

    #[test]
    fn ranges_end_with_the_value_and_not_with_the_comment_after_it() {
        for value in ["{}", "[ ]", "{ # }\n }", "[a, b]", "{a: b, }", "x", "'x'", "&a x"] {
            let text = format!("k: {value} # c\nnext: 1\n");
            let node = parse(&text, "f").unwrap();
            assert_eq!(text.get(node.entry("k").unwrap().span.clone()), Some(format!("k: {value}").as_str()));
        }
    }
}

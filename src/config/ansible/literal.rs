//! Python literals, as INI inventories hold them: `port=22` is a number, `tags=['a', 'b']` a list, `x=yes` a string.
//!
//! Boundary: text to a value; never fails, because Ansible takes what is no literal as the text itself. Source: Python's
//! `ast.literal_eval` and the language reference, "Literals".

use super::value::Value;

/// Deepest nesting taken; what is deeper stays text.
const DEEPEST: usize = 40;

/// The value that `text` is written as.
pub(super) fn read(text: &str) -> Value {
    let mut reader = Reader { rest: text.trim_start_matches([' ', '\t']) };
    reader.whole().unwrap_or_else(|| Value::text(text.to_owned()))
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn whole(&mut self) -> Option<Value> {
        let first = self.value(0)?;
        self.space();
        if !self.rest.starts_with(',') {
            return self.rest.is_empty().then_some(first);
        }
        // A tuple needs no brackets.
        let mut items = vec![first];
        while self.take(',') {
            self.space();
            if self.rest.is_empty() {
                break;
            }
            items.push(self.value(1)?);
        }
        self.space();
        self.rest.is_empty().then_some(Value::List(items))
    }

    /// Skips blanks and a comment.
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\u{c}']);
        if self.rest.starts_with('#') {
            self.rest = "";
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        self.space();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.space();
        if depth > DEEPEST {
            return None;
        }
        match self.rest.chars().next()? {
            '[' => self.items('[', ']', depth).map(|(items, _)| Value::List(items)),
            '(' => {
                let (mut items, comma) = self.items('(', ')', depth)?;
                if items.len() == 1 && !comma { items.pop() } else { Some(Value::List(items)) }
            }
            '{' => self.braces(depth),
            '0'..='9' | '.' | '+' | '-' => self.number(),
            _ => self.string().or_else(|| self.word()),
        }
    }

    /// The items between brackets, and whether the last one had a comma.
    fn items(&mut self, open: char, close: char, depth: usize) -> Option<(Vec<Value>, bool)> {
        self.take(open);
        let (mut items, mut comma) = (Vec::new(), true);
        loop {
            if self.take(close) {
                return Some((items, comma));
            }
            if !comma {
                return None;
            }
            items.push(self.value(depth + 1)?);
            comma = self.take(',');
        }
    }

    fn braces(&mut self, depth: usize) -> Option<Value> {
        self.take('{');
        let (mut map, mut set, mut comma) = (Vec::<(String, Value)>::new(), Vec::new(), true);
        loop {
            if self.take('}') {
                return Some(if set.is_empty() { Value::Map(map) } else { Value::List(set) });
            }
            if !comma {
                return None;
            }
            let first = self.value(depth + 1)?;
            if self.take(':') {
                let key = first.shown()?;
                let value = self.value(depth + 1)?;
                map.retain(|(known, _)| *known != key);
                map.push((key, value));
            } else {
                set.push(first);
            }
            if !map.is_empty() && !set.is_empty() {
                return None;
            }
            comma = self.take(',');
        }
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let value = match word {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" => Value::Null,
            _ => return None,
        };
        self.rest = rest;
        Some(value)
    }

    fn number(&mut self) -> Option<Value> {
        let (negative, body) = match self.rest.as_bytes().first()? {
            b'-' => (true, self.rest[1..].trim_start_matches([' ', '\t'])),
            b'+' => (false, self.rest[1..].trim_start_matches([' ', '\t'])),
            _ => (false, self.rest),
        };
        let mut end = 0;
        for (at, c) in body.char_indices() {
            let exponent = body[..at].ends_with(['e', 'E']) && !body.starts_with("0x") && !body.starts_with("0X");
            if !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || (exponent && (c == '+' || c == '-'))) {
                break;
            }
            end = at + c.len_utf8();
        }
        let (digits, rest) = body.split_at(end);
        let value = number(digits)?;
        self.rest = rest;
        Some(match value {
            Value::Int(number) if negative => Value::Int(-number),
            Value::Float(number) if negative => Value::Float(-number),
            Value::Text(text) if negative => Value::Text(format!("-{text}")),
            value => value,
        })
    }

    /// One string literal, or several side by side, which are one.
    fn string(&mut self) -> Option<Value> {
        let mut text = String::new();
        let mut found = false;
        loop {
            let prefix = self.rest.find(['\'', '"']).map(|at| &self.rest[..at]);
            let raw = match prefix.map(str::to_ascii_lowercase).as_deref() {
                Some("" | "u" | "b") => false,
                Some("r" | "br" | "rb") => true,
                _ => return found.then_some(Value::text(text)),
            };
            self.rest = self.rest.get(prefix.map_or(0, str::len)..)?;
            self.quoted(raw, &mut text)?;
            found = true;
            self.space();
        }
    }

    fn quoted(&mut self, raw: bool, text: &mut String) -> Option<()> {
        let mut rest = self.rest.chars();
        let quote = rest.next()?;
        loop {
            match rest.next()? {
                c if c == quote => break,
                '\\' if raw => {
                    text.push('\\');
                    text.push(rest.next()?);
                }
                '\\' => match rest.next()? {
                    c @ ('\\' | '\'' | '"') => text.push(c),
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'a' => text.push('\u{7}'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'v' => text.push('\u{b}'),
                    'x' => text.push(code(&mut rest, 2)?),
                    'u' => text.push(code(&mut rest, 4)?),
                    'U' => text.push(code(&mut rest, 8)?),
                    'N' => return None,
                    c @ '0'..='7' => {
                        let mut number = c.to_digit(8)?;
                        for _ in 0..2 {
                            let Some(digit) = rest.clone().next().and_then(|c| c.to_digit(8)) else { break };
                            rest.next();
                            number = number * 8 + digit;
                        }
                        text.push(char::from_u32(number)?);
                    }
                    c => text.extend(['\\', c]),
                },
                c => text.push(c),
            }
        }
        self.rest = rest.as_str();
        Some(())
    }
}

fn code(rest: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let mut number = 0;
    for _ in 0..digits {
        number = number * 16 + rest.next()?.to_digit(16)?;
    }
    char::from_u32(number)
}

fn number(text: &str) -> Option<Value> {
    let underscores = text.starts_with('_') || text.ends_with('_') || text.contains("__");
    let clean: String = text.chars().filter(|c| *c != '_').collect();
    if clean.is_empty() || underscores {
        return None;
    }
    let lower = clean.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            return i64::from_str_radix(digits, radix).ok().map(Value::Int);
        }
    }
    if clean.bytes().all(|b| b.is_ascii_digit()) {
        let zero = clean.bytes().all(|b| b == b'0');
        if clean.len() > 1 && clean.starts_with('0') && !zero {
            return None;
        }
        // A number beyond 64 bits only ever stands for its digits.
        return Some(clean.parse().map_or(Value::Text(clean), Value::Int));
    }
    let float = lower.bytes().all(|b| b.is_ascii_digit() || b".e+-".contains(&b)) && lower.contains(['.', 'e']);
    if float { lower.parse().ok().map(Value::Float) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn literals_become_values_and_everything_else_stays_text() {
        for (literal, value) in [
            ("22", Value::Int(22)),
            ("-1", Value::Int(-1)),
            ("022", text("022")),
            ("0x10", Value::Int(16)),
            ("1_000", Value::Int(1000)),
            ("1.5", Value::Float(1.5)),
            ("1e3", Value::Float(1000.0)),
            ("10.0.0.1", text("10.0.0.1")),
            ("True", Value::Bool(true)),
            ("true", text("true")),
            ("yes", text("yes")),
            ("None", Value::Null),
            ("'a b'", text("a b")),
            (r#""a\tb" 'c'"#, text("a\tbc")),
            (r"r'\d'", text(r"\d")),
            ("22 # comment", Value::Int(22)),
            ("deploy # comment", text("deploy # comment")),
            ("[1, 'a']", Value::List(vec![Value::Int(1), text("a")])),
            ("1, 2", Value::List(vec![Value::Int(1), Value::Int(2)])),
            ("(1)", Value::Int(1)),
            ("(1,)", Value::List(vec![Value::Int(1)])),
            ("[]", Value::List(vec![])),
            ("{'A': 'b', 'C': 1}", Value::Map(vec![("A".into(), text("b")), ("C".into(), Value::Int(1))])),
            ("{}", Value::Map(vec![])),
            ("{{ x }}", text("{{ x }}")),
            ("[a, b]", text("[a, b]")),
            ("'open", text("'open")),
            ("", text("")),
            ("-o Foo=bar", text("-o Foo=bar")),
        ] {
            assert_eq!(read(literal), value, "{literal}");
        }
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        assert_eq!(read(&deep), Value::Text(deep.clone()));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\](){}'\"\\\\a-f0-9xe.,:_+ #é-]{0,40}") {
            read(&text);
        }
    }
}

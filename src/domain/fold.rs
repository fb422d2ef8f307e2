//! Many names in few characters: `web-01 web-02 web-03 web-07 db-1` is `db-1,web-[01-03,07]`.
//!
//! Boundary: pure; names in, one line out. What comes out is a pattern that `config::pattern` reads back as the same names.
//! Next: `render` heads groups of hosts with it.

use std::collections::{BTreeSet, HashMap};

/// Most digits of a number that is folded; a longer run of digits is text. As many as a range of the inventory takes.
const MOST_DIGITS: usize = 9;

/// A piece of a name. Numbers come before letters, as digits do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Piece<'a> {
    /// A number and how it is written: `7` and `07` are two names.
    Number(u64, &'a str),
    /// Numbers of one place that are already folded, with their brackets.
    Folded(String),
    /// Everything else.
    Text(&'a str),
}

/// `names` folded, in natural order (`web-9` before `web-10`), each once. Consecutive numbers become a range, zeros in front
/// are kept, and of several numbers in a name every one that varies is folded: `rack[1-2]-n[01-40]`.
#[must_use]
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let sorted: BTreeSet<Vec<Piece<'a>>> = names.into_iter().map(pieces).collect();
    let mut folded: Vec<Vec<Piece<'a>>> = sorted.into_iter().collect();
    let longest = folded.iter().map(Vec::len).max().unwrap_or(0);
    // The last number usually counts hosts and those before it racks or sites.
    for place in (0..longest).rev() {
        folded = fold_place(folded, place);
    }
    let texts: Vec<String> = folded.iter().map(|pieces| text(pieces)).collect();
    texts.join(",")
}

/// Orders names as people count: `web-9` before `web-10`.
#[must_use]
pub fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    pieces(a).cmp(&pieces(b))
}

fn pieces(name: &str) -> Vec<Piece<'_>> {
    let mut pieces = vec![];
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let is_number = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        rest = after;
        pieces.push(match piece.parse() {
            Ok(value) if is_number && piece.len() <= MOST_DIGITS => Piece::Number(value, piece),
            _ => Piece::Text(piece),
        });
    }
    pieces
}

/// Names that are alike but for the number at one place, which stands in the first as `Number(0, "")`.
struct Group<'a> {
    name: Vec<Piece<'a>>,
    numbers: Vec<(u64, &'a str)>,
}

/// Merges the names that differ at `place` alone and have a number there.
fn fold_place(names: Vec<Vec<Piece<'_>>>, place: usize) -> Vec<Vec<Piece<'_>>> {
    let mut groups: Vec<Group<'_>> = vec![];
    let mut known: HashMap<Vec<Piece<'_>>, usize> = HashMap::new();
    for mut name in names {
        let number = match name.get(place) {
            Some(Piece::Number(value, digits)) => (*value, *digits),
            _ => {
                groups.push(Group { name, numbers: vec![] });
                continue;
            }
        };
        name[place] = Piece::Number(0, "");
        match known.get(&name) {
            Some(group) => groups[*group].numbers.push(number),
            None => {
                known.insert(name.clone(), groups.len());
                groups.push(Group { name, numbers: vec![number] });
            }
        }
    }
    groups
        .into_iter()
        .map(|Group { mut name, mut numbers }| {
            numbers.sort_unstable();
            match numbers.as_slice() {
                [] => {}
                [(value, digits)] => name[place] = Piece::Number(*value, digits),
                numbers => name[place] = Piece::Folded(format!("[{}]", ranges(numbers))),
            }
            name
        })
        .collect()
}

/// `01-03,07` of sorted numbers.
fn ranges(numbers: &[(u64, &str)]) -> String {
    let mut runs: Vec<(&str, &str)> = vec![];
    let mut last = 0;
    for &(value, digits) in numbers {
        match runs.last_mut() {
            Some((first, end)) if value == last + 1 && continues(first, digits) => *end = digits,
            _ => runs.push((digits, digits)),
        }
        last = value;
    }
    let runs: Vec<String> = runs
        .into_iter()
        .map(|(first, end)| if first == end { first.to_owned() } else { format!("{first}-{end}") })
        .collect();
    runs.join(",")
}

/// Whether a range that begins as `first` writes its next number as `digits`: with zeros in front all are equally long.
fn continues(first: &str, digits: &str) -> bool {
    let is_padded = |text: &str| text.len() > 1 && text.starts_with('0');
    if is_padded(first) { digits.len() == first.len() } else { !is_padded(digits) }
}

fn text(pieces: &[Piece<'_>]) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Number(_, text) | Piece::Text(text) => text,
            Piece::Folded(text) => text.as_str(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_as_people_write_them() {
        for (names, folded) in [
            ("", ""),
            ("db", "db"),
            ("web-1", "web-1"),
            ("web-2 web-1", "web-[1-2]"),
            ("web-01 web-02 web-03 web-07 db-1", "db-1,web-[01-03,07]"),
            ("web-8 web-9 web-10 web-11", "web-[8-11]"),
            ("web-08 web-09 web-10", "web-[08-10]"),
            ("web-98 web-99 web-100", "web-[98-100]"),
            ("web-098 web-099 web-100", "web-[098-100]"),
            ("web-9 web-009 web-10", "web-[009,9-10]"),
            ("web-99 web-098 web-100", "web-[098,99-100]"),
            ("a1 a1 a1", "a1"),
            ("10.0.0.1 10.0.0.2 10.0.1.1", "10.0.0.[1-2],10.0.1.1"),
            ("10.0.0.1 10.0.1.1 10.0.2.1", "10.0.[0-2].1"),
            ("r1n1 r1n2 r2n1 r2n2 r3n7", "r[1-2]n[1-2],r3n7"),
            ("web-1.example web-2.example web-3.example.org", "web-[1-2].example,web-3.example.org"),
            ("web10 web9 webx web", "web,web[9-10],webx"),
            ("x12345678901 x12345678902", "x12345678901,x12345678902"),
            ("0 1 2", "[0-2]"),
        ] {
            assert_eq!(fold(names.split(' ').filter(|n| !n.is_empty())), folded, "{names}");
        }
    }

    #[test]
    fn a_thousand_names_take_one_line() {
        let names: Vec<String> = (1..=1000).map(|n| format!("h{n:04}")).collect();
        assert_eq!(fold(names.iter().map(String::as_str)), "h[0001-1000]");
    }

    #[test]
    fn natural_order_counts() {
        assert!(natural("web-9", "web-10").is_lt());
        assert!(natural("web-10", "web-9a").is_gt());
        assert!(natural("a", "b").is_lt());
    }
}

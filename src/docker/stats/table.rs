//! Docker's human table, whose columns stand under their header's words (Go's text/tabwriter).
//!
//! Boundary: which cell is which; what a cell says is [`super::amount`]'s.

use super::Usage;

/// Header words of docker (docker/cli, `formatter/container.go` and `stats_helpers`) and podman.
const COLUMNS: [&str; 13] = [
    "CONTAINER ID",
    "CONTAINER",
    "NAME",
    "CPU %",
    "MEM USAGE / LIMIT",
    "MEM %",
    "NET I/O",
    "BLOCK I/O",
    "PIDS",
    "NET IO",
    "BLOCK IO",
    "CPU TIME",
    "AVG CPU %",
];

/// Where each column begins, in characters.
pub(super) struct Header {
    columns: Vec<(&'static str, usize)>,
}

impl Header {
    /// Reads a line made of header words and white space only.
    pub(super) fn read(line: &str) -> Option<Self> {
        let mut columns = Vec::new();
        let mut at = 0;
        while at < line.len() {
            let rest = line.get(at..)?;
            if let Some(space) = rest.chars().next().filter(|c| c.is_whitespace()) {
                at += space.len_utf8();
                continue;
            }
            // podman says "ID".
            let word =
                if rest.starts_with("ID ") { "ID" } else { COLUMNS.into_iter().find(|c| rest.starts_with(c))? };
            columns.push((if word == "ID" { "CONTAINER ID" } else { word }, at));
            at += word.len();
        }
        let useful = |name: &str| columns.iter().any(|(word, _)| *word == name);
        (useful("CPU %") || useful("MEM USAGE / LIMIT")).then_some(Self { columns })
    }

    /// Reads a row; `None` for an empty one.
    pub(super) fn row(&self, line: &str) -> Option<Usage> {
        if line.trim().is_empty() {
            return None;
        }
        // Header words are ASCII, so a header's byte offset is its column; rows may hold anything.
        let characters: Vec<char> = line.chars().collect();
        let cell = |name: &str| -> Option<String> {
            let index = self.columns.iter().position(|(word, _)| *word == name)?;
            let start = self.columns[index].1.min(characters.len());
            let end = self.columns.get(index + 1).map_or(characters.len(), |next| next.1.min(characters.len()));
            Some(characters[start..end].iter().collect::<String>().trim().to_owned())
        };
        // Without --no-trunc and an id column, CONTAINER is what was asked for: a name or an id.
        let container = cell("CONTAINER");
        let name = cell("NAME").or_else(|| container.clone());
        let id =
            cell("CONTAINER ID").or(container.filter(|c| c.len() >= 12 && c.bytes().all(|b| b.is_ascii_hexdigit())));
        Some(super::usage(
            id.as_deref(),
            name.as_deref(),
            cell("CPU %").as_deref(),
            cell("MEM USAGE / LIMIT").as_deref(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_lines_are_no_headers() {
        for line in ["", "NAME", "busy  50%", "NAME and more   CPU %", "PIDS"] {
            assert!(Header::read(line).is_none(), "{line}");
        }
    }

    #[test]
    fn a_name_longer_than_its_header_does_not_shift_the_rest() {
        let header =
            Header::read("NAME                 CPU %     MEM USAGE / LIMIT").unwrap_or_else(|| panic!("no header"));
        let usage = header.row("a-very-long-name-x   12.50%    1MiB / 2MiB").unwrap_or_else(|| panic!("no row"));
        assert_eq!(
            (usage.name.as_str(), usage.cpu, usage.memory_used),
            ("a-very-long-name-x", Some(12.5), Some(1 << 20))
        );
    }
}

use super::*;

const HEADER: [&str; 4] = ["NAME", "STATUS", "CPU", "MESSAGE"];
const LIST: [&str; 8] = ["NAME", "HOST", "STATUS", "UPTIME", "PORT", "IMAGE", "HEALTH", "MESSAGE"];
const LONG: &str = "a very long message that will not fit in forty columns";

fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
}

fn short() -> Vec<Vec<String>> {
    rows(&[&["finance", "running", "-", LONG], &["x", "stopped", "-", ""]])
}

fn fleet() -> Vec<Vec<String>> {
    rows(&[
        &["finance", "edge-1", "running", "3d4h", "8101", "registry.example.com/team/finance:1.4", "healthy", ""],
        &[
            "search",
            "edge-10",
            "error",
            "-",
            "8102",
            "acme/search:2",
            "-",
            "exited with code 3; the container of an earlier run",
        ],
    ])
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn a_text_that_does_not_fit_beside_its_row_stands_below_it_whole() {
    let text = table(&HEADER, short(), Some(40));
    assert_eq!(
        text,
        "NAME     STATUS\nfinance  running\n  a very long message that will not fit\n  in forty columns\nx        stopped\n"
    );
}

#[test]
fn names_and_states_are_whole_however_narrow_the_terminal_is() {
    let text = table(&HEADER, short(), Some(12));
    assert!(text.lines().all(|line| console::measure_text_width(line) <= 12), "{text}");
    for word in ["finance", "running", "x", "stopped"].into_iter().chain(words(LONG)) {
        assert!(words(&text).contains(&word), "{word} is lost\n{text}");
    }
}

#[test]
fn a_name_wider_than_the_terminal_is_never_cut() {
    let name = "n".repeat(50);
    let text = table(&["NAME", "HOST", "STATUS"], rows(&[&[&name, "edge-1", "running"]]), Some(40));
    assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), [name.as_str(), "  edge-1  running"]);
}

#[test]
fn details_go_before_names_states_and_causes() {
    for (width, lost) in [(200, &[][..]), (80, &["IMAGE"]), (40, &["IMAGE", "PORT", "UPTIME"])] {
        let text = table(&LIST, fleet(), Some(width));
        assert!(text.lines().all(|line| console::measure_text_width(line) <= width), "{text}");
        let head = text.lines().next().unwrap_or_default();
        for column in &LIST[..7] {
            assert_eq!(words(head).contains(column), !lost.contains(column), "{column} at {width}\n{text}");
        }
        for word in ["finance", "edge-10", "error"].into_iter().chain(words(&fleet()[1][7])) {
            assert!(words(&text).contains(&word), "{word} is lost at {width}\n{text}");
        }
    }
}

#[test]
fn a_long_image_loses_its_start() {
    let cells = rows(&[&["a", "registry.example.com/team/finance:1.4"]]);
    let text = table(&["NAME", "IMAGE"], cells, Some(24));
    assert_eq!(text.lines().nth(1), Some("a     …/team/finance:1.4"));
}

#[test]
fn a_column_without_any_value_is_left_out_on_a_terminal_only() {
    assert!(!table(&HEADER, short(), Some(80)).contains("CPU"));
    assert!(table(&HEADER, short(), None).contains("CPU"));
}

#[test]
fn a_table_for_a_file_cuts_nothing() {
    let text = table(&LIST, fleet(), None);
    assert_eq!(text.lines().count(), 3);
    assert!(text.contains("registry.example.com/team/finance:1.4") && text.contains(&fleet()[1][7]), "{text}");
}

#[test]
fn a_cell_of_two_lines_shows_one() {
    assert_eq!(table(&HEADER, rows(&[&["x", "stopped", "-", "one\ntwo"]]), None).lines().count(), 2);
}

#[test]
fn wide_characters_and_colours_are_measured_as_they_are_shown() {
    let cells = rows(&[&["日本", "\u{1b}[32mrunning\u{1b}[0m", "x"], &["ab", "error", "y"]]);
    let text = table(&["NAME", "STATUS", "PORT"], cells, Some(80));
    let columns: Vec<usize> = text
        .lines()
        .skip(1)
        .map(|line| {
            let plain = console::strip_ansi_codes(line).into_owned();
            console::measure_text_width(&plain[..plain.rfind(['x', 'y']).unwrap_or(0)])
        })
        .collect();
    assert_eq!(columns, [15, 15], "{text}");
}

proptest::proptest! {
    #[test]
    fn every_table_fits_unless_a_name_alone_does_not_and_keeps_its_keys_and_texts(
        cells in proptest::collection::vec("[a-z日é🙂]{1,14}( [a-z日]{1,9}){0,6}|-", 16),
        width in 8usize..120,
    ) {
        let rows: Vec<Vec<String>> = cells.chunks(4).map(<[String]>::to_vec).collect();
        let text = table(&["NAME", "STATUS", "IMAGE", "MESSAGE"], rows.clone(), Some(width));
        for line in text.lines() {
            let is_key = rows.iter().any(|row| row[..2].iter().any(|cell| line.trim() == cell));
            proptest::prop_assert!(console::measure_text_width(line) <= width || is_key, "{}", text);
        }
        let all: String = text.split_whitespace().collect();
        for row in &rows {
            for cell in [&row[0], &row[1], &row[3]].into_iter().filter(|cell| *cell != "-") {
                for word in cell.split(' ') {
                    proptest::prop_assert!(all.contains(word) || text.contains(word) , "{} is lost in\n{}", word, text);
                }
            }
        }
    }
}

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
    for value in
        ["{}", "[ ]", "{ # }\n }", "[a, b]", "{a: b, }", "x", "'x'", "&a x", "'it''s'", "\"a \\\" # b\"", "&a 'x'"]
    {
        let text = format!("k: {value} # c\nnext: 1\n");
        let node = parse(&text, "f").unwrap();
        assert_eq!(text.get(node.entry("k").unwrap().span.clone()), Some(format!("k: {value}").as_str()));
    }
}

//! What was quoted comes back from real shells byte for byte.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use proptest::{collection::vec, prelude::*};

use super::*;

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "sh"]];

/// Words that have hurt somebody.
const HOSTILE: [&str; 24] = [
    "",
    " ",
    "-x",
    "--help",
    "--",
    "a;reboot",
    "$(reboot)",
    "`id`",
    "it's",
    "''",
    "\\",
    "\\'",
    "a\\",
    "\n",
    "a\nb",
    "\r\n",
    "!!",
    "!x",
    "~",
    "#",
    "*",
    "{a,b}",
    "\u{1b}[31m",
    "é\u{1F600}\u{202e}",
];

/// What `shell` makes of `words`, each on its way through an argument, a variable, and the string of another shell.
fn told_back(shell: &[&str], words: &[String]) -> Vec<Vec<u8>> {
    let mut script = String::new();
    for word in words {
        script.push_str(&format!("printf '%s\\0' {word}; x={word}; printf '%s\\0' \"$x\"\n"));
    }
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{shell:?}: {e}"));
    let mut stdin = child.stdin.take().unwrap_or_else(|| panic!("{shell:?} has no stdin"));
    let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
    let output = child.wait_with_output().unwrap_or_else(|e| panic!("{shell:?}: {e}"));
    assert!(writer.join().is_ok_and(|written| written.is_ok()), "{shell:?} left early: {output:?}");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{shell:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut told: Vec<Vec<u8>> = output.stdout.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    assert_eq!(told.pop().as_deref(), Some(&b""[..]), "{shell:?}");
    told
}

/// Each of `texts` is given back by each of `shells` as it was.
fn come_back(shells: &[&[&str]], texts: &[String], quote: fn(&str) -> String) {
    let words: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    let expected: Vec<Vec<u8>> =
        texts.iter().flat_map(|text| [text.clone().into_bytes(), text.clone().into_bytes()]).collect();
    for shell in shells {
        let told = told_back(shell, &words);
        assert_eq!(told.len(), expected.len(), "{shell:?} lost or made words");
        for (told, expected) in told.iter().zip(&expected) {
            assert_eq!(told, expected, "{shell:?}: {:?}", String::from_utf8_lossy(expected));
        }
    }
}

#[test]
fn a_quoted_word_is_one_word_to_our_own_tokenizer() {
    for text in HOSTILE {
        let words = split(&quote(text)).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(words.len(), 1, "{text:?}");
        assert_eq!(words[0].value, text);
        assert!(!words[0].unresolved, "{text:?}");
    }
}

#[test]
fn a_nul_becomes_visible() {
    assert_eq!(quote("a\0b"), quote("a\u{fffd}b"));
}

#[test]
fn every_character_comes_back_from_real_shells() {
    // All of the first planes' first 0x300 characters, each alone and between others; a sample of the rest.
    let characters = (1..0x300).chain((0x300..=0x0010_ffff).step_by(4099)).filter_map(char::from_u32);
    let texts: Vec<String> = characters.flat_map(|c| [format!("{c}"), format!("-{c}'{c}")]).collect();
    come_back(&SHELLS, &texts, quote);
    let texts: Vec<String> = HOSTILE.iter().flat_map(|a| HOSTILE.map(|b| format!("{a}{b}"))).collect();
    come_back(&SHELLS, &texts, quote);
}

#[test]
fn a_word_for_any_shell_comes_back_from_those_that_are_here() {
    let texts: Vec<String> = HOSTILE.iter().flat_map(|a| HOSTILE.map(|b| format!("{a}{b}"))).collect();
    let texts: Vec<String> = texts.into_iter().filter(|text| !text.contains('\n')).collect();
    come_back(&SHELLS, &texts, quote_for_any_shell);
    let is_there = |shell: &str| Command::new(shell).arg("-c").arg("exit").output().is_ok();
    for shell in ["zsh", "fish", "csh", "tcsh"].into_iter().filter(|shell| is_there(shell)) {
        for text in HOSTILE.iter().filter(|text| !text.contains(['\n', '\r'])) {
            let line = format!("printf %s {}", quote_for_any_shell(text));
            let output = Command::new(shell).args(["-c", &line]).output().unwrap_or_else(|e| panic!("{shell}: {e}"));
            assert_eq!(output.stdout, text.as_bytes(), "{shell}: {text:?}");
        }
    }
}

proptest! {
    // A shell reads many words at once, so that thousands are tried in a second.
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn real_shells_give_back_what_was_quoted(texts in vec("(?s)[^\0]{0,40}", 200..300)) {
        come_back(&SHELLS, &texts, quote);
    }

    #[test]
    fn shell_metacharacters_survive_real_shells(texts in vec("[-'\"\\\\$`!#&*();<>|?\\[\\]{}~= \t\n\ra-c]{0,24}", 200..300)) {
        come_back(&SHELLS, &texts, quote);
        let texts: Vec<String> = texts.into_iter().map(|text| text.replace('\n', " ")).collect();
        come_back(&SHELLS, &texts, quote_for_any_shell);
    }
}

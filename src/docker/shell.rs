//! Shell words: quoting one, and splitting a registered string into them without running a shell.
//!
//! Boundary: the quoting and tokenising rules of POSIX (IEEE Std 1003.1-2017, XCU 2.2 and 2.3) only; expansions
//! (`$VAR`, `~`) are left to the host's shell. What the words mean is [`super::flags`]' and [`super::run_string`]'s.

mod split;

pub use split::{SplitError, SplitErrorKind, Word, split};

/// `text` as one word of a POSIX shell. A NUL cannot be part of a word (it ends every argument), so it becomes U+FFFD
/// and the command fails visibly instead of being cut short. A leading `-` stays: whether it is an option is not the
/// shell's business.
#[must_use]
pub fn quote(text: &str) -> String {
    // The quoter refuses nothing but NUL.
    let visible = text.replace('\0', "\u{fffd}");
    match shlex::try_quote(&visible) {
        Ok(quoted) => quoted.into_owned(),
        Err(_) => format!("'{}'", visible.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "sh"]];

    fn told_back(shell: &[&str], word: &str) -> Vec<u8> {
        let output = Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", &format!("printf %s {word}")])
            .output()
            .unwrap_or_else(|e| panic!("{shell:?}: {e}"));
        assert!(output.status.success(), "{shell:?} {word:?}: {output:?}");
        output.stdout
    }

    #[test]
    fn a_quoted_word_is_one_word_to_our_own_tokenizer() {
        for text in ["", "a b", "it's", "$(reboot)", "`id`", "a\nb", "-x", "~", "#", ";", "\\", "é\u{1F600}", "a\\'b"]
        {
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn real_shells_give_back_what_was_quoted(text in "(?s)[^\0]{0,40}") {
            for shell in SHELLS {
                prop_assert_eq!(told_back(shell, &quote(&text)), text.as_bytes(), "{:?}", shell);
            }
        }

        #[test]
        fn shell_metacharacters_survive_real_shells(text in "[-'\"\\\\$`!#&*();<>|?\\[\\]{}~= \t\na-c]{0,24}") {
            for shell in SHELLS {
                prop_assert_eq!(told_back(shell, &quote(&text)), text.as_bytes(), "{:?}", shell);
            }
        }
    }
}

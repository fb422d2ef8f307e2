//! Shell words: quoting one, and splitting a registered string into them without running a shell.
//!
//! Boundary: the quoting and tokenising rules of POSIX (IEEE Std 1003.1-2017, XCU 2.2 and 2.3) only; expansions
//! (`$VAR`, `~`) are left to the host's shell. What the words mean is [`super::flags`]' and [`super::run_string`]'s.

mod split;
mod typography;

pub(super) use split::until_refused;
pub use split::{SplitError, SplitErrorKind, Word, one_line, split};
pub use typography::LookAlike;

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

/// `text` as one word that sh, bash, zsh, fish and csh all read as it is: of an account's login shell nobody knows which it is. It
/// must not hold a newline, which csh takes in no quotes.
#[must_use]
pub fn quote_for_any_shell(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for character in text.chars() {
        // fish reads `\\` and `\'` inside single quotes, csh `!`; outside of quotes a backslash does for all of them.
        if matches!(character, '\'' | '\\' | '!') {
            quoted.push_str("'\\");
            quoted.push(character);
            quoted.push('\'');
        } else {
            quoted.push(character);
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests;

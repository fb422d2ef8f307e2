//! The shell text of a command, and of a script of this machine.
//!
//! Boundary: pure text. Quoting is `docker::shell`'s.

use std::hash::{BuildHasher, RandomState};

use crate::{docker::shell::quote, domain::Host, error::CommandError};

/// Longest script taken, in bytes: it is read by the host's shell before it runs.
const LONGEST_SCRIPT: usize = 1024 * 1024;

/// What `words` say to a shell: one is shell text, several are exactly those arguments.
#[must_use]
pub fn of_words(words: &[String]) -> String {
    match words {
        [text] => text.clone(),
        words => words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
    }
}

/// Writes `script` to a temporary file, runs it with `arguments` as its first line says, else with `sh`, and removes the file.
///
/// # Errors
/// It is no text, or too long.
pub fn of_script(name: &str, script: Vec<u8>, arguments: &[String]) -> Result<String, CommandError> {
    let wrong = |why: &str| {
        CommandError::usage(format!("cannot run the script {name}: {why}"))
            .hint("send it with `mcp copy --mode 0755`, then run it there with `mcp exec`")
    };
    if script.len() > LONGEST_SCRIPT {
        return Err(wrong("it has more than 1 MiB"));
    }
    let script = String::from_utf8(script).ok().filter(|script| !script.contains('\0'));
    let script = script.ok_or_else(|| wrong("it is not UTF-8 text"))?;
    let end = format!("mcp-{:016x}", RandomState::new().hash_one(name));
    let mut command = interpreter(&script);
    command.push_str(" \"$mcp_file\"");
    for argument in arguments {
        command.push(' ');
        command.push_str(&quote(argument));
    }
    let newline = if script.is_empty() || script.ends_with('\n') { "" } else { "\n" };
    // PIPE too: the shell's own words go to a connection that may be gone. A handler, unlike '', is not inherited; what makes
    // the file and what removes it ignore what they are told meanwhile, and the shell hears of it afterwards.
    Ok(format!(
        "mcp_end=; trap mcp_end=129 HUP; trap mcp_end=130 INT; trap mcp_end=141 PIPE; trap mcp_end=143 TERM\n\
         mcp_file=$(trap '' HUP INT PIPE TERM; umask 077; mktemp \"${{TMPDIR:-/tmp}}/mcp-XXXXXXXXXX\") || exit \"${{mcp_end:-126}}\"\n\
         mcp_tidy() {{ (trap '' HUP INT PIPE TERM; rm -f \"$mcp_file\"); :; }}\n\
         mcp_told() {{ trap '' HUP INT PIPE TERM; mcp_tidy; exit \"$1\"; }}\n\
         trap mcp_tidy EXIT\ntrap 'mcp_told 129' HUP; trap 'mcp_told 130' INT; trap 'mcp_told 141' PIPE; trap 'mcp_told 143' TERM\n\
         [ \"$mcp_end\" ] && exit \"$mcp_end\"\n\
         cat >\"$mcp_file\" <<'{end}' || exit 126\n{script}{newline}{end}\n{command}\n"
    ))
}

/// The interpreter of the first line, with at most one argument, as execve(2) reads it.
fn interpreter(script: &str) -> String {
    let line = script.lines().next().and_then(|line| line.strip_prefix("#!")).map_or("", str::trim);
    match line.split_once([' ', '\t']) {
        Some((path, argument)) => format!("{} {}", quote(path), quote(argument.trim_start())),
        None if line.is_empty() => "sh".to_owned(),
        None => quote(line),
    }
}

/// `text` after the host's environment.
#[must_use]
pub fn with_environment(text: &str, host: &Host) -> String {
    let mut whole = String::new();
    for (key, value) in &host.env {
        whole.push_str(&format!("export {key}={}\n", quote(value)));
    }
    whole.push_str(text);
    whole.push('\n');
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn one_word_is_shell_text_and_several_are_arguments() {
        assert_eq!(of_words(&words(&["echo $HOME | wc"])), "echo $HOME | wc");
        assert_eq!(of_words(&words(&["echo", "$HOME; rm -rf ~", "it's", "-x"])), "echo '$HOME; rm -rf ~' \"it's\" -x");
    }

    #[test]
    fn the_first_line_names_the_interpreter() {
        for (script, command) in [
            ("echo", "sh"),
            ("", "sh"),
            ("#!\n", "sh"),
            ("#!/bin/bash\necho", "/bin/bash"),
            ("#! /usr/bin/env  -S python3 -u\r\n", "/usr/bin/env '-S python3 -u'"),
            ("#!/o'x y", "\"/o'x\" y"),
        ] {
            assert_eq!(interpreter(script), command, "{script:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_as_a_script() {
        for bytes in [b"\x7fELF\0".to_vec(), vec![0xff, 0xfe], vec![b'x'; LONGEST_SCRIPT + 1]] {
            assert!(of_script("x", bytes, &[]).is_err());
        }
    }
}

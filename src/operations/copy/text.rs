//! The two scripts of a copy: one looks what is there, one takes the file in.
//!
//! Boundary: pure text for a POSIX `sh`; each says one word, and then a path or nothing. Quoting is `docker::shell`'s.

use std::hash::{BuildHasher, RandomState};

use super::{CopyRequest, Digest};
use crate::{docker::shell::quote, transport::Input};

/// Computes the checksum of `$1` into `$mcp_sum`, by the best tool there is: a name for each of them.
const SUM: &str = r#"mcp_sum() {
if command -v sha256sum >/dev/null 2>&1; then mcp_got=$(sha256sum <"$1") && mcp_got=sha256:${mcp_got%% *}
elif command -v shasum >/dev/null 2>&1; then mcp_got=$(shasum -a 256 <"$1") && mcp_got=sha256:${mcp_got%% *}
else mcp_got=$(cksum <"$1") && mcp_got=cksum:${mcp_got%% *}; fi
}
"#;

/// What `$mcp_got` must be.
fn is_same(digest: &Digest) -> String {
    format!("{{ [ \"$mcp_got\" = sha256:{} ] || [ \"$mcp_got\" = cksum:{} ]; }}", digest.sha256, digest.cksum)
}

/// A path as one word that no program takes for an option; `~/` is the account's home.
fn path_word(path: &str) -> String {
    match path.strip_prefix("~/") {
        Some(rest) => format!("\"$HOME\"/{}", quote(rest)),
        None if path.starts_with('-') => quote(&format!("./{path}")),
        None => quote(path),
    }
}

/// What is shown of a copy before it is made.
#[must_use]
pub fn shown(request: &CopyRequest<'_>, local: &str) -> String {
    let owner = request.owner.as_ref().map_or(String::new(), |owner| format!(", owner {owner}"));
    format!(
        "copy {local} ({} bytes) to {}, mode {:04o}{owner}",
        request.input.size(),
        request.destination,
        request.mode
    )
}

/// Says `same` or `send` and the file's path there, or why it cannot be sent.
pub(super) fn look(request: &CopyRequest<'_>) -> String {
    let into_directory = request.destination.ends_with('/') || request.destination.is_empty();
    let directory = if request.destination.is_empty() { "./" } else { &request.destination };
    let mut text = SUM.to_owned();
    text.push_str("mcp_say() { printf '%s\\n%s\\n' \"$1\" \"$mcp_path\"; exit; }\n");
    text.push_str(&format!("mcp_path={}\n", path_word(directory)));
    let name = quote(&request.name);
    if into_directory {
        text.push_str(&format!("mcp_path=\"${{mcp_path%/}}\"/{name}\n"));
    } else {
        text.push_str(&format!("[ -d \"$mcp_path\" ] && mcp_path=\"$mcp_path\"/{name}\n"));
    }
    // What a link points to is replaced, as cp(1) and scp(1) do it; the link stays.
    text.push_str(
        "if [ -L \"$mcp_path\" ] && mcp_real=$(readlink -f -- \"$mcp_path\" && echo x); then mcp_real=${mcp_real%x}; mcp_path=${mcp_real%?}; fi\n\
         [ -d \"$mcp_path\" ] && mcp_say directory\n\
         [ -e \"$mcp_path\" ] && [ ! -f \"$mcp_path\" ] && mcp_say special\n\
         case $mcp_path in */*) mcp_dir=${mcp_path%/*}/;; *) mcp_dir=.;; esac\n",
    );
    if request.parents {
        text.push_str("[ -d \"$mcp_dir\" ] || mkdir -p -- \"$mcp_dir\" || mcp_say no-parents\n");
    } else {
        text.push_str("[ -d \"$mcp_dir\" ] || mcp_say no-directory\n");
    }
    // An unreadable file is simply sent.
    let mut same = format!(
        "[ -f \"$mcp_path\" ] && [ \"$(wc -c <\"$mcp_path\")\" -eq {size} ] && mcp_mode=$(stat -c %a -- \"$mcp_path\" || stat -f %Lp -- \"$mcp_path\") \
         && [ \"$mcp_mode\" = {mode:o} ] && mcp_sum \"$mcp_path\" && {same}",
        size = request.input.size(),
        mode = request.mode,
        same = is_same(&request.digest),
    );
    if let Some(owner) = &request.owner {
        let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
        for (wanted, gnu, bsd) in [(user, "%U %u", "%Su %u"), (group, "%G %g", "%Sg %g")] {
            if !wanted.is_empty() {
                let wanted = quote(wanted);
                same.push_str(&format!(
                    " && mcp_has=\" $(stat -c '{gnu}' -- \"$mcp_path\" || stat -f '{bsd}' -- \"$mcp_path\") \" \
                     && case $mcp_has in *\" \"{wanted}\" \"*) ;; *) false;; esac"
                ));
            }
        }
    }
    text.push_str(&format!(
        "{{ {same}; }} 2>/dev/null && mcp_say same\n[ -w \"$mcp_dir\" ] || mcp_say denied\nmcp_say send"
    ));
    text
}

/// A line that nothing else of a host says by chance: what comes before it is the login shell's.
pub(super) fn mark() -> String {
    format!("mcp-{:016x}", RandomState::new().hash_one("said"))
}

/// Writes its standard input beside `path`, checks it, and puts it in place: says `mark`, and then `done` or what went wrong.
pub(super) fn send(request: &CopyRequest<'_>, path: &str, mark: &str) -> String {
    let state = RandomState::new();
    let beside = format!(".mcp-{:016x}", state.hash_one(path));
    let directory = path.rfind('/').map_or("", |at| &path[..=at]);
    let (path_word, temporary) = (path_word_of_host(path), path_word_of_host(&format!("{directory}{beside}")));
    let mut text = SUM.to_owned();
    // A name of its own, made by nobody else (set -C), and gone however this ends; signals wait until that is seen to. What
    // removes it ignores them, because the end of the input and the TERM that comes with it (see `transport::tied`) meet in
    // any order. A TERM before it does is seen afterwards, and then it is removed once more. Whoever is told by a signal has
    // nobody left to answer to (PIPE: its own words went to a connection that is gone) and takes the group with it, so that
    // nobody waits there for the end of its grace.
    text.push_str(&format!(
        "mcp_path={path_word}; mcp_new={temporary}\n\
         mcp_fail() {{ printf '\\n{mark}\\n%s\\n' \"$1\"; exit 1; }}\n\
         mcp_tidy() {{ (trap '' HUP INT PIPE TERM; rm -f -- \"$mcp_new\" \"$mcp_new~\"); :; }}\n\
         mcp_told() {{ trap '' HUP INT PIPE TERM; mcp_tidy; kill -KILL 0; }}\n\
         umask 077; set -C; trap '' HUP INT PIPE TERM\n\
         {{ true >\"$mcp_new\"; }} || mcp_fail write\n\
         trap mcp_tidy EXIT; trap mcp_told HUP INT PIPE TERM\n\
         set +C\n\
         cat >\"$mcp_new\" || mcp_fail write\n\
         [ \"$(wc -c <\"$mcp_new\")\" -eq {size} ] || mcp_fail short\n\
         mcp_sum \"$mcp_new\" && {same} || mcp_fail sum\n",
        size = request.input.size(),
        same = is_same(&request.digest),
    ));
    if let Some(owner) = &request.owner {
        // Before the mode: giving a file away takes set-user-ID bits from it (chown(2)).
        text.push_str(&format!("chown -- {} \"$mcp_new\" || mcp_fail owner\n", quote(owner)));
    }
    text.push_str(&format!("chmod {:04o} \"$mcp_new\" || mcp_fail mode\n", request.mode));
    let mut done = "''".to_owned();
    if let Some(ending) = &request.backup {
        // Half of it must not look like all of it.
        let kept = path_word_of_host(&format!("{path}{ending}"));
        text.push_str(&format!(
            "mcp_kept=; if [ -e \"$mcp_path\" ]; then mcp_kept={kept}; \
             cp -p -- \"$mcp_path\" \"$mcp_new~\" && mv -f -- \"$mcp_new~\" \"$mcp_kept\" || mcp_fail backup; fi\n"
        ));
        done = "\"$mcp_kept\"".to_owned();
    }
    text.push_str(&format!(
        "[ -d \"$mcp_path\" ] && mcp_fail move\n\
         mv -f -- \"$mcp_new\" \"$mcp_path\" || mcp_fail move\n\
         trap - EXIT\n\
         printf '\\n{mark}\\ndone\\n%s' {done}"
    ));
    text
}

/// A path that the host said; it is whole already.
fn path_word_of_host(path: &str) -> String {
    if path.starts_with('-') { quote(&format!("./{path}")) } else { quote(path) }
}

//! A machine without files but those of a test, and what needs one: where files stand, includes, limits.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{Choice, Machine, ReadError, Request, Settings, SshConfig};

/// A machine with these files, of `ana` at `/home/ana`.
#[derive(Debug, Default)]
pub(crate) struct FakeMachine {
    pub(crate) files: BTreeMap<PathBuf, String>,
    /// Files that others may write.
    pub(crate) lax: Vec<PathBuf>,
    /// Files that cannot be opened.
    pub(crate) closed: Vec<PathBuf>,
    pub(crate) reads: AtomicUsize,
}

impl FakeMachine {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        Self { files, ..Self::default() }
    }
}

impl Machine for FakeMachine {
    fn read(&self, path: &Path, strict: bool) -> Result<Option<String>, ReadError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.closed.iter().any(|closed| closed == path) {
            return Err(ReadError::Closed("it cannot be read".to_owned()));
        }
        if strict && self.lax.iter().any(|lax| lax == path) {
            return Err(ReadError::Unfit("it can be written by others".to_owned()));
        }
        Ok(self.files.get(path).cloned())
    }

    fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let matches = |path: &&PathBuf| super::pattern::matches(pattern, &path.display().to_string());
        Ok(self.files.keys().filter(matches).cloned().collect())
    }

    fn variable(&self, name: &str) -> Option<String> {
        (name == "WHERE").then(|| "/var/%h".to_owned())
    }

    fn home_of(&self, user: &str) -> Option<PathBuf> {
        (user == "bob").then(|| "/home/bob".into())
    }

    fn home(&self) -> Option<PathBuf> {
        Some("/home/ana".into())
    }

    fn user(&self) -> String {
        "ana".to_owned()
    }

    fn user_id(&self) -> u32 {
        1000
    }

    fn host_name(&self) -> String {
        "here.example.org".to_owned()
    }
}

fn ask(machine: &FakeMachine, name: &str) -> Result<Settings, String> {
    let config = SshConfig::read(&Choice::Default, machine).map_err(|error| error.to_string())?;
    config.evaluate(&Request { name, ..Request::default() }, machine).map_err(|error| error.to_string())
}

const USER: &str = "/home/ana/.ssh/config";
const SYSTEM: &str = "/etc/ssh/ssh_config";

#[test]
fn the_users_file_comes_before_the_systems() {
    let machine = FakeMachine::with(&[(USER, "Host a\nUser mine"), (SYSTEM, "User all\nPort 23")]);
    let a = ask(&machine, "a").unwrap();
    assert_eq!((a.user.as_deref(), a.port), (Some("mine"), Some(23)));
    assert_eq!(ask(&machine, "b").unwrap().user.as_deref(), Some("all"));
    assert_eq!(ask(&FakeMachine::default(), "a").unwrap().host_name, "a");
}

#[test]
fn a_file_that_is_named_stands_alone_and_must_be_there() {
    let machine = FakeMachine::with(&[("/x", "Port 23"), (USER, "User mine"), (SYSTEM, "User all")]);
    let config = SshConfig::read(&Choice::File("/x".into()), &machine).unwrap();
    let settings = config.evaluate(&Request { name: "a", ..Request::default() }, &machine).unwrap();
    assert_eq!((settings.port, settings.user), (Some(23), None));
    let error = SshConfig::read(&Choice::File("/y".into()), &machine).unwrap_err();
    assert_eq!(error.to_string(), "/y: there is no such file");
    let config = SshConfig::read(&Choice::Nothing, &machine).unwrap();
    assert_eq!(config.evaluate(&Request { name: "a", ..Request::default() }, &machine).unwrap().port, None);
}

#[test]
fn a_file_that_others_may_write_is_refused_where_openssh_refuses_it() {
    let files = [(USER, "Include inner"), (SYSTEM, "Port 23"), ("/home/ana/.ssh/inner", "User u")];
    for (lax, refused) in [(USER, true), (SYSTEM, false), ("/home/ana/.ssh/inner", true)] {
        let machine = FakeMachine { lax: vec![lax.into()], ..FakeMachine::with(&files) };
        match ask(&machine, "a") {
            Err(error) => assert_eq!((error, refused), (format!("{lax}: it can be written by others"), true)),
            Ok(settings) => assert_eq!((settings.port, refused), (Some(23), false), "{lax}"),
        }
    }
    // What cannot be opened is not there, unless an Include leads to it.
    for (closed, refused) in [(USER, false), (SYSTEM, false), ("/home/ana/.ssh/inner", true)] {
        let machine = FakeMachine { closed: vec![closed.into()], ..FakeMachine::with(&files) };
        assert_eq!(ask(&machine, "a").is_err(), refused, "{closed}");
    }
}

#[test]
fn relative_includes_stand_beside_the_file_of_their_owner() {
    let machine = FakeMachine::with(&[
        (USER, "Include one ~/two ~bob/three ${WHERE}/four /home/%u/five config.d/*"),
        (SYSTEM, "Include one\nInclude ssh_config.d/*.conf"),
        ("/home/ana/.ssh/one", "IdentityFile one"),
        ("/home/ana/two", "IdentityFile two"),
        ("/home/bob/three", "IdentityFile three"),
        ("/var/%h/four", "IdentityFile four"),
        ("/home/ana/five", "IdentityFile five"),
        ("/home/ana/.ssh/config.d/b", "IdentityFile seven"),
        ("/home/ana/.ssh/config.d/a", "IdentityFile six"),
        ("/etc/ssh/one", "IdentityFile eight"),
        ("/etc/ssh/ssh_config.d/x.conf", "IdentityFile nine"),
    ]);
    let files = ask(&machine, "a").unwrap().identity_files;
    assert_eq!(files.join(" "), "one two three four five six seven eight nine");
    let machine = FakeMachine::with(&[(SYSTEM, "\nInclude ~/x")]);
    assert!(ask(&machine, "a").unwrap_err().starts_with("/etc/ssh/ssh_config:2: Include: \"~/x\""));
}

#[test]
fn an_include_that_depends_on_the_host_is_refused_where_it_is_in_effect() {
    let machine = FakeMachine::with(&[(USER, "Host a\nInclude /x/%h\nHost b\nUser b")]);
    let refusals = ask(&machine, "a").unwrap().refusals;
    assert!(refusals[0].to_string().starts_with("Include (/home/ana/.ssh/config:2) is in effect"), "{refusals:?}");
    assert!(ask(&machine, "b").unwrap().refusals.is_empty());
}

#[test]
fn includes_end() {
    let loops = FakeMachine::with(&[(USER, "Include config")]);
    assert!(ask(&loops, "a").unwrap_err().contains("includes go deeper than 16"));
    let files: Vec<(String, String)> =
        (0..15).map(|n| (format!("/home/ana/.ssh/{n}"), format!("Include {0} {0} {0}", n + 1))).collect();
    let mut wide = FakeMachine::with(&[(USER, "Include 0"), ("/home/ana/.ssh/15", "User u")]);
    wide.files.extend(files.into_iter().map(|(path, text)| (path.into(), text)));
    assert!(ask(&wide, "a").unwrap_err().contains("more than"));
    let deep: Vec<(String, String)> =
        (0..15).map(|n| (format!("/home/ana/.ssh/{n}"), format!("Include {}", n + 1))).collect();
    let mut machine = FakeMachine::with(&[(USER, "Include 0"), ("/home/ana/.ssh/15", "User u")]);
    machine.files.extend(deep.into_iter().map(|(path, text)| (path.into(), text)));
    assert_eq!(ask(&machine, "a").unwrap().user.as_deref(), Some("u"));
}

#[test]
fn tokens_are_expanded_once_and_in_place() {
    let machine = FakeMachine::with(&[(
        USER,
        "Host a\nHostName %h.example.org\nPort 2222\nUser u\nHostKeyAlias KEY\nProxyJump j@outer,inner\n\
         UserKnownHostsFile %d/%u/%i/%L/%l/%h/%n/%p/%r/%k/%j/%% ${WHERE} ~bob/x\nIdentityFile ${WHERE}/%p\n\
         Host b\nIdentityFile ${NOWHERE}\nHost c\nIdentityFile %T",
    )]);
    let a = ask(&machine, "a").unwrap();
    assert_eq!(
        a.user_known_hosts.as_ref().unwrap().join(" "),
        "/home/ana/ana/1000/here/here.example.org/a.example.org/a/2222/u/key/inner/% /var/%h /home/bob/x"
    );
    assert_eq!(a.identity_paths(&machine).unwrap(), ["/var/%h/2222"]);
    for (name, why) in [("b", "`${NOWHERE}` is not set"), ("c", "no token `%T`")] {
        let refusal = ask(&machine, name).unwrap().identity_paths(&machine).unwrap_err();
        assert!(refusal.to_string().contains(why), "{refusal}");
    }
}

#[test]
fn tags_and_session_types_choose_lines() {
    let text =
        "Host a\nTag blue\nMatch tagged blu?\nUser blue\nMatch tagged \"\"\nUser none\nMatch sessiontype exec\nPort 23";
    let machine = FakeMachine::with(&[(USER, text)]);
    assert_eq!(ask(&machine, "a").unwrap().user.as_deref(), Some("blue"));
    let b = ask(&machine, "b").unwrap();
    assert_eq!((b.user.as_deref(), b.port), (Some("none"), Some(23)));
}

#[test]
fn what_is_not_done_is_refused_by_name_and_place_only_where_it_is_in_effect() {
    for (line, keyword) in [
        ("ProxyCommand nc %h %p", "ProxyCommand"),
        ("KnownHostsCommand /x", "KnownHostsCommand"),
        ("RevokedHostKeys /x", "RevokedHostKeys"),
        ("PKCS11Provider /x", "PKCS11Provider"),
        ("SmartcardDevice /x", "PKCS11Provider"),
        ("BindAddress ::1", "BindAddress"),
        ("BindInterface lo", "BindInterface"),
        ("PubkeyAuthentication no", "PubkeyAuthentication"),
        ("DSAAuthentication no", "PubkeyAuthentication"),
        ("PreferredAuthentications password", "PreferredAuthentications"),
        ("RefuseConnection \"gone\"", "RefuseConnection"),
        ("Match exec true\nPort 23", "Match exec"),
        ("Match exec true originalhost a\nUser x", "Match exec"),
        ("Match localnetwork 10.0.0.0/8\nIdentityFile /x", "Match localnetwork"),
        ("Match version OpenSSH_*\nTag x", "Match version"),
        ("CanonicalDomains x.org\nCanonicalizeHostname yes", "CanonicalizeHostname"),
    ] {
        let text =
            if line.starts_with("Match") { line.replace("Match", "Match host a") } else { format!("Host a\n{line}") };
        let machine = FakeMachine::with(&[(USER, &text)]);
        let refusals = ask(&machine, "a").unwrap().refusals;
        assert_eq!(refusals.iter().map(|refusal| refusal.keyword).collect::<Vec<_>>(), [keyword], "{line}");
        assert!(refusals[0].to_string().contains("/home/ana/.ssh/config:"), "{line}");
        assert!(ask(&machine, "b").unwrap().refusals.is_empty(), "{line}");
    }
}

#[test]
fn a_match_that_would_run_something_refuses_no_host_for_which_its_lines_change_nothing() {
    for (text, user) in [
        ("Match host * exec \"gpg-connect-agent updatestartuptty /bye\"\n", None),
        ("Match host * exec \"gpg-connect-agent updatestartuptty /bye\"\nHost a\nUser x\n", Some("x")),
        ("Host a\nUser x\nMatch host * exec true\n  User y\n", Some("x")),
        ("Host a\nUser x\nPort 2\nMatch exec false\n  Port 3\n  User y\n  ForwardAgent yes\n", Some("x")),
        ("Match exec true\n  ForwardAgent yes\n  ServerAliveInterval 5\n", None),
        ("Match !exec true\n# nothing\n", None),
        ("Match exec true host b\n  User y\n", None),
        ("Match host b exec true\n  User y\n", None),
        ("IdentityFile /x\nMatch exec true\n  IdentityFile /x\n", None),
    ] {
        let machine = FakeMachine::with(&[(USER, text)]);
        let settings = ask(&machine, "a").unwrap_or_else(|e| panic!("{text}: {e}"));
        assert!(settings.refusals.is_empty(), "{text}: {:?}", settings.refusals);
        assert_eq!(settings.user.as_deref(), user, "{text}");
    }
    // What it would set is not set, where it is refused.
    let machine = FakeMachine::with(&[(USER, "Match exec true\n  User y\n  Nonsense z\n")]);
    assert!(ask(&machine, "a").is_err());
    let machine = FakeMachine::with(&[(USER, "Match exec true\n  User y\nHost a\n  User x\n")]);
    let settings = ask(&machine, "a").unwrap();
    assert_eq!((settings.refusals.len(), settings.user.as_deref()), (1, Some("x")));
}

#[test]
fn an_unknown_keyword_is_one_error_with_its_place_and_what_was_meant() {
    let machine = FakeMachine::with(&[(USER, "Host b\n\nHostNam x")]);
    let error = ask(&machine, "a").unwrap_err();
    assert!(error.starts_with("/home/ana/.ssh/config:3: there is no keyword \"hostnam\""), "{error}");
    assert!(error.ends_with("did you mean \"Hostname\"?"), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(?s).{0,200}", name in "[a-z.:-]{1,8}") {
        let _ = ask(&FakeMachine::with(&[(USER, &text)]), &name);
    }

    #[test]
    fn no_lines_panic(
        lines in proptest::collection::vec(
            "( |\t){0,2}(Host|Match|Include|ProxyJump|IdentityFile|User|HostName|Port|Tag|IdentityAgent|ConnectTimeout)( |=|  = )\
             (a|\\*|!b|\"a b|'x'|%h|%%|%|\\$\\{WHERE\\}|\\$\\{|~|~bob|ssh://a|\\[::1\\]:2|a@b:1,c|none|final|all|host a|config|1h9|#|\\\\){0,3}\r?",
            0..12,
        )
    ) {
        if let Ok(settings) = ask(&FakeMachine::with(&[(USER, &lines.join("\n"))]), "a") {
            let machine = FakeMachine::default();
            let _ = (settings.identity_paths(&machine), settings.hops(&machine));
        }
    }
}

//! Asks `ssh` and the product about one host of one file, and says where they differ.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use mcp::config::{
    ssh_config::{Choice, HostKeyChecking, Request, Settings, SshConfig},
    store::ThisMachine,
};

/// A host as it is asked for: `[user@]name[:port][=address]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    name: String,
    user: Option<String>,
    port: Option<u16>,
    address: Option<String>,
}

impl Asked {
    pub(crate) fn parse(text: &str) -> Self {
        let (text, address) =
            text.split_once('=').map_or((text, None), |(text, address)| (text, Some(address.to_owned())));
        let (user, text) = text.split_once('@').map_or((None, text), |(user, text)| (Some(user.to_owned()), text));
        // An IPv6 address is a name of its own.
        let (name, port) = match text.split_once(':') {
            Some((name, port)) if !port.contains(':') && !name.is_empty() => (name, Some(port.parse().unwrap())),
            _ => (text, None),
        };
        Self { name: name.to_owned(), user, port, address }
    }

    fn request(&self) -> Request<'_> {
        Request {
            name: &self.name,
            host_name: self.address.as_deref(),
            user: self.user.as_deref(),
            port: self.port,
            way_is_given: false,
        }
    }

    fn ssh(&self, file: &Path) -> Command {
        let mut command = Command::new("ssh");
        command.arg("-F").arg(file).stdin(Stdio::null());
        for (option, value) in [("-l", self.user.clone()), ("-p", self.port.map(|port| port.to_string()))] {
            command.args(value.iter().flat_map(|value| [option, value]));
        }
        if let Some(address) = &self.address {
            command.args(["-o", &format!("HostName={address}")]);
        }
        command
    }
}

/// How one host of one file compares.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Same,
    Refused,
    /// Neither takes the file.
    Broken,
    /// The installed `ssh` is older than what the file uses.
    NotKnownToThisSsh,
}

/// The fixtures, copied so that their modes and the paths in them are known.
pub(crate) struct Corpus(tempfile::TempDir);

impl Corpus {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ssh_config"), directory.path(), directory.path());
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

fn copy(from: &Path, to: &Path, root: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target, root);
        } else {
            let text = fs::read_to_string(&path).unwrap().replace("@DIR@", &root.display().to_string());
            fs::write(&target, text).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

pub(crate) fn machine() -> ThisMachine {
    // `ssh` takes both from the system's user database, not from the environment.
    static ENTRY: OnceLock<(String, PathBuf)> = OnceLock::new();
    let (user, home) = ENTRY.get_or_init(|| {
        let name = Command::new("id").arg("-un").output().unwrap();
        let name = String::from_utf8(name.stdout).unwrap().trim().to_owned();
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let home = users.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap().split(':').nth(5).unwrap();
        (name, home.into())
    });
    ThisMachine { home: Some(home.clone()), user: user.clone() }
}

/// Compares what `file` means to both; a difference is an error.
pub(crate) fn compare(file: &Path, asked: &Asked) -> Result<Outcome, String> {
    let text = fs::read_to_string(file).unwrap();
    let marked =
        |mark: &str| text.lines().find_map(|line| line.strip_prefix(&format!("# {mark}: ")).map(str::to_owned));
    if marked("needs").is_some_and(|version| number(&version) > installed()) {
        // It is read all the same.
        ours(file, asked)?;
        return Ok(Outcome::NotKnownToThisSsh);
    }
    compare_files(file, file, asked, marked("expand").is_some())
}

/// Compares what `ours_file` means here with what `theirs_file` means to `ssh`.
pub(crate) fn compare_files(
    ours_file: &Path,
    theirs_file: &Path,
    asked: &Asked,
    expand: bool,
) -> Result<Outcome, String> {
    let output = asked.ssh(theirs_file).args(["-G", "--", &asked.name]).output().unwrap();
    let theirs = output.status.success().then(|| lines(&String::from_utf8_lossy(&output.stdout)));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let (ours, theirs) = match (ours(ours_file, asked), theirs) {
        (Err(_), None) => return Ok(Outcome::Broken),
        (Err(error), Some(_)) => return Err(format!("ssh takes what is an error here: {error}")),
        (Ok(ours), None) if !ours.refusals.is_empty() => return Ok(Outcome::Refused),
        (Ok(_), None) => return Err(format!("no answer of ssh: {said}")),
        (Ok(ours), Some(theirs)) => (ours, theirs),
    };
    let unknowable = |keyword: &str| keyword.starts_with("Match") || keyword == "CanonicalizeHostname";
    let named: Vec<&str> = ours.refusals.iter().map(|refusal| refusal.keyword).collect();
    if named.iter().any(|keyword| unknowable(keyword)) {
        return Ok(Outcome::Refused);
    }
    let in_effect = refused(&theirs);
    if in_effect != named.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>() {
        return Err(format!("refused here: {named:?}; in effect for ssh: {in_effect:?}"));
    }
    for (option, ours) in shown(&ours) {
        let theirs = theirs.get(option).cloned().unwrap_or_default();
        if ours != theirs {
            return Err(format!("{option}: {ours:?} here, {theirs:?} for ssh"));
        }
    }
    if expand {
        return compare_expanded(&ours, theirs_file, asked);
    }
    Ok(if named.is_empty() { Outcome::Same } else { Outcome::Refused })
}

/// Paths of keys are expanded only once a connection is begun.
fn compare_expanded(ours: &Settings, file: &Path, asked: &Asked) -> Result<Outcome, String> {
    let options = ["-v", "-o", "ProxyCommand=true", "-o", "BatchMode=yes", "--", &asked.name, "true"];
    let output = asked.ssh(file).args(options).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    let seen = |what: &str| -> Vec<String> {
        let prefix = format!("debug1: {what} file ");
        let found =
            text.lines().filter_map(|line| line.strip_prefix(&prefix)?.split(" type ").next().map(str::to_owned));
        found.collect()
    };
    let machine = machine();
    let identities = ours.identity_paths(&machine);
    let certificates = ours.certificate_paths(&machine);
    // The proxy may be gone before or after the first line is written to it.
    if !["Local version string", "kex_exchange_identification"].iter().any(|sign| text.contains(sign)) {
        return match (identities, certificates) {
            (Ok(_), Ok(_)) => Err(format!("ssh cannot expand what is expanded here: {text}")),
            _ => Ok(Outcome::Refused),
        };
    }
    let mut identities = identities.map_err(|refusal| refusal.to_string())?;
    let certificates = certificates.map_err(|refusal| refusal.to_string())?;
    // Without a CertificateFile, `ssh` names a certificate beside every key.
    if certificates.is_empty() {
        identities = identities.iter().flat_map(|key| [key.clone(), format!("{key}-cert")]).collect();
    }
    let theirs = seen("identity");
    if !ours.identity_files.is_empty() && identities != theirs {
        return Err(format!("identity files: {identities:?} here, {theirs:?} for ssh"));
    }
    let theirs = seen("certificate");
    if certificates != theirs {
        return Err(format!("certificates: {certificates:?} here, {theirs:?} for ssh"));
    }
    Ok(Outcome::Same)
}

pub(crate) fn ours(file: &Path, asked: &Asked) -> Result<Settings, String> {
    let machine = machine();
    let config = SshConfig::read(&Choice::File(file.to_owned()), &machine).map_err(|error| error.to_string())?;
    config.evaluate(&asked.request(), &machine).map_err(|error| error.to_string())
}

/// The options that take effect, as `ssh -G` prints them.
fn shown(settings: &Settings) -> Vec<(&'static str, Vec<String>)> {
    let one = |value: &str| vec![value.to_owned()];
    let maybe = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
    let flag = |value: Option<bool>| one(if value == Some(true) { "yes" } else { "no" });
    let home = machine().home.unwrap();
    let files = |files: &Option<Vec<String>>, defaults: [String; 2]| {
        one(&files.clone().unwrap_or_else(|| defaults.to_vec()).join(" "))
    };
    let identities = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_xmss", "id_dsa"];
    let identities = identities.map(|name| format!("~/.ssh/{name}"));
    vec![
        ("hostname", one(&settings.host_name)),
        ("user", one(settings.user.as_deref().unwrap_or(&machine().user))),
        ("port", one(&settings.port.unwrap_or(22).to_string())),
        (
            "identityfile",
            if settings.identity_files.is_empty() { identities.to_vec() } else { settings.identity_files.clone() },
        ),
        ("certificatefile", settings.certificate_files.clone()),
        ("identitiesonly", flag(settings.identities_only)),
        ("identityagent", maybe(&settings.identity_agent)),
        (
            "userknownhostsfile",
            files(
                &settings.user_known_hosts,
                ["known_hosts", "known_hosts2"].map(|name| home.join(".ssh").join(name).display().to_string()),
            ),
        ),
        (
            "globalknownhostsfile",
            files(
                &settings.global_known_hosts,
                ["ssh_known_hosts", "ssh_known_hosts2"].map(|name| format!("/etc/ssh/{name}")),
            ),
        ),
        (
            "stricthostkeychecking",
            one(match settings.host_key_checking {
                Some(HostKeyChecking::Yes) => "true",
                Some(HostKeyChecking::AcceptNew) => "accept-new",
                Some(HostKeyChecking::Off) => "false",
                Some(HostKeyChecking::Ask) | None => "ask",
            }),
        ),
        (
            "connecttimeout",
            one(&settings.connect_timeout.map_or_else(|| "none".to_owned(), |seconds| seconds.to_string())),
        ),
        ("hostkeyalias", maybe(&settings.host_key_alias)),
        ("hashknownhosts", flag(settings.hash_known_hosts)),
        (
            "proxyjump",
            settings.jump.iter().filter(|(jump, _)| !jump.hops.is_empty()).map(|(jump, _)| jump.to_string()).collect(),
        ),
    ]
}

/// What is in effect for `ssh` of the keywords that are refused here, in the order of the alphabet that the refusals have in
/// no file: by their place, so a fixture has one at most.
fn refused(theirs: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let one = |option: &str| theirs.get(option).and_then(|values| values.first()).map(String::as_str);
    let mut found = vec![];
    for (option, keyword) in [
        ("proxycommand", "ProxyCommand"),
        ("bindaddress", "BindAddress"),
        ("bindinterface", "BindInterface"),
        ("knownhostscommand", "KnownHostsCommand"),
        ("revokedhostkeys", "RevokedHostKeys"),
        ("pkcs11provider", "PKCS11Provider"),
    ] {
        if one(option).is_some() {
            found.push(keyword.to_owned());
        }
    }
    if one("pubkeyauthentication") == Some("false") {
        found.push("PubkeyAuthentication".to_owned());
    }
    if one("preferredauthentications").is_some_and(|list| !list.split(',').any(|method| method == "publickey")) {
        found.push("PreferredAuthentications".to_owned());
    }
    found
}

fn lines(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let (option, value) = line.split_once(' ').unwrap_or((line, ""));
        found.entry(option.to_owned()).or_default().push(value.to_owned());
    }
    found
}

/// The version of the installed `ssh`.
fn installed() -> (u32, u32) {
    static VERSION: OnceLock<(u32, u32)> = OnceLock::new();
    *VERSION.get_or_init(|| {
        let output = Command::new("ssh").arg("-V").output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        number(text.strip_prefix("OpenSSH_").expect(&text))
    })
}

fn number(text: &str) -> (u32, u32) {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

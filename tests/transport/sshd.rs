//! A private sshd on loopback with keys of its own, and the hosts and connectors to reach it with.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use mcp::{
    domain::{Connection, Docker, Host, HostName, SshEndpoint},
    transport::{
        Cancel, Connector, Limits, Output, Phase, Remote, ShellScript, TransportError,
        ssh::{
            SshConnector, SshOptions,
            kept::{Directory, Keep, Keeper},
        },
    },
};
use tempfile::TempDir;

/// Far longer than anything here takes, and short enough to notice.
pub(crate) const AMPLE: Duration = Duration::from_secs(30);

pub(crate) struct Sshd {
    pub(crate) directory: TempDir,
    pub(crate) address: String,
    pub(crate) port: u16,
    child: Child,
}

impl Sshd {
    /// An sshd that takes `id_ed25519` of its directory.
    pub(crate) fn start() -> Self {
        Self::with(&["ed25519"], "")
    }

    /// An sshd with host keys of these types and these further lines of configuration.
    pub(crate) fn with(host_keys: &[&str], configuration: &str) -> Self {
        Self::prepared(host_keys, configuration, |_, _| {})
    }

    /// An sshd started after `prepare`, which finds the host keys in the directory and is told the address. `DIR` in the
    /// configuration is that directory.
    pub(crate) fn prepared(host_keys: &[&str], configuration: &str, prepare: impl FnOnce(&Path, &str)) -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let address = format!("127.0.77.{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let port = TcpListener::bind((&*address, 0)).unwrap().local_addr().unwrap().port();
        // All addresses hold its own; of two values of `MaxStartups` and of `LogLevel` sshd takes the first.
        let listens =
            if configuration.contains("ListenAddress 0.0.0.0") { "" } else { &format!("ListenAddress {address}\n") };
        let level = if configuration.contains("LogLevel ") { "" } else { "LogLevel VERBOSE\n" };
        let startups = if configuration.contains("MaxStartups ") { "" } else { "MaxStartups 200\n" };
        let mut text = format!(
            "{listens}{startups}Port {port}\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n{level}\
             AuthorizedKeysFile {authorized}\nSetEnv HOME={home}\n",
            authorized = path("authorized_keys").display(),
            home = path("home").display(),
        );
        fs::create_dir(path("home")).unwrap();
        for kind in host_keys {
            let key = path(&format!("host_{kind}"));
            keygen(&key, kind, "");
            text.push_str(&format!("HostKey {}\n", key.display()));
        }
        prepare(directory.path(), &address);
        // Last, because nothing after a `Match` is for all.
        text.push_str(&format!("{}\n", configuration.replace("DIR", &directory.path().display().to_string())));
        fs::write(path("sshd_config"), text).unwrap();
        keygen(&path("id_ed25519"), "ed25519", "");
        fs::copy(path("id_ed25519.pub"), path("authorized_keys")).unwrap();
        let known: String = host_keys.iter().map(|kind| known_line(directory.path(), kind, &address, port)).collect();
        fs::write(path("known_hosts"), known).unwrap();
        let _ = fs::create_dir_all("/run/sshd");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(path("sshd_config"))
            .stdin(Stdio::null())
            .stderr(File::create(path("log")).unwrap())
            .spawn()
            .unwrap();
        let sshd = Self { directory, address, port, child };
        wait_until("sshd listens", || TcpStream::connect((&*sshd.address, sshd.port)).is_ok());
        sshd
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes a key and lets it in.
    pub(crate) fn authorize(&self, name: &str, kind: &str, passphrase: &str) -> PathBuf {
        let key = self.path(name);
        keygen(&key, kind, passphrase);
        let mut keys = fs::read_to_string(self.path("authorized_keys")).unwrap();
        keys.push_str(&fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap());
        fs::write(self.path("authorized_keys"), keys).unwrap();
        key
    }

    pub(crate) fn endpoint(&self) -> SshEndpoint {
        SshEndpoint {
            port: self.port,
            identity_files: vec![self.path("id_ed25519")],
            known_hosts: vec![self.path("known_hosts")],
            ..SshEndpoint::new(self.address.clone(), user())
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A session that another process might hold: a keeper's, that was left by an earlier run.
    pub(crate) fn kept(&self) -> Box<dyn Remote> {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let runtime = self.path(&format!("runtime-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&runtime).unwrap();
        let keep = Keep { directory: Directory::of_user(Some(&runtime)), persist: Some(AMPLE), pool: Arc::default() };
        let options = SshOptions { keep: Some(keep.clone()), ..SshOptions::default() };
        drop(connect(&SshConnector::new(options.clone()), self.endpoint()).unwrap());
        let keeper = Keeper::new(&keep.directory, &keep.pool).unwrap().unwrap();
        std::thread::spawn(move || keeper.run());
        let connector = SshConnector::new(options);
        let remote = connect(&connector, self.endpoint()).unwrap();
        assert_eq!((connector.counts().reused(), connector.counts().sessions()), (1, 0));
        remote
    }

    /// A session of this process, and one of a keeper.
    pub(crate) fn sessions(&self) -> [Box<dyn Remote>; 2] {
        [self.connect(), self.kept()]
    }

    /// Connects as [`Sshd::endpoint`] says.
    pub(crate) fn connect(&self) -> Box<dyn Remote> {
        connect(&connector(), self.endpoint()).unwrap()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("sshd said:\n{}", fs::read_to_string(self.directory.path().join("log")).unwrap_or_default());
        }
    }
}

pub(crate) fn keygen(path: &Path, kind: &str, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    let (kind, pem) = kind.strip_suffix("-pem").map_or((kind, false), |kind| (kind, true));
    if pem {
        command.args(["-m", "PEM"]);
    }
    let output = command.args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A `known_hosts` line for one of an sshd's host keys.
pub(crate) fn known_line(directory: &Path, kind: &str, address: &str, port: u16) -> String {
    let public = fs::read_to_string(directory.join(format!("host_{kind}.pub"))).unwrap();
    format!("[{address}]:{port} {public}")
}

pub(crate) fn user() -> String {
    String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap().trim().to_owned()
}

pub(crate) fn connector() -> SshConnector {
    SshConnector::new(SshOptions::default())
}

pub(crate) fn host(endpoint: SshEndpoint) -> Host {
    let name = HostName::new("target").unwrap();
    Host { docker: Docker::Absent, connect_timeout: AMPLE, ..Host::new(name, Connection::Ssh(endpoint)) }
}

pub(crate) fn connect(connector: &SshConnector, endpoint: SshEndpoint) -> Result<Box<dyn Remote>, TransportError> {
    connect_within(connector, endpoint, AMPLE)
}

pub(crate) fn connect_within(
    connector: &SshConnector,
    endpoint: SshEndpoint,
    allowed: Duration,
) -> Result<Box<dyn Remote>, TransportError> {
    connector.connect(&host(endpoint), &Limits::new(allowed, &Cancel::new(), &|_| {}))
}

/// The error of a connect that must fail.
pub(crate) fn refusal(connector: &SshConnector, endpoint: SshEndpoint) -> TransportError {
    match connect(connector, endpoint) {
        Ok(_) => panic!("the connection was let in"),
        Err(error) => error,
    }
}

pub(crate) fn script(text: &str) -> ShellScript {
    ShellScript { text: text.to_owned(), sensitive: false }
}

pub(crate) fn exec(remote: &mut dyn Remote, text: &str) -> Output {
    exec_within(remote, text, AMPLE).unwrap()
}

pub(crate) fn exec_within(remote: &mut dyn Remote, text: &str, allowed: Duration) -> Result<Output, TransportError> {
    remote.exec(&script(text), &Limits::new(allowed, &Cancel::new(), &|_: Phase| {}))
}

pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < AMPLE, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The processes that have `word` as an argument. A word from [`unique`] finds nobody else's.
pub(crate) fn pids_of(word: &str) -> Vec<u32> {
    let has_word = |pid: &u32| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes()))
    };
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(has_word).collect()
}

pub(crate) fn is_running(word: &str) -> bool {
    !pids_of(word).is_empty()
}

pub(crate) fn kill(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
}

/// A number of seconds for `sleep` that is nobody else's argument.
pub(crate) fn unique() -> String {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    format!("{}.{}", 100_000 + std::process::id() % 100_000, NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

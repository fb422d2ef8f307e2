//! What the configuration says of one host: first value wins, twice over when `Match final` asks for it.
//!
//! Boundary: pure; neither looks up names nor runs commands, so what would need that is a [`Refusal`].
//! Source: ssh_config(5); `main` of OpenSSH's ssh.c for the order of things, `match_cfg_line` of readconf.c.

use std::net::IpAddr;

use super::{
    Machine, Origin, SshConfig,
    conditions::{Condition, CriterionKind},
    jump::Jump,
    keywords,
    options::{self, AlgorithmKind, MOST_FILES, Setting},
    parser::{self, Block, Entry, File},
    pattern::{self, Verdict},
    settings::{Origins, Refusal, Request, Settings},
    tokens::{self, Variables},
    values::{Canonicalize, HostKeyChecking},
};
use crate::{
    config::error::ConfigError,
    domain::{AddressFamily, Algorithms},
};

/// A value and where it was said first.
type Said<T> = Option<(T, Origin)>;

#[derive(Clone, Default, PartialEq)]
struct Options {
    host_name: Option<(String, Option<Origin>)>,
    user: Option<String>,
    port: Option<u16>,
    identity_files: Vec<(String, Origin)>,
    certificate_files: Vec<(String, Origin)>,
    identities_only: Option<bool>,
    identity_agent: Said<String>,
    user_known_hosts: Said<Vec<String>>,
    global_known_hosts: Option<Vec<String>>,
    host_key_checking: Option<HostKeyChecking>,
    /// `none` leaves it open for a later line, as in OpenSSH.
    connect_timeout: Option<u32>,
    host_key_alias: Option<String>,
    hash_known_hosts: Option<bool>,
    jump: Said<Jump>,
    proxy_command: Said<String>,
    tag: Option<String>,
    ignore_unknown: Option<String>,
    canonicalize: Said<Canonicalize>,
    canonical_domains: Option<bool>,
    canonicalize_max_dots: Option<i64>,
    permitted_cnames: Option<bool>,
    address_family: Option<AddressFamily>,
    algorithms: Algorithms,
    refusable: Vec<(&'static str, String, Origin)>,
}

/// Whether the lines of a block hold for a host.
enum Holds {
    Yes,
    No,
    /// What would have to be run or looked up decides: the criterion, and where it stands.
    Undecided(&'static str, Origin),
}

struct Evaluation<'a> {
    machine: &'a dyn Machine,
    request: Request<'a>,
    options: Options,
    /// What `Host` lines are held against: the name, and in the final pass where it leads.
    host: String,
    is_final: bool,
    final_is_wanted: bool,
    refusals: Vec<Refusal>,
}

impl SshConfig {
    /// What holds for the host of `request`.
    ///
    /// # Errors
    /// A keyword that neither OpenSSH nor an `IgnoreUnknown` in effect knows.
    pub fn evaluate(&self, request: &Request<'_>, machine: &dyn Machine) -> Result<Settings, ConfigError> {
        let literal = |name: &str| (name.replace('%', "%%"), None);
        let mut evaluation = Evaluation {
            machine,
            request: *request,
            options: Options {
                host_name: request.host_name.map(literal),
                user: request.user.map(str::to_owned),
                port: request.port,
                ..Options::default()
            },
            host: request.name.to_owned(),
            is_final: false,
            final_is_wanted: false,
            refusals: Vec::new(),
        };
        evaluation.pass(&self.files)?;
        let mut host = evaluation.target();
        // Addresses keep their letters.
        if host.parse::<IpAddr>().is_err() {
            host.make_ascii_lowercase();
        }
        if evaluation.canonicalizes(&mut host) || evaluation.final_is_wanted {
            evaluation.options.host_name = Some(literal(&host));
            evaluation.host.clone_from(&host);
            evaluation.is_final = true;
            evaluation.pass(&self.files)?;
        }
        Ok(evaluation.finish(host))
    }
}

impl Evaluation<'_> {
    fn pass(&mut self, files: &[File]) -> Result<(), ConfigError> {
        files.iter().try_for_each(|file| self.file(file, true, false))
    }

    /// `active` is what holds before the first `Host` or `Match`; in a file that is `dead` neither ever holds.
    fn file(&mut self, file: &File, mut active: bool, dead: bool) -> Result<(), ConfigError> {
        let host = self.host.clone();
        for block in file.blocks(&host) {
            if let Some(condition) = &block.condition {
                active = match self.holds(condition) {
                    Holds::Yes => !dead,
                    Holds::Undecided(keyword, origin) if !dead => {
                        self.undecided(block, keyword, &origin)?;
                        continue;
                    }
                    Holds::No | Holds::Undecided(..) => false,
                };
            }
            if active || block.noted {
                self.block(block, active)?;
            }
        }
        Ok(())
    }

    /// Refuses a block that may or may not hold, unless its lines change nothing for this host: it is empty, or all it sets is
    /// set already.
    fn undecided(&mut self, block: &Block, keyword: &'static str, origin: &Origin) -> Result<(), ConfigError> {
        let before = (self.options.clone(), self.refusals.clone(), self.final_is_wanted);
        self.block(block, true)?;
        if (&self.options, &self.refusals, self.final_is_wanted) != (&before.0, &before.1, before.2) {
            (self.options, self.refusals, self.final_is_wanted) = before;
            let why =
                "its lines would change how this host is reached, and nothing but names is looked at to choose them";
            self.refuse(keyword, origin, why);
        }
        Ok(())
    }

    fn block(&mut self, block: &Block, active: bool) -> Result<(), ConfigError> {
        for entry in &block.entries {
            match entry {
                Entry::Set(setting, origin) if active => self.set(setting, origin),
                Entry::Set(..) => {}
                Entry::Include(files) => files.iter().try_for_each(|file| self.file(file, active, !active))?,
                Entry::HostInclude(origin) if active => {
                    let why = "a path that depends on the host is not read; name the files, or use a glob";
                    self.refuse("Include", origin, why);
                }
                Entry::HostInclude(_) => {}
                Entry::Unknown(keyword, origin) => {
                    let ignored = self.options.ignore_unknown.as_deref().unwrap_or_default();
                    if pattern::list(&ignored.to_ascii_lowercase(), keyword) != Verdict::Matched {
                        return Err(parser::unknown(keyword, origin));
                    }
                }
            }
        }
        Ok(())
    }

    fn holds(&mut self, condition: &Condition) -> Holds {
        match condition {
            Condition::Host(terms) => {
                let mut holds = false;
                for (negated, pattern) in terms {
                    if pattern::matches(pattern, &self.host) {
                        if *negated {
                            return Holds::No;
                        }
                        holds = true;
                    }
                }
                if holds { Holds::Yes } else { Holds::No }
            }
            Condition::Match(criteria, origin) => {
                let mut undecided = None;
                let mut holds = true;
                for criterion in criteria {
                    let matched = match &criterion.kind {
                        CriterionKind::All => true,
                        CriterionKind::Canonical => self.is_final,
                        CriterionKind::Final => {
                            self.final_is_wanted = true;
                            self.is_final
                        }
                        CriterionKind::Host(patterns) => {
                            let host = self.target().to_ascii_lowercase();
                            pattern::list(&patterns.to_ascii_lowercase(), &host) == Verdict::Matched
                        }
                        CriterionKind::OriginalHost(patterns) => {
                            let name = self.request.name.to_ascii_lowercase();
                            pattern::list(&patterns.to_ascii_lowercase(), &name) == Verdict::Matched
                        }
                        CriterionKind::User(patterns) => {
                            let user = self.options.user.clone().unwrap_or_else(|| self.machine.user());
                            pattern::list(patterns, &user) == Verdict::Matched
                        }
                        CriterionKind::LocalUser(patterns) => {
                            pattern::list(patterns, &self.machine.user()) == Verdict::Matched
                        }
                        CriterionKind::Tagged(patterns) => {
                            let tag = self.options.tag.as_deref().unwrap_or_default();
                            pattern::list(patterns, tag) == Verdict::Matched
                        }
                        // What runs here is what `ssh HOST COMMAND` is to OpenSSH.
                        CriterionKind::SessionType(patterns) => pattern::list(patterns, "exec") == Verdict::Matched,
                        CriterionKind::Refused(keyword) => {
                            undecided.get_or_insert(*keyword);
                            continue;
                        }
                    };
                    holds &= matched != criterion.negated;
                }
                match undecided {
                    _ if !holds => Holds::No,
                    Some(keyword) => Holds::Undecided(keyword, origin.clone()),
                    None => Holds::Yes,
                }
            }
        }
    }

    fn set(&mut self, setting: &Setting, origin: &Origin) {
        fn first<T: Clone>(place: &mut Option<T>, value: &T) {
            place.get_or_insert_with(|| value.clone());
        }
        fn said<T: Clone>(place: &mut Said<T>, value: &T, origin: &Origin) {
            place.get_or_insert_with(|| (value.clone(), origin.clone()));
        }
        let options = &mut self.options;
        match setting {
            Setting::AddressFamily(family) => first(&mut options.address_family, family),
            Setting::Algorithms(kind, list) => {
                let algorithms = &mut options.algorithms;
                let place = match kind {
                    AlgorithmKind::Ciphers => &mut algorithms.ciphers,
                    AlgorithmKind::HostKeys => &mut algorithms.host_keys,
                    AlgorithmKind::KeyExchange => &mut algorithms.key_exchange,
                    AlgorithmKind::Macs => &mut algorithms.macs,
                };
                first(place, list);
            }
            Setting::CanonicalDomains(any) => first(&mut options.canonical_domains, any),
            Setting::CanonicalizeHostname(value) => said(&mut options.canonicalize, value, origin),
            Setting::CanonicalizeMaxDots(most) => first(&mut options.canonicalize_max_dots, most),
            Setting::CanonicalizePermittedCnames(any) => first(&mut options.permitted_cnames, any),
            Setting::CertificateFile(path) => self.gather(path, origin, false),
            Setting::ConnectTimeout(seconds) => options.connect_timeout = options.connect_timeout.or(*seconds),
            Setting::GlobalKnownHosts(files) => first(&mut options.global_known_hosts, files),
            Setting::HashKnownHosts(yes) => first(&mut options.hash_known_hosts, yes),
            Setting::HostKeyAlias(alias) => first(&mut options.host_key_alias, alias),
            Setting::HostKeyChecking(value) => first(&mut options.host_key_checking, value),
            Setting::HostName(name) => first(&mut options.host_name, &(name.clone(), Some(origin.clone()))),
            Setting::IdentitiesOnly(yes) => first(&mut options.identities_only, yes),
            Setting::IdentityAgent(agent) => said(&mut options.identity_agent, agent, origin),
            Setting::IdentityFile(path) => self.gather(path, origin, true),
            Setting::IgnoreUnknown(patterns) => first(&mut options.ignore_unknown, patterns),
            Setting::Port(port) => first(&mut options.port, port),
            // The one that stands first leaves no place for the other; but OpenSSH 9.2 runs a command after `ProxyJump none`,
            // and what may be in effect is better refused than passed over.
            Setting::ProxyCommand(command)
                if options.jump.as_ref().is_none_or(|(jump, _)| jump.hops.is_empty()) && !self.request.way_is_given =>
            {
                said(&mut options.proxy_command, command, origin);
            }
            Setting::ProxyJump(jump) if options.proxy_command.is_none() && !self.request.way_is_given => {
                said(&mut options.jump, jump, origin);
            }
            Setting::ProxyCommand(_) | Setting::ProxyJump(_) => {}
            Setting::Refusable(keyword, value) => {
                if options.refusable.iter().all(|(other, ..)| other != keyword) {
                    options.refusable.push((keyword, value.clone(), origin.clone()));
                }
            }
            Setting::RequiredRsaSize(bits) => first(&mut options.algorithms.required_rsa_bits, bits),
            Setting::Tag(tag) => first(&mut options.tag, tag),
            Setting::User(user) => first(&mut options.user, user),
            Setting::UserKnownHosts(files) => said(&mut options.user_known_hosts, files, origin),
        }
    }

    fn gather(&mut self, path: &str, origin: &Origin, identity: bool) {
        let (keyword, files) = if identity {
            ("IdentityFile", &mut self.options.identity_files)
        } else {
            ("CertificateFile", &mut self.options.certificate_files)
        };
        if files.iter().any(|(other, _)| other == path) {
            return;
        }
        if files.len() >= MOST_FILES {
            return self.refuse(keyword, origin, &format!("more than {MOST_FILES} files"));
        }
        files.push((path.to_owned(), origin.clone()));
    }

    fn refuse(&mut self, keyword: &'static str, origin: &Origin, why: &str) {
        let refusal = Refusal { keyword, origin: origin.clone(), why: why.to_owned() };
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }

    /// Where it goes, as far as is known yet.
    fn target(&mut self) -> String {
        let Some((name, origin)) = self.options.host_name.clone() else { return self.host.clone() };
        let connection = tokens::Connection { host: self.host.clone(), ..Default::default() };
        match tokens::expand(&name, tokens::OF_A_NAME, Variables::Kept, &connection, self.machine) {
            Ok(name) => name,
            Err(why) => {
                if let Some(origin) = origin {
                    self.refuse("Hostname", &origin, &why);
                }
                self.host.clone()
            }
        }
    }

    /// Whether the configuration is read again because names are made canonical; one whose name would have to be looked up is
    /// refused.
    fn canonicalizes(&mut self, host: &mut String) -> bool {
        let Some((wanted, origin)) = self.options.canonicalize.clone() else { return false };
        if wanted == Canonicalize::No {
            return false;
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            *host = address.to_string();
            return true;
        }
        let proxied = self.request.way_is_given
            || self.options.jump.as_ref().is_some_and(|(jump, _)| !jump.hops.is_empty())
            || self.options.proxy_command.as_ref().is_some_and(|(command, _)| !command.eq_ignore_ascii_case("none"));
        if proxied && wanted != Canonicalize::Always {
            return true;
        }
        let dots = i64::try_from(host.matches('.').count()).unwrap_or(i64::MAX);
        let looks_up = self.options.permitted_cnames == Some(true)
            || host.ends_with('.')
            || (dots <= self.options.canonicalize_max_dots.unwrap_or(1)
                && self.options.canonical_domains == Some(true));
        if looks_up {
            let why = "names are not looked up to choose a host's lines; say `address` in hosts.yaml, or Hostname";
            self.refuse("CanonicalizeHostname", &origin, why);
        }
        true
    }

    fn finish(mut self, host: String) -> Settings {
        let mut options = std::mem::take(&mut self.options);
        let user = options.user.clone().unwrap_or_else(|| self.machine.user());
        let alias = options.host_key_alias.map(|alias| alias.to_ascii_lowercase());
        let connection = tokens::Connection {
            host: host.clone(),
            name: self.request.name.to_owned(),
            key_alias: alias.clone().unwrap_or_else(|| self.request.name.to_owned()),
            port: options.port.unwrap_or(22),
            user,
            jump: options.jump.as_ref().and_then(|(jump, _)| Some(jump.hops.last()?.host.clone())).unwrap_or_default(),
        };
        let identity_agent = options.identity_agent.map(|(agent, origin)| {
            if is_word_of_agent(&agent) {
                return agent;
            }
            self.expanded("IdentityAgent", agent, &origin, &connection)
        });
        let user_known_hosts = options.user_known_hosts.map(|(files, origin)| {
            if options::is_none(&files) {
                return files;
            }
            files.into_iter().map(|file| self.expanded("UserKnownHostsFile", file, &origin, &connection)).collect()
        });
        if let Some((command, origin)) = options.proxy_command.take() {
            options.refusable.push(("ProxyCommand", command, origin));
        }
        for (keyword, value, origin) in std::mem::take(&mut options.refusable) {
            if let Some(why) = keywords::refusal(keyword, &value) {
                self.refuse(keyword, &origin, why);
            }
        }
        let (identity_files, identity_origins) = options.identity_files.into_iter().unzip();
        let (certificate_files, certificate_origins) = options.certificate_files.into_iter().unzip();
        Settings {
            host_name: host,
            user: options.user,
            port: options.port,
            identity_files,
            certificate_files,
            identities_only: options.identities_only,
            identity_agent,
            user_known_hosts,
            global_known_hosts: options.global_known_hosts,
            host_key_checking: options.host_key_checking,
            connect_timeout: options.connect_timeout,
            host_key_alias: alias,
            hash_known_hosts: options.hash_known_hosts,
            jump: options.jump,
            address_family: options.address_family,
            algorithms: options.algorithms,
            refusals: self.refusals,
            origins: Origins { identity_files: identity_origins, certificate_files: certificate_origins },
            connection,
        }
    }

    fn expanded(
        &mut self,
        keyword: &'static str,
        text: String,
        origin: &Origin,
        connection: &tokens::Connection,
    ) -> String {
        tokens::path(&text, connection, self.machine).unwrap_or_else(|why| {
            self.refuse(keyword, origin, &why);
            text
        })
    }
}

/// Whether `IdentityAgent` says something else than a path.
fn is_word_of_agent(text: &str) -> bool {
    text == "none" || text == "SSH_AUTH_SOCK" || (text.starts_with('$') && !text.starts_with("${"))
}

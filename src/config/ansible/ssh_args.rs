//! Arguments for ssh as `ansible_ssh_common_args` and its like hold them: what takes effect, what does not matter, what is
//! refused by name.
//!
//! Boundary: words to options; whose they are and what wins is `settings`'s. Sources: ssh(1) and ssh_config(5).

use super::words;
use crate::config::target::Target;

/// What was said for ssh; of two values for one thing the first counts, as on ssh's own command line.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct SshArgs {
    pub(super) host_name: Option<String>,
    pub(super) user: Option<String>,
    pub(super) port: Option<String>,
    pub(super) connect_timeout: Option<String>,
    pub(super) identity_files: Vec<String>,
    pub(super) certificate_files: Vec<String>,
    pub(super) identities_only: Option<bool>,
    /// `none`, `SSH_AUTH_SOCK` or the path of a socket.
    pub(super) agent: Option<String>,
    /// `strict` or `accept-new`.
    pub(super) host_key: Option<&'static str>,
    pub(super) host_key_alias: Option<String>,
    pub(super) known_hosts: Option<Vec<String>>,
    pub(super) global_known_hosts: Option<Vec<String>>,
    pub(super) hash_known_hosts: Option<bool>,
    /// Hosts to go through, the outermost first; empty for `none`.
    pub(super) jump: Option<Vec<Target>>,
}

/// Flags without a value that change nothing for a command without a terminal.
const HARMLESS_FLAGS: &str = "46AaCKkqTtvXxYyn";
/// Flags with a value that change nothing here: forwards, sockets, log files, the escape character.
const HARMLESS_VALUES: &str = "DEeLRS";
/// Flags with a value whose neglect would change something.
const REFUSED_VALUES: &str = "BbcFImOPpQWw";

/// Options without effect here: multiplexing, keepalives, forwards, terminals, logging, ways of asking people.
const HARMLESS: [&str; 58] = [
    "addkeystoagent",
    "addressfamily",
    "batchmode",
    "challengeresponseauthentication",
    "checkhostip",
    "clearallforwardings",
    "compression",
    "compressionlevel",
    "connectionattempts",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "dynamicforward",
    "enableescapecommandline",
    "escapechar",
    "exitonforwardfailure",
    "fingerprinthash",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "gatewayports",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "gssapikeyexchange",
    "gssapitrustdns",
    "hostbasedauthentication",
    "ignoreunknown",
    "ipqos",
    "kbdinteractiveauthentication",
    "kbdinteractivedevices",
    "localforward",
    "loglevel",
    "logverbose",
    "nohostauthenticationforlocalhost",
    "numberofpasswordprompts",
    "obscurekeystroketiming",
    "passwordauthentication",
    "permitlocalcommand",
    "permitremoteopen",
    "rekeylimit",
    "remoteforward",
    "requesttty",
    "rsaauthentication",
    "sendenv",
    "serveralivecountmax",
    "serveraliveinterval",
    "stdinnull",
    "streamlocalbindmask",
    "streamlocalbindunlink",
    "syslogfacility",
    "tag",
    "tcpkeepalive",
    "updatehostkeys",
    "useprivilegedport",
    "userauthentication",
    "visualhostkey",
    "xauthlocation",
];

/// Reads `text` on top of `args`.
///
/// Errors: the option that would have to take effect and does not, in words.
pub(super) fn read(text: &str, args: &mut SshArgs) -> Result<(), String> {
    let words = words::split(text, false)?;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(mut flags) = word.strip_prefix('-').filter(|flags| !flags.is_empty()) else {
            return Err(format!("{word:?} is not an option of ssh"));
        };
        while let Some(flag) = flags.chars().next() {
            flags = &flags[flag.len_utf8()..];
            if HARMLESS_FLAGS.contains(flag) {
                continue;
            }
            let takes_value =
                "oJpliS".contains(flag) || HARMLESS_VALUES.contains(flag) || REFUSED_VALUES.contains(flag);
            if !takes_value {
                return Err(format!("-{flag} is not supported"));
            }
            let value = match flags {
                "" => words.next().ok_or_else(|| format!("-{flag} has no value"))?,
                value => value,
            };
            match flag {
                'o' => option(value, args)?,
                'J' => jump(value, args)?,
                'p' => first(&mut args.port, value),
                'l' => first(&mut args.user, value),
                'i' => args.identity_files.push(path(value, "-i")?),
                flag if HARMLESS_VALUES.contains(flag) => {}
                _ => return Err(format!("-{flag} is not supported")),
            }
            break;
        }
    }
    Ok(())
}

fn first(mine: &mut Option<String>, value: &str) {
    mine.get_or_insert_with(|| value.to_owned());
}

fn option(text: &str, args: &mut SshArgs) -> Result<(), String> {
    let text = text.trim();
    let (name, value) = text.split_once(|c: char| c == '=' || c.is_whitespace()).unwrap_or((text, ""));
    let value = value.trim_start_matches(|c: char| c == '=' || c.is_whitespace());
    // One value may stand in quotes, as in the configuration file.
    let plain = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    if plain.is_empty() {
        return Err(format!("{name} has no value"));
    }
    let lower = plain.to_ascii_lowercase();
    let yes_no = || match lower.as_str() {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(format!("{name}: expected yes or no, found {plain:?}")),
    };
    match name.to_ascii_lowercase().as_str() {
        "hostname" => first(&mut args.host_name, literal(plain, name)?),
        "user" => first(&mut args.user, literal(plain, name)?),
        "port" => first(&mut args.port, plain),
        "connecttimeout" if lower == "none" => {}
        "connecttimeout" => first(&mut args.connect_timeout, plain),
        "identityfile" if lower == "none" => {}
        "identityfile" => args.identity_files.push(path(plain, name)?),
        "certificatefile" if lower == "none" => {}
        "certificatefile" => args.certificate_files.push(path(plain, name)?),
        "identitiesonly" => {
            let value = yes_no()?;
            args.identities_only.get_or_insert(value);
        }
        "hashknownhosts" => {
            let value = yes_no()?;
            args.hash_known_hosts.get_or_insert(value);
        }
        "identityagent" => first(&mut args.agent, &path(plain, name)?),
        "hostkeyalias" => first(&mut args.host_key_alias, literal(plain, name)?),
        "userknownhostsfile" => paths(&mut args.known_hosts, value, name)?,
        "globalknownhostsfile" => paths(&mut args.global_known_hosts, value, name)?,
        "proxyjump" => jump(plain, args)?,
        "proxycommand" if lower == "none" => {
            args.jump.get_or_insert_default();
        }
        "proxycommand" if args.jump.is_some() => {}
        "proxycommand" => {
            return Err("ProxyCommand is not supported; write the host it goes through as ProxyJump (-J)".to_owned());
        }
        "stricthostkeychecking" => {
            let policy = match lower.as_str() {
                // Nobody is asked in a parallel run, and a changed key is refused in every case.
                "yes" | "true" | "ask" => "strict",
                "accept-new" | "no" | "off" | "false" => "accept-new",
                _ => return Err(format!("StrictHostKeyChecking: {plain:?} is not a value it has")),
            };
            args.host_key.get_or_insert(policy);
        }
        "pubkeyauthentication" if matches!(lower.as_str(), "yes" | "true" | "unbound" | "host-bound") => {}
        "verifyhostkeydns" | "canonicalizehostname" if matches!(lower.as_str(), "no" | "false") => {}
        "preferredauthentications" if lower.split(',').any(|method| method == "publickey") => {}
        // A `+` only adds to what would be offered.
        "ciphers"
        | "macs"
        | "kexalgorithms"
        | "hostkeyalgorithms"
        | "pubkeyacceptedalgorithms"
        | "pubkeyacceptedkeytypes"
        | "casignaturealgorithms"
            if plain.starts_with('+') => {}
        lower if HARMLESS.contains(&lower) => {}
        _ => return Err(format!("{name} is not supported")),
    }
    Ok(())
}

fn jump(value: &str, args: &mut SshArgs) -> Result<(), String> {
    let targets = if value.eq_ignore_ascii_case("none") {
        Vec::new()
    } else {
        let target = |text: &str| Target::parse(text.trim()).map_err(|reason| format!("ProxyJump: {reason}"));
        value.split(',').map(target).collect::<Result<_, _>>()?
    };
    args.jump.get_or_insert(targets);
    Ok(())
}

/// A value without ssh's tokens, which would have to be replaced.
fn literal<'a>(value: &'a str, name: &str) -> Result<&'a str, String> {
    if value.contains('%') || value.contains("${") {
        return Err(format!("{name}: tokens such as %h are not supported here, found {value:?}"));
    }
    Ok(value)
}

fn path(value: &str, name: &str) -> Result<String, String> {
    Ok(literal(value, name)?.to_owned())
}

fn paths(mine: &mut Option<Vec<String>>, value: &str, name: &str) -> Result<(), String> {
    let paths = words::split(value, false)?;
    let paths = if paths.iter().all(|path| path.eq_ignore_ascii_case("none")) {
        vec!["/dev/null".to_owned()]
    } else {
        paths.iter().map(|text| path(text, name)).collect::<Result<_, _>>()?
    };
    mine.get_or_insert(paths);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn args(text: &str) -> SshArgs {
        let mut args = SshArgs::default();
        read(text, &mut args).unwrap();
        args
    }

    #[test]
    fn options_take_effect_in_every_way_of_writing_them() {
        let text = "-J ops@gate:2222,inner -p2201 -qTl deploy -i ~/.ssh/fleet -o StrictHostKeyChecking=no \
                    -o 'UserKnownHostsFile /dev/null' -oIdentitiesOnly=yes -o ConnectTimeout=7 -o hostkeyalias=web";
        let expected = SshArgs {
            jump: Some(vec![Target::parse("ops@gate:2222").unwrap(), Target::parse("inner").unwrap()]),
            port: Some("2201".into()),
            user: Some("deploy".into()),
            identity_files: vec!["~/.ssh/fleet".into()],
            host_key: Some("accept-new"),
            known_hosts: Some(vec!["/dev/null".into()]),
            identities_only: Some(true),
            connect_timeout: Some("7".into()),
            host_key_alias: Some("web".into()),
            ..SshArgs::default()
        };
        assert_eq!(args(text), expected);
    }

    #[test]
    fn the_first_value_counts_and_what_does_not_matter_is_passed_over() {
        let first =
            args("-o Port=1 -p 2 -o ProxyJump=none -J gate -o StrictHostKeyChecking=yes -o StrictHostKeyChecking=no");
        assert_eq!((first.port.as_deref(), first.jump, first.host_key), (Some("1"), Some(vec![]), Some("strict")));
        let ansibles_own = "-C -o ControlMaster=auto -o ControlPersist=60s -o ControlPath=/tmp/%h -o ServerAliveInterval=30 \
                            -o PreferredAuthentications=publickey -o HostKeyAlgorithms=+ssh-rsa";
        assert_eq!(args(ansibles_own), SshArgs::default());
    }

    #[test]
    fn what_would_matter_is_refused_by_name() {
        for (text, name) in [
            ("-o ProxyCommand='ssh -W %h:%p gate'", "ProxyCommand"),
            ("-F other_config", "-F"),
            ("-b 10.0.0.1", "-b"),
            ("-o BindAddress=10.0.0.1", "BindAddress"),
            ("-o Ciphers=aes128-ctr", "Ciphers"),
            ("-o PubkeyAuthentication=no", "PubkeyAuthentication"),
            ("-o KnownHostsCommand=x", "KnownHostsCommand"),
            ("-i %d/key", "tokens"),
            ("-N", "-N"),
            ("gate", "not an option"),
            ("-o", "-o has no value"),
            ("-o 'Port", "left open"),
            ("-J a:b", "ProxyJump"),
        ] {
            let error = read(text, &mut SshArgs::default()).unwrap_err();
            assert!(error.contains(name), "{text}: {error}");
        }
    }
}

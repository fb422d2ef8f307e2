//! Every keyword of ssh_config(5), and what becomes of it here.
//!
//! Boundary: names and decisions; reading the followed ones is `options`'. docs/ssh.md holds the same table for people, and a
//! test holds the two together.

use Treatment::{Followed, Ignored, Refused};

/// What becomes of a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It takes effect as in OpenSSH.
    Followed,
    /// It makes no difference to what is done here, or leaving it out is stricter.
    Ignored,
    /// A host for which it is in effect is refused, with the keyword's name.
    Refused,
}

/// Keywords as the manual page spells them. Sources: ssh_config(5) of OpenSSH 10.0; those of Debian's, Apple's and older
/// versions are named where they stand.
const KEYWORDS: [(&str, Treatment); 135] = [
    ("AddKeysToAgent", Ignored),
    ("AddressFamily", Followed),
    ("BatchMode", Ignored),
    ("BindAddress", Refused),
    ("BindInterface", Refused),
    ("CanonicalDomains", Followed),
    ("CanonicalizeFallbackLocal", Ignored),
    ("CanonicalizeHostname", Refused),
    ("CanonicalizeMaxDots", Followed),
    ("CanonicalizePermittedCNAMEs", Followed),
    ("CASignatureAlgorithms", Ignored),
    ("CertificateFile", Followed),
    ("ChannelTimeout", Ignored),
    ("CheckHostIP", Ignored),
    ("Ciphers", Followed),
    ("ClearAllForwardings", Ignored),
    ("Compression", Ignored),
    ("ConnectionAttempts", Ignored),
    ("ConnectTimeout", Followed),
    ("ControlMaster", Ignored),
    ("ControlPath", Ignored),
    ("ControlPersist", Ignored),
    ("DynamicForward", Ignored),
    ("EnableEscapeCommandline", Ignored),
    ("EnableSSHKeysign", Ignored),
    ("EscapeChar", Ignored),
    ("ExitOnForwardFailure", Ignored),
    ("FingerprintHash", Ignored),
    ("ForkAfterAuthentication", Ignored),
    ("ForwardAgent", Ignored),
    ("ForwardX11", Ignored),
    ("ForwardX11Timeout", Ignored),
    ("ForwardX11Trusted", Ignored),
    ("GatewayPorts", Ignored),
    ("GlobalKnownHostsFile", Followed),
    ("GSSAPIAuthentication", Ignored),
    ("GSSAPIDelegateCredentials", Ignored),
    ("HashKnownHosts", Followed),
    ("Host", Followed),
    ("HostbasedAcceptedAlgorithms", Ignored),
    ("HostbasedAuthentication", Ignored),
    ("HostKeyAlgorithms", Followed),
    ("HostKeyAlias", Followed),
    ("Hostname", Followed),
    ("IdentitiesOnly", Followed),
    ("IdentityAgent", Followed),
    ("IdentityFile", Followed),
    ("IgnoreUnknown", Followed),
    ("Include", Followed),
    ("IPQoS", Ignored),
    ("KbdInteractiveAuthentication", Ignored),
    ("KbdInteractiveDevices", Ignored),
    ("KexAlgorithms", Followed),
    ("KnownHostsCommand", Refused),
    ("LocalCommand", Ignored),
    ("LocalForward", Ignored),
    ("LogLevel", Ignored),
    ("LogVerbose", Ignored),
    ("MACs", Followed),
    ("Match", Followed),
    ("NoHostAuthenticationForLocalhost", Ignored),
    ("NumberOfPasswordPrompts", Ignored),
    ("ObscureKeystrokeTiming", Ignored),
    ("PasswordAuthentication", Ignored),
    ("PermitLocalCommand", Ignored),
    ("PermitRemoteOpen", Ignored),
    ("PKCS11Provider", Refused),
    ("Port", Followed),
    ("PreferredAuthentications", Refused),
    ("ProxyCommand", Refused),
    ("ProxyJump", Followed),
    ("ProxyUseFdpass", Ignored),
    ("PubkeyAcceptedAlgorithms", Ignored),
    ("PubkeyAuthentication", Refused),
    ("RefuseConnection", Refused),
    ("RekeyLimit", Ignored),
    ("RemoteCommand", Ignored),
    ("RemoteForward", Ignored),
    ("RequestTTY", Ignored),
    ("RequiredRSASize", Followed),
    ("RevokedHostKeys", Refused),
    ("SecurityKeyProvider", Ignored),
    ("SendEnv", Ignored),
    ("ServerAliveCountMax", Ignored),
    ("ServerAliveInterval", Ignored),
    ("SessionType", Ignored),
    ("SetEnv", Ignored),
    ("StdinNull", Ignored),
    ("StreamLocalBindMask", Ignored),
    ("StreamLocalBindUnlink", Ignored),
    ("StrictHostKeyChecking", Followed),
    ("SyslogFacility", Ignored),
    ("Tag", Followed),
    ("TCPKeepAlive", Ignored),
    ("Tunnel", Ignored),
    ("TunnelDevice", Ignored),
    ("UpdateHostKeys", Ignored),
    ("User", Followed),
    ("UserKnownHostsFile", Followed),
    ("VerifyHostKeyDNS", Ignored),
    ("VersionAddendum", Ignored),
    ("VisualHostKey", Ignored),
    ("WarnWeakCrypto", Ignored),
    ("XAuthLocation", Ignored),
    // Patched in by Debian, Fedora, FreeBSD or Apple.
    ("GSSAPIClientIdentity", Ignored),
    ("GSSAPIKexAlgorithms", Ignored),
    ("GSSAPIKeyExchange", Ignored),
    ("GSSAPIRenewalForcesRekey", Ignored),
    ("GSSAPIServerIdentity", Ignored),
    ("GSSAPITrustDns", Ignored),
    ("ProtocolKeepAlives", Ignored),
    ("SetupTimeOut", Ignored),
    ("UseKeychain", Ignored),
    // Other names of some of the above.
    ("ChallengeResponseAuthentication", Ignored),
    ("DSAAuthentication", Refused),
    ("HostbasedKeyTypes", Ignored),
    ("IdentityFile2", Followed),
    ("KeepAlive", Ignored),
    ("PubkeyAcceptedKeyTypes", Ignored),
    ("SkeyAuthentication", Ignored),
    ("SmartcardDevice", Refused),
    ("TISAuthentication", Ignored),
    // Gone from OpenSSH, which passes over them.
    ("AFSTokenPassing", Ignored),
    ("Cipher", Ignored),
    ("CompressionLevel", Ignored),
    ("FallBackToRsh", Ignored),
    ("GlobalKnownHostsFile2", Ignored),
    ("KerberosAuthentication", Ignored),
    ("KerberosTgtPassing", Ignored),
    ("Protocol", Ignored),
    ("RhostsAuthentication", Ignored),
    ("RSAAuthentication", Ignored),
    ("UsePrivilegedPort", Ignored),
    ("UserKnownHostsFile2", Ignored),
    ("UseRoaming", Ignored),
];

/// All keywords and what becomes of them.
#[must_use]
pub fn keywords() -> &'static [(&'static str, Treatment)] {
    &KEYWORDS
}

/// A keyword as the manual page spells it; `None` when there is no such keyword.
pub(super) fn find(keyword: &str) -> Option<(&'static str, Treatment)> {
    KEYWORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(keyword)).copied()
}

/// Why a keyword of the refused kind cannot be in effect with this value, and what helps; `None` when it changes nothing.
pub(super) fn refusal(keyword: &str, value: &str) -> Option<&'static str> {
    let none = value.eq_ignore_ascii_case("none");
    match keyword {
        "ProxyCommand" if !none => Some("no command is run to reach a host; use ProxyJump, or `jump` in hosts.yaml"),
        "KnownHostsCommand" if !none => Some("host keys come from known_hosts files only"),
        "RevokedHostKeys" if !none => Some("mark revoked keys with @revoked in a known_hosts file"),
        "PKCS11Provider" | "SmartcardDevice" if !none => {
            Some("load the token's keys into an agent: ssh-add -s PROVIDER")
        }
        "BindAddress" | "BindInterface" => Some("connections leave by whatever way the system chooses"),
        "PubkeyAuthentication" | "DSAAuthentication" if matches!(super::values::flag(value), Some(false)) => {
            Some("logging in works by public key")
        }
        "PreferredAuthentications" if !value.split(',').any(|method| method.trim() == "publickey") => {
            Some("logging in works by public key, which the list leaves out")
        }
        "RefuseConnection" => Some("the configuration says so"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_names_every_keyword() {
        let text = include_str!("../../../docs/ssh.md");
        let missing: Vec<&str> =
            KEYWORDS.iter().map(|(name, _)| *name).filter(|name| !text.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "docs/ssh.md does not name {missing:?}");
    }

    #[test]
    fn no_keyword_stands_twice() {
        let mut names: Vec<String> = KEYWORDS.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), KEYWORDS.len());
    }
}

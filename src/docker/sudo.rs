//! A host's words for docker that begin with sudo, which hands on none of the caller's environment by itself (sudoers(5), `env_reset`).
//!
//! Boundary: text to text. Names of variables only: their values stay in the environment and never become words.

use super::shell;

/// `words` with sudo told to hand on the variables `names`, where sudo is among them; a variable that is not set is none to sudo. The rest
/// stays byte for byte.
#[must_use]
pub fn handing_on(words: &str, names: &[&str]) -> String {
    let is_sudo = |word: &str| word.rsplit('/').next() == Some("sudo");
    let is_name = |name: &&&str| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let mut names: Vec<&str> = names.iter().filter(is_name).copied().collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() || !words.contains("sudo") {
        return words.to_owned();
    }
    let split = shell::split(words).unwrap_or_default();
    let Some(sudo) = split.iter().find(|word| is_sudo(&word.value)) else { return words.to_owned() };
    let mut told = words.to_owned();
    told.insert_str(sudo.span.end, &format!(" --preserve-env={}", names.join(",")));
    told
}

/// Whether docker's or podman's command line itself goes by the variable `name`, whatever it is told to do (docker CLI reference,
/// "environment variables"; podman(1), ENVIRONMENT).
#[must_use]
pub fn is_for_the_client(name: &str) -> bool {
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];
    ["DOCKER_", "CONTAINER", "PODMAN_"].iter().any(|start| name.starts_with(start))
        || proxies.contains(&name.to_ascii_uppercase().as_str())
        || ["REGISTRY_AUTH_FILE", "SSH_AUTH_SOCK", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudo_is_told_which_variables_to_hand_on() {
        for (words, told) in [
            ("sudo docker", "sudo --preserve-env=A,TOKEN docker"),
            ("sudo -n docker", "sudo --preserve-env=A,TOKEN -n docker"),
            ("/usr/bin/sudo -nu svc podman", "/usr/bin/sudo --preserve-env=A,TOKEN -nu svc podman"),
            ("X='a b' sudo -n -- docker", "X='a b' sudo --preserve-env=A,TOKEN -n -- docker"),
            ("sudo -E docker", "sudo --preserve-env=A,TOKEN -E docker"),
            ("docker", "docker"),
            ("doas docker", "doas docker"),
            ("/opt/sudo-like/docker", "/opt/sudo-like/docker"),
            ("'unfinished sudo", "'unfinished sudo"),
        ] {
            assert_eq!(handing_on(words, &["TOKEN", "A", "TOKEN"]), told);
        }
        assert_eq!(handing_on("sudo -n docker", &[]), "sudo -n docker");
        assert_eq!(handing_on("sudo -n docker", &["; reboot", "1A", "", "A=b"]), "sudo -n docker");
    }

    #[test]
    fn the_client_s_own_variables_are_known() {
        for (name, is_one) in [("DOCKER_HOST", true), ("https_proxy", true), ("CONTAINER_HOST", true), ("TOKEN", false)]
        {
            assert_eq!(is_for_the_client(name), is_one, "{name}");
        }
    }
}

//! Host entries of an inventory: `web[01:20].example.org:2222`, `[2001:db8::1]:22`, `10.0.0.[1:9]`.
//!
//! Boundary: text to names and a port. Source: Ansible's `parsing/utils/addresses.py` and `expand_hostname_range`.

use crate::config::range;

/// The names that `text` stands for, and the port it ends with.
///
/// Errors: what is wrong with it, in words.
pub(super) fn expand(text: &str) -> Result<(Vec<String>, Option<u16>), String> {
    let (name, port) = split_port(text)?;
    if name.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok((vec![name.to_owned()], port));
    }
    // Ansible lets a range begin with nothing, which is 0.
    Ok((range::expand(&name.replace("[:", "[0:"))?, port))
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let Some((name, digits)) = text.rsplit_once(':') else { return Ok((text, None)) };
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let port = || match digits.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Some(port)),
        _ => Err(format!("the port {digits} is not one from 1 to 65535")),
    };
    if digits.is_empty() {
        return Err("it ends in `:`, which stands before a port".to_owned());
    }
    match bracketed {
        Some(name) if is_number && !name.contains(['[', ']']) => Ok((name, port()?)),
        // Only colons of ranges before it: otherwise it is an IPv6 address without brackets, which has no port.
        _ if is_number && outside_brackets(name) => Ok((name, port()?)),
        _ => Ok((text, None)),
    }
}

/// Whether `name` has whole brackets and no colon outside them.
fn outside_brackets(name: &str) -> bool {
    let mut inside = false;
    for c in name.chars() {
        match (c, inside) {
            ('[', false) => inside = true,
            (']', true) => inside = false,
            ('[' | ']', _) | (':', false) => return false,
            _ => {}
        }
    }
    !inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_ranges_and_addresses_are_told_apart() {
        for (text, names, port) in [
            ("web1", "web1", None),
            ("web1:2222", "web1", Some(2222)),
            ("web[1:3]", "web1 web2 web3", None),
            ("web[:2]", "web0 web1 web2", None),
            ("web[1:3]:2222", "web1 web2 web3", Some(2222)),
            ("10.0.0.[1:2]:22", "10.0.0.1 10.0.0.2", Some(22)),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]:22", "2001:db8::1", Some(22)),
            ("2001:db8::[1:2]", "2001:db8::1 2001:db8::2", None),
        ] {
            assert_eq!(expand(text), Ok((names.split(' ').map(str::to_owned).collect(), port)), "{text}");
        }
        for text in ["web1:", "web1:0", "web1:99999", "web[1:", "web[3:1]", "[::1]"] {
            assert!(expand(text).is_err(), "{text}");
        }
    }
}

//! Ranges in names and addresses as Ansible writes them: `web-[01:20]`, `db-[a:f]`, `rack[1:9:2]-[a:c]`; and as
//! [`domain::fold`](crate::domain::fold) writes them: `web-[01-20,23]`.
//!
//! Boundary: text to texts. Source of the formats: Ansible's inventory guide, "Adding ranges of hosts"; ClusterShell's guide,
//! "Node sets".

/// Most names one inventory holds.
pub(crate) const MOST: usize = 100_000;

/// Most bytes around ranges: more than twice the longest name of the DNS, and small enough to be had [`MOST`] times.
const LONGEST: usize = 512;

/// Every text that `text` stands for, in order; itself when it has no range.
///
/// Errors: what is wrong with the range, in words.
pub(crate) fn expand(text: &str) -> Result<Vec<String>, String> {
    let mut expanded = vec![String::new()];
    let mut rest = text;
    // Every name gets what stands outside of brackets once more.
    let outside = outside_of_brackets(text);
    if outside > LONGEST && text.contains('[') {
        return Err(format!("a range stands in a text of {outside} bytes; at most {LONGEST} are taken"));
    }
    while let Some(open) = rest.find('[') {
        let (before, inside) = (rest.get(..open).unwrap_or(""), rest.get(open + 1..).unwrap_or(""));
        let Some((range, after)) = inside.split_once(']') else {
            return Err(format!("bad range in {text:?}: `[` has no `]`"));
        };
        if before.contains(']') {
            return Err(format!("bad range in {text:?}: `]` has no `[`"));
        }
        let items = list(range).map_err(|reason| format!("bad range [{range}] in {text:?}: {reason}"))?;
        if expanded.len().saturating_mul(items.len()) > MOST {
            return Err(format!("the range {text:?} stands for more than {MOST} names"));
        }
        expanded =
            expanded.iter().flat_map(|head| items.iter().map(move |item| format!("{head}{before}{item}"))).collect();
        rest = after;
    }
    if rest.contains(']') {
        return Err(format!("bad range in {text:?}: `]` has no `[`"));
    }
    for name in &mut expanded {
        name.push_str(rest);
    }
    Ok(expanded)
}

fn outside_of_brackets(text: &str) -> usize {
    let inside = |part: &str| part.split_once(']').map_or(part.len(), |(_, after)| after.len());
    let mut parts = text.split('[');
    parts.next().map_or(0, str::len) + parts.map(inside).sum::<usize>()
}

/// The items of `01:20`, or of each part of `01-20,23`.
fn list(range: &str) -> Result<Vec<String>, String> {
    if range.contains(':') || !range.contains(['-', ',']) {
        return items(range);
    }
    let mut all = vec![];
    for part in range.split(',') {
        match part.split_once('-') {
            Some((start, end)) => all.extend(items(&format!("{start}:{end}"))?),
            None => all.extend(items(&format!("{part}:{part}"))?),
        }
        if all.len() > MOST {
            return Err(format!("it stands for more than {MOST} names"));
        }
    }
    Ok(all)
}

fn items(range: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = range.split(':').collect();
    let (start, end, step) = match *parts.as_slice() {
        [start, end] => (start, end, "1"),
        [start, end, step] => (start, end, step),
        _ => return Err("write it [1:20], [01:20], [a:f] or with a step [1:20:2]".to_owned()),
    };
    let step = match step.parse::<usize>() {
        Ok(step) if step > 0 => step,
        _ => return Err(format!("the step must be a number above 0, not {step:?}")),
    };
    if let (Some(first), Some(last)) = (letter(start), letter(end)) {
        if first.is_ascii_lowercase() != last.is_ascii_lowercase() || first > last {
            return Err("letters must go upwards within one case".to_owned());
        }
        return Ok((first..=last).step_by(step).map(|byte| char::from(byte).to_string()).collect());
    }
    let (Some(first), Some(last)) = (number(start), number(end)) else {
        return Err("both ends must be numbers or single letters".to_owned());
    };
    if first > last {
        return Err("the end lies before the start".to_owned());
    }
    let padded = start.len() > 1 && start.starts_with('0');
    if padded && start.len() != end.len() {
        return Err("with leading zeros both ends must be equally long".to_owned());
    }
    if (last - first) / step >= MOST {
        return Err(format!("it stands for more than {MOST} names"));
    }
    let width = if padded { start.len() } else { 0 };
    Ok((first..=last).step_by(step).map(|value| format!("{value:0width$}")).collect())
}

fn letter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii_alphabetic() => Some(*byte),
        _ => None,
    }
}

fn number(text: &str) -> Option<usize> {
    // Nine digits are enough for any fleet and never overflow.
    (!text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_in_a_long_text_is_refused_and_a_long_set_is_not() {
        let long = "a".repeat(LONGEST);
        assert!(expand(&format!("{long}[1:2]")).is_ok());
        assert!(expand(&format!("[1:2]{long}[1:2]a")).is_err());
        assert_eq!(expand(&format!("{long}{long}")), Ok(vec![format!("{long}{long}")]));
        let set: Vec<String> = (1..=5000).map(|n| (2 * n).to_string()).collect();
        assert_eq!(expand(&format!("web-[{}]", set.join(","))).map(|names| names.len()), Ok(5000));
    }

    #[test]
    fn ranges_expand_as_in_ansible() {
        for (text, names) in [
            ("web", "web"),
            ("web-[01:03]", "web-01 web-02 web-03"),
            ("w[8:11].x", "w8.x w9.x w10.x w11.x"),
            ("db-[a:c]", "db-a db-b db-c"),
            ("n[01:06:2]", "n01 n03 n05"),
            ("r[1:2]-[a:b]", "r1-a r1-b r2-a r2-b"),
            ("[1:1]", "1"),
            ("w[08-10,12]", "w08 w09 w10 w12"),
            ("w[1,3]-[a-b]", "w1-a w1-b w3-a w3-b"),
        ] {
            assert_eq!(expand(text).map(|names| names.join(" ")), Ok(names.to_owned()), "{text}");
        }
    }

    #[test]
    fn bad_ranges_are_refused_with_the_reason() {
        for (text, reason) in [
            ("w[1", "no `]`"),
            ("w1]", "no `[`"),
            ("w]1[1:2]", "no `[`"),
            ("w[5:1]", "before the start"),
            ("w[01:100]", "equally long"),
            ("w[a:5]", "numbers or single letters"),
            ("w[a:F]", "one case"),
            ("w[1:5:0]", "step"),
            ("w[1]", "write it"),
            ("w[1:2:3:4]", "write it"),
            ("w[:5]", "numbers or single letters"),
            ("w[-1:5]", "numbers or single letters"),
            ("w[-1]", "numbers or single letters"),
            ("w[1-3:5]", "numbers or single letters"),
            ("w[1,]", "numbers or single letters"),
            ("w[0-99999,0-99999]", "more than"),
            ("w[0:999999999]", "more than"),
            ("w[0:999][0:999]", "more than"),
            ("w[0:99999999999999999999]", "numbers or single letters"),
        ] {
            let error = expand(text).err().unwrap_or_default();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn folded_names_expand_to_the_same_names(
            names in proptest::collection::btree_set("(web|r)-?[0-2]?[0-9]{1,2}(-[a-c]?0?[0-9])?", 0..60)
        ) {
            let folded = crate::domain::fold::fold(names.iter().map(String::as_str));
            let pattern = crate::config::pattern::HostPattern::parse(&folded);
            let expanded: Vec<String> = match (&pattern, folded.is_empty()) {
                (_, true) => vec![],
                (Ok(pattern), _) => pattern.terms().iter().flat_map(|(_, body)| match body {
                    crate::config::pattern::Body::Names(names) => names.clone(),
                    other => panic!("{other:?}"),
                }).collect(),
                (Err(error), _) => panic!("{folded}: {error}"),
            };
            let set: std::collections::BTreeSet<String> = expanded.iter().cloned().collect();
            proptest::prop_assert_eq!(expanded.len(), set.len(), "{}", folded);
            proptest::prop_assert_eq!(set, names, "{}", folded);
        }
    }
}

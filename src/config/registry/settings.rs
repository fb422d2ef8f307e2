//! The keys that a server and `defaults:` of servers.yaml have in common: `rollout` and `keep_previous`.
//!
//! Boundary: YAML in, [`Settings`] out. Which of the two wins is [`Settings::over`]'s.

use std::str::FromStr;

use crate::{
    config::{
        walk::{At, Fields, Walk, found},
        yaml::{Node, Value},
    },
    domain::{LONGEST_KEPT, Rollout, Serial, Settings},
};

/// The keys of [`Settings`].
pub(in crate::config) const KEYS: [&str; 2] = ["rollout", "keep_previous"];

/// Keys of `rollout`.
const ROLLOUT: [&str; 3] = ["serial", "max_fail", "wait"];

/// Reads the settings among `fields`; reports what is wrong with them to `walk`.
pub(super) fn read(walk: &mut Walk<'_>, fields: &Fields) -> Settings {
    let rollout = fields.get("rollout").and_then(|at| walk.mapping(&at)).map(|fields| rollout(walk, &fields));
    let keep_previous = fields.get("keep_previous").and_then(|at| walk.duration_up_to(&at, LONGEST_KEPT));
    Settings { rollout: rollout.unwrap_or_default(), keep_previous }
}

fn rollout(walk: &mut Walk<'_>, fields: &Fields) -> Rollout {
    walk.known(fields, &ROLLOUT);
    let max_fail = fields.get("max_fail").and_then(|at| {
        let text = walk.string(&at, "a number of hosts, or percent of them")?;
        parsed(walk, &at, &text)
    });
    Rollout {
        serial: fields.get("serial").and_then(|at| serial(walk, &at)),
        max_fail,
        wait: fields.get("wait").and_then(|at| walk.duration_or_zero(&at)),
    }
}

fn serial(walk: &mut Walk<'_>, at: &At) -> Option<Serial> {
    let sizes = walk.strings(at, "hosts per batch, such as 1 or 25%");
    if sizes.is_empty() {
        if matches!(&at.node.value, Value::Sequence(items) if items.is_empty()) {
            walk.error(at, "the list is empty; name the hosts per batch, such as 1 or 25%");
        }
        return None;
    }
    let sizes: Vec<Option<Serial>> = sizes.iter().map(|(text, at)| parsed(walk, at, text)).collect();
    let sizes: Option<Vec<Serial>> = sizes.into_iter().collect();
    Some(Serial::new(sizes?.iter().flat_map(|sizes| sizes.sizes()).copied().collect()))
}

fn parsed<T: FromStr<Err = String>>(walk: &mut Walk<'_>, at: &At, text: &str) -> Option<T> {
    let value = text.parse();
    if value.is_err() {
        walk.error(at, format!("expected a number of hosts from 1 on, or 1% to 100%, found {}", found(&at.node)));
    }
    value.ok()
}

/// The sizes of batches that `node` holds, if it holds some.
pub(in crate::config) fn serial_of(node: &Node) -> Option<Serial> {
    let texts: Vec<&str> = match &node.value {
        Value::Scalar(scalar) => vec![&scalar.text],
        Value::Sequence(items) => {
            let text = |item: &'_ std::rc::Rc<Node>| matches!(item.value, Value::Scalar(_));
            items.iter().all(text).then_some(())?;
            items
                .iter()
                .filter_map(|item| if let Value::Scalar(s) = &item.value { Some(s.text.as_str()) } else { None })
                .collect()
        }
        Value::Mapping { .. } => return None,
    };
    texts.join(",").parse().ok()
}

//! Images that a host does not have are pulled before anything is stopped there, in a remote command of its own.
//!
//! Boundary: asks, pulls and gives back what failed; what that means for an instance is `act`'s.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    docker::{command, failure::classify},
    fleet::{HostError, Session},
    operations::{
        Trouble,
        change::Decision,
        observe::LOOK_ALLOWED,
        pull::{AT_ONCE, PULL_ALLOWED},
        registered::{Registered, say},
    },
    transport::script::{Script, Section, SectionId},
};

/// The images of `registered` as they are written, each once.
fn images<'r>(registered: &'r [Registered<'_>]) -> Vec<&'r str> {
    let mut images: Vec<&str> =
        registered.iter().filter(|r| !r.run.image_is_unresolved()).map(|r| r.run.image()).collect();
    images.sort_unstable();
    images.dedup();
    images
}

/// Adds the question which images of `registered` are missing: one call to docker where none is.
pub(in crate::operations) fn ask(
    script: &mut Script,
    session: &Session<'_>,
    registered: &[Registered<'_>],
) -> SectionId {
    let host = session.host();
    let images = images(registered);
    let one = |(index, image): (usize, &&str)| {
        format!("{} >/dev/null 2>&1 || echo {index}", say(&command::images_exist([image]), host))
    };
    let each: Vec<String> = images.iter().enumerate().map(one).collect();
    match images.len() {
        0 => script.run(":"),
        1 => script.run(&each[0]),
        _ => script.run(&format!(
            "{} >/dev/null 2>&1 || {{ {}; }}",
            say(&command::images_exist(&images), host),
            each.join("; ")
        )),
    }
}

/// Reads the answer to [`ask`].
pub(in crate::operations) fn read<'r>(section: Option<&Section>, registered: &'r [Registered<'_>]) -> Vec<&'r str> {
    let images = images(registered);
    let text = section.map(Section::stdout_text).unwrap_or_default();
    text.lines().filter_map(|line| images.get(line.trim().parse::<usize>().ok()?).copied()).collect()
}

/// Looks which images of `registered` their host lacks, in one exec of its own, which is called `purpose`.
///
/// # Errors
/// The outer one: the host gave no answer. The inner one: its engine did not.
pub(in crate::operations) fn look<'r>(
    session: &mut Session<'_>,
    purpose: &str,
    registered: &'r [Registered<'_>],
) -> Result<Result<Vec<&'r str>, Trouble>, HostError> {
    let mut script = Script::new();
    script.export(&session.host().env);
    // What an engine that does not answer says of an image is no answer about it.
    let engine = script.run(&say(&command::version(), session.host()));
    let images = ask(&mut script, session, registered);
    let sections = session.exec(purpose, &script, LOOK_ALLOWED)?;
    let trouble = sections.get(engine).and_then(engine_trouble);
    Ok(trouble.map_or_else(|| Ok(read(sections.get(images), registered)), Err))
}

/// What keeps the engine from telling which images there are.
fn engine_trouble(section: &Section) -> Option<Trouble> {
    let failure = classify(section.exit?, &section.stderr_text())?;
    failure.kind.concerns_the_host().then(|| Trouble::engine(&failure))
}

/// Whether `decision` runs the registered string, for which the image must be there.
pub(in crate::operations) fn is_needed(decision: &Decision) -> bool {
    matches!(decision, Decision::Create | Decision::Replace | Decision::StopAndReplace | Decision::Complete)
}

/// Whether the image of `r` has to be pulled first: it is among `missing`, or the string says `--pull always`, which would otherwise be
/// waited for with the old container stopped.
pub(in crate::operations) fn is_pulled(r: &Registered<'_>, missing: &[&str]) -> bool {
    r.run.pull_policy() == Some("always") || missing.contains(&r.run.image())
}

/// Those of `registered` for which something has to be pulled first, one for each pull string.
pub(super) fn wanted<'a, 'r: 'a>(
    registered: impl Iterator<Item = &'a Registered<'r>>,
    missing: &[&str],
) -> Vec<&'a Registered<'r>> {
    let mut seen = BTreeSet::new();
    registered.filter(|r| is_pulled(r, missing)).filter(|r| seen.insert(r.pull_command())).collect()
}

/// Why the image of `r`, when it is among `missing`, is not pulled: the string says `--pull never`.
pub(in crate::operations) fn never_pulled(r: &Registered<'_>, missing: &[&str]) -> Option<Trouble> {
    let image = Some(r.run.image()).filter(|image| r.run.pull_policy() == Some("never") && missing.contains(image))?;
    let cause = format!("the image {image} is not on this host, and the string says `--pull never`");
    let hint = format!("`mcp pull {}` brings it, or leave `--pull never` out", r.target.instance());
    Some(Trouble::failed(cause, Some(hint)))
}

/// Pulls the images of `wanted`, and gives by pull string why those could not be pulled that could not.
///
/// # Errors
/// The host gave no answer.
pub(super) fn pull(
    session: &mut Session<'_>,
    wanted: &[&Registered<'_>],
) -> Result<BTreeMap<String, Trouble>, Trouble> {
    let host = session.host();
    let mut script = Script::new();
    script.export(&host.env);
    let codes: Vec<String> = wanted.iter().map(|r| format!("{{ {}\n}} >/dev/null", r.pull_command())).collect();
    let ids = script.side_by_side(&codes, AT_ONCE);
    let sections = session.exec("pull", &script, PULL_ALLOWED).map_err(|error| Trouble::host(&error, host))?;
    let failed = wanted.iter().zip(ids).filter_map(|(r, id)| {
        let section = sections.get(id);
        let stderr = section.map(Section::stderr_text).unwrap_or_default();
        Some((r.pull_command(), Trouble::docker(section.and_then(|s| s.exit), &stderr)?))
    });
    Ok(failed.collect())
}

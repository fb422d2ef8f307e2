//! What is said at once when a run is interrupted or killed.
//!
//! Boundary: called where signals are caught, while others may draw.

use super::suspended;

/// Says that a run ends as soon as what is at work is done, and how to end it now.
pub fn interrupted() {
    let text = "interrupted: no further host is taken up, those at work may finish; interrupt again to leave them\n";
    say(text);
}

/// Says that the process that did the work was killed by `signal` (signal(7)), of which nobody else would tell.
pub fn killed(signal: i32) {
    let name = signal_hook::low_level::signal_name(signal).unwrap_or("?");
    say(&format!(
        "error: the process that did the work was killed by signal {signal} ({name}); what it has written is whole, and `mcp history` \
         shows how far it came\n"
    ));
}

fn say(text: &str) {
    // The terminal may be gone with whoever hung up; that is no reason not to finish.
    suspended(|| {
        let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), text.as_bytes());
    });
}

//! Picking events out of what the medium's PID 1 reports.

use serde_json::Value;

/// Accepts the fact called `name`.
pub fn fact(name: &str) -> impl FnMut(&Value) -> bool {
    let name = name.to_owned();
    move |event| event["event"] == "fact" && event["name"] == *name
}

/// Accepts the end of the work, whichever.
pub fn outcome() -> impl FnMut(&Value) -> bool {
    |event| event["event"] == "done" || event["event"] == "failed"
}

/// Accepts the beginning of `phase`.
pub fn phase(phase: &str) -> impl FnMut(&Value) -> bool {
    let phase = phase.to_owned();
    move |event| event["event"] == "phase" && event["phase"] == *phase
}

//! Telling a server how an unattended restore ended.

use serde::Serialize;

use super::machine::Names;
use crate::exit;
use crate::restore::Report;

/// The version of the JSON form.
pub const REPORT_VERSION: u32 = 1;

/// What is sent (POST, JSON) to `[report] url`.
#[derive(Debug, Serialize)]
pub struct Outcome<'a> {
    /// [`REPORT_VERSION`].
    v: u32,
    /// "restored", "failed", or "not-needed": the target carries the image.
    outcome: &'static str,
    /// The exit code: 0, or as documented for `rescue`.
    code: u8,
    /// The causes of a failure, outermost first, one per line.
    error: Option<String>,
    /// This machine.
    machine: &'a Names,
    /// Where the plan was.
    plan: &'a str,
    /// What was restored, onto what, how it was checked.
    report: Option<&'a Report>,
    /// From the plan's first step to its last.
    seconds: f64,
    /// The version of the rescue system.
    rescue: &'static str,
}

impl<'a> Outcome<'a> {
    /// Describes how following a plan ended.
    #[must_use]
    pub fn new(
        result: Result<&'a Report, &anyhow::Error>,
        machine: &'a Names,
        plan: &'a str,
        seconds: f64,
    ) -> Self {
        let code = result.err().map_or(exit::Code::Success, exit::classify);
        Self {
            v: REPORT_VERSION,
            outcome: match code {
                exit::Code::Success => "restored",
                exit::Code::AlreadyRestored => "not-needed",
                _ => "failed",
            },
            code: code as u8,
            error: result.err().map(crate::ui::chain),
            machine,
            plan,
            report: result.ok(),
            seconds,
            rescue: env!("CARGO_PKG_VERSION"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_with_its_code_and_causes() {
        let names = Names::default();
        let error = anyhow::Error::from(super::super::TargetError::Restless).context("choosing");
        let outcome = Outcome::new(Err(&error), &names, "rescue.toml on sdb1", 1.5);
        let value = serde_json::to_value(&outcome).unwrap();
        assert_eq!(value["outcome"], "failed");
        assert_eq!(value["code"], 25);
        assert!(value["error"].as_str().unwrap().starts_with("choosing\n"));
        assert_eq!(value["plan"], "rescue.toml on sdb1");
        assert!(value["report"].is_null());
    }
}

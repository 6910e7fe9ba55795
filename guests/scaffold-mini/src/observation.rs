//! What a command came to, as the model is shown it, and whether it was the
//! command that submits.

use catena_sdk::tools::{ToolError, ToolOutput};
use serde::Serialize;

/// What mini-swe-agent 1 also took for a submission.
pub(crate) const OLD_MARKER: &str = "MINI_SWE_AGENT_FINAL_OUTPUT";

/// What a command came to: `output` in templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Observation {
    /// All that it printed.
    pub(crate) output: String,
    /// Its exit status; -1 where it came to none.
    pub(crate) returncode: i32,
    /// Why there is no exit status; empty otherwise.
    pub(crate) exception_info: String,
    /// Bytes the tool itself had left out.
    pub(crate) omitted_bytes: u64,
    /// The command.
    pub(crate) action: String,
}

/// Why a command came to no exit status, for the template that puts it in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Exception {
    /// `timed-out`, `crashed`, `limit` or `failed`.
    pub(crate) kind: &'static str,
    /// In the host's words or the tool's; empty for a timeout.
    pub(crate) reason: String,
    pub(crate) command: String,
}

impl Observation {
    /// Of a command that ran to its end. One whose tool knows of no exit status
    /// has 0, or 1 where it reports a failure.
    pub(crate) fn of(output: ToolOutput, command: &str) -> Self {
        Self {
            returncode: output.exit_status.unwrap_or(i32::from(output.is_error)),
            output: with_line_feeds(&output.content),
            exception_info: String::new(),
            omitted_bytes: output.omitted_bytes,
            action: command.to_owned(),
        }
    }

    /// Of a command that did not, with what is known of it.
    pub(crate) fn of_failure(output: String, exception_info: String, command: &str) -> Self {
        let action = command.to_owned();
        let output = with_line_feeds(&output);
        Self { output, returncode: -1, exception_info, omitted_bytes: 0, action }
    }

    /// What the agent printed below the marker, if the command submits.
    pub(crate) fn submission(&self, markers: &[&str]) -> Option<&str> {
        let text = self.output.trim_start();
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        (self.returncode == 0 && markers.contains(&first.trim())).then_some(rest)
    }
}

/// A text with every line ended by a line feed, as Python reads the output of a
/// program.
fn with_line_feeds(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

impl Exception {
    /// The exception, and what the command had printed.
    pub(crate) fn of(err: ToolError, command: &str) -> (Self, String) {
        let (kind, reason, output) = match err {
            ToolError::TimedOut(output) => ("timed-out", String::new(), output),
            ToolError::Trapped(reason) => ("crashed", reason, String::new()),
            ToolError::LimitReached(limit) => ("limit", limit, String::new()),
            ToolError::UnknownTool(name) => {
                ("failed", format!("there is no tool named `{name}`"), String::new())
            }
            ToolError::InvalidArguments(reason) | ToolError::Other(reason) => {
                ("failed", reason, String::new())
            }
        };
        (Self { kind, reason, command: command.to_owned() }, output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(output: &str, exit_status: i32) -> Observation {
        let output = ToolOutput { exit_status: Some(exit_status), ..ToolOutput::success(output) };
        Observation::of(output, "true")
    }

    #[test]
    fn marker_submits_only_on_the_first_line_with_text_and_with_exit_0() {
        let markers = ["DONE", OLD_MARKER];
        let submission = |output, status| {
            let observation = observation(output, status);
            observation.submission(&markers).map(str::to_owned)
        };
        assert_eq!(submission("\n  DONE  \nrest\nmore\n", 0), Some("rest\nmore\n".to_owned()));
        assert_eq!(submission("DONE", 0), Some(String::new()));
        assert_eq!(submission("MINI_SWE_AGENT_FINAL_OUTPUT\n", 0), Some(String::new()));
        assert_eq!(submission("DONE", 1), None);
        assert_eq!(submission("first\nDONE", 0), None);
        assert_eq!(submission("DONE yet?", 0), None);
        assert_eq!(submission("", 0), None);
    }

    #[test]
    fn every_line_end_is_a_line_feed() {
        assert_eq!(observation("a\r\nb\rc\n", 0).output, "a\nb\nc\n");
    }

    #[test]
    fn command_that_timed_out_keeps_what_it_printed() {
        let (exception, output) = Exception::of(ToolError::TimedOut("half".to_owned()), "sleep 9");
        assert_eq!((exception.kind, output.as_str()), ("timed-out", "half"));
    }
}

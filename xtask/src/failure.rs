//! How a failed command ends on the terminal: `error:`, `caused by:`, `hint:`.

use std::error::Error;
use std::fmt;

/// A failure that comes with something the reader can do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    hint: String,
    cause: Option<anyhow::Error>,
}

impl Failure {
    /// A failure without a cause below it.
    pub(crate) fn new(what: impl fmt::Display, hint: impl fmt::Display) -> Self {
        Self { what: what.to_string(), hint: hint.to_string(), cause: None }
    }

    /// Names the error below this one.
    pub(crate) fn because(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

/// Prints an error, its causes, and the hint that is nearest to the root.
pub(crate) fn print(err: &anyhow::Error) {
    eprintln!("{}", describe(err));
}

pub(crate) fn describe(err: &anyhow::Error) -> String {
    let mut lines = vec![format!("error: {err}")];
    let mut hint = None;
    for (depth, cause) in err.chain().enumerate() {
        if depth > 0 {
            lines.push(format!("caused by: {cause}"));
        }
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            hint = Some(failure.hint.as_str());
        }
    }
    if let Some(hint) = hint {
        lines.push(format!("hint: {hint}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn causes_and_the_hint_are_printed_one_to_a_line() {
        let failure = Failure::new("`git` is missing", "install git")
            .because(anyhow::anyhow!("no such file"));
        let err = Err::<(), _>(failure).context("cannot build the demo").unwrap_err();
        assert_eq!(
            describe(&err),
            "error: cannot build the demo\ncaused by: `git` is missing\n\
             caused by: no such file\nhint: install git"
        );
    }

    #[test]
    fn an_error_without_a_hint_ends_with_its_cause() {
        let err = anyhow::anyhow!("disk full").context("cannot write");
        assert_eq!(describe(&err), "error: cannot write\ncaused by: disk full");
    }
}

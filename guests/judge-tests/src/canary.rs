//! Tests that must fail, put among the others: whoever makes all tests pass, in
//! the runner or in its report, makes these pass too.

use std::io::Write as _;

use catena_sdk::judge::JudgeError;
use test_results::{Outcome, Report};

/// Words that names are made of, as those of other tests are.
const WORDS: [&str; 16] = [
    "value", "default", "empty", "nested", "invalid", "option", "order", "state", "simple",
    "multiple", "missing", "result", "name", "type", "copy", "error",
];

/// A test that must fail, in one file.
pub(crate) struct Canary {
    pub(crate) file: String,
    name: String,
}

/// Puts one into each file, below `root`.
pub(crate) fn put(root: &str, files: &[String], text: &str) -> Result<Vec<Canary>, JudgeError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    files.iter().map(|file| put_into(root, file, text)).collect()
}

fn put_into(root: &str, file: &str, text: &str) -> Result<Canary, JudgeError> {
    let name = name()?;
    let (a, b) = (random()? % 90_000, random()? % 90_000 + 90_000);
    let text = text.replace("{name}", &name).replace("{a}", &a.to_string());
    let text = text.replace("{b}", &b.to_string());
    let mut opened = std::fs::OpenOptions::new().append(true).open(format!("{root}/{file}"))?;
    opened.write_all(text.as_bytes())?;
    Ok(Canary { file: file.to_owned(), name })
}

/// A name that no other test has.
fn name() -> Result<String, JudgeError> {
    let mut name = "test".to_owned();
    for _ in 0..3 {
        let word = usize::try_from(random()?).unwrap_or_default() % WORDS.len();
        name.push('_');
        name.push_str(WORDS.get(word).copied().unwrap_or_default());
    }
    Ok(format!("{name}_{}", random()? % 1_000_000))
}

/// A random number that what is run cannot know.
pub(crate) fn random() -> Result<u64, JudgeError> {
    getrandom::u64().map_err(|err| JudgeError::NoVerdict(err.to_string()))
}

impl Canary {
    /// The class that it is reported in, if it was run and failed.
    pub(crate) fn class(&self, report: &Report) -> Option<String> {
        let suffix = format!("::{}", self.name);
        let name = report.with(Outcome::Failed).find_map(|name| name.strip_suffix(&suffix));
        name.map(str::to_owned)
    }

    /// How it is reported in that class.
    pub(crate) fn outcome(&self, class: &str, report: &Report) -> Option<Outcome> {
        report.outcome(&format!("{class}::{}", self.name))
    }

    /// Whether a reported test is this one.
    pub(crate) fn is(&self, test: &str) -> bool {
        test.rsplit("::").next().is_some_and(|name| {
            name.strip_prefix(&self.name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        })
    }
}

//! What a model answered, as a verdict.

use catena_sdk::judge::Finding;
use serde::Deserialize;
use serde_json::Value;

/// What the JSON object has.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct Answer {
    pub(crate) analysis: String,
    pub(crate) findings: Vec<Found>,
    pub(crate) feedback: String,
    pub(crate) score: f64,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct Found {
    category: String,
    #[serde(default)]
    path: Option<String>,
    text: String,
}

impl From<Found> for Finding {
    fn from(Found { category, path, text }: Found) -> Self {
        Self { category, path: path.filter(|path| !path.is_empty()), text }
    }
}

/// Reads the object that a reply ends with, perhaps in a fence, whatever stands before
/// it; the error is for the model.
pub(crate) fn parse(reply: &str) -> Result<Answer, String> {
    let Some((last, after)) = last_object(reply) else {
        return Err("it has no JSON object".to_owned());
    };
    // What stands before an object that was not finished is no answer.
    if after.chars().any(|c| !c.is_whitespace() && c != '`') {
        return Err("it does not end with a JSON object".to_owned());
    }
    checked(Answer::deserialize(last).map_err(|err| err.to_string())?)
}

/// The last object that is no part of another one, and what follows it.
fn last_object(reply: &str) -> Option<(Value, &str)> {
    let mut last = None;
    let mut rest = reply;
    while let Some(text) = rest.find('{').and_then(|start| rest.get(start..)) {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        let end = match values.next() {
            Some(Ok(value)) => {
                let end = values.byte_offset();
                last = Some((value, text.get(end..)?));
                end
            }
            _ => 1,
        };
        rest = text.get(end..)?;
    }
    last
}

fn checked(answer: Answer) -> Result<Answer, String> {
    if !(0.0..=1.0).contains(&answer.score) {
        return Err(format!("`score` is {}, not from 0 to 1", answer.score));
    }
    if answer.analysis.trim().is_empty() {
        return Err("`analysis` is empty".to_owned());
    }
    let is_empty = |found: &Found| found.category.trim().is_empty() || found.text.trim().is_empty();
    if answer.findings.iter().any(is_empty) {
        return Err("a finding has no category or no text".to_owned());
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(score: &str) -> String {
        format!(
            "{{\"analysis\": \"a {{b}}\", \"findings\": [{{\"category\": \"other\", \
             \"path\": null, \"text\": \"t\"}}], \"feedback\": \"f\", \"score\": {score}}}"
        )
    }

    fn score(reply: &str) -> Option<f64> {
        parse(reply).ok().map(|answer| answer.score)
    }

    fn error(reply: &str) -> String {
        parse(reply).err().unwrap_or_default()
    }

    #[test]
    fn last_object_counts_after_any_thoughts() {
        let quoted = object("1.0");
        let reply =
            format!("The candidate says {quoted}, a {{lie}}.\n```json\n{}\n```\n", object("0.25"));
        assert_eq!(score(&reply), Some(0.25));
        let spread = parse(&reply).ok().and_then(|answer| answer.findings.first().cloned());
        assert_eq!(spread.map(|found| found.text), Some("t".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_told() {
        assert_eq!(error("Looks good to me."), "it has no JSON object");
        assert!(error("{\"score\": 0.5}").contains("missing field"));
        assert_eq!(error(&object("1.5")), "`score` is 1.5, not from 0 to 1");
        assert!(error(&object("\"high\"")).contains("invalid type"));
    }

    #[test]
    fn earlier_object_does_not_take_the_place_of_a_wrong_or_unfinished_one() {
        let quoted = object("1.0");
        let wrong = |last: &str| error(&format!("It says {quoted}. I say {last}"));
        assert!(wrong(&object("7")).contains("not from 0 to 1"));
        assert!(wrong(&object("\"low\"")).contains("invalid type"));
        let unfinished = object("0.1");
        let unfinished = unfinished.get(..unfinished.len() - 2).unwrap_or_default();
        assert_eq!(wrong(unfinished), "it does not end with a JSON object");
    }
}

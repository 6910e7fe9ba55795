//! What a model answered, as queries.

use catena_sdk::writer::Queries;
use serde::Deserialize;

#[derive(Deserialize)]
struct Answer {
    overview: String,
    stages: Vec<Stage>,
}

/// The steps before the query are for the model to think by.
#[derive(Deserialize)]
struct Stage {
    query: String,
}

/// Reads a reply that should be one JSON object, perhaps in a fence; the error is
/// for the model.
pub(crate) fn parse(reply: &str, stages: usize) -> Result<Queries, String> {
    let (start, end) = (reply.find('{'), reply.rfind('}'));
    let json = match (start, end) {
        (Some(start), Some(end)) if start < end => reply.get(start..=end).unwrap_or_default(),
        _ => return Err("it has no JSON object".to_owned()),
    };
    let answer: Answer = serde_json::from_str(json).map_err(|err| err.to_string())?;
    if answer.stages.len() != stages {
        return Err(format!("`stages` has {} elements, not {stages}", answer.stages.len()));
    }
    let overview = answer.overview.trim().to_owned();
    if overview.is_empty() {
        return Err("`overview` is empty".to_owned());
    }
    let queries: Vec<String> =
        answer.stages.into_iter().map(|stage| stage.query.trim().to_owned()).collect();
    match queries.iter().position(String::is_empty) {
        Some(place) => Err(format!("`query` of element {} of `stages` is empty", place + 1)),
        None => Ok(Queries { overview, stages: queries }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(reply: &str) -> String {
        parse(reply, 1).err().unwrap_or_default()
    }

    #[test]
    fn object_is_found_in_a_fence_and_its_steps_are_left() {
        let reply = "Here:\n```json\n{\"overview\": \" All. \", \"stages\": [{\"intent\": \"x\", \
                     \"query\": \"Do {it}.\\n\"}]}\n```\n";
        let queries = parse(reply, 1).ok();
        let texts = queries.map(|queries| (queries.overview, queries.stages));
        assert_eq!(texts, Some(("All.".to_owned(), vec!["Do {it}.".to_owned()])));
    }

    #[test]
    fn what_is_wrong_is_told() {
        assert_eq!(error("Sorry."), "it has no JSON object");
        assert!(error("{\"overview\": 1}").contains("invalid type"));
        assert!(error("{\"overview\": \"x\", \"stages\": []}").contains("0 elements, not 1"));
        let empty = "{\"overview\": \"x\", \"stages\": [{\"query\": \" \"}]}";
        assert!(error(empty).contains("element 1"));
    }
}

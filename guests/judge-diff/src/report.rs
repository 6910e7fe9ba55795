//! What is said about the differences: findings, feedback and rationale.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use catena_sdk::judge::Finding;

use crate::changes::{Counts, PatchChanges};
use crate::similarity::Overlap;

/// Longest list of files in the feedback.
const FILES_NAMED: usize = 20;

/// How the changes of one file differ; files that agree have none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    path: String,
    place: Place,
    /// In tokens.
    words: Overlap,
}

/// Which of the two patches touch a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Both,
    OnlyCandidate,
    OnlyReference,
}

/// The files whose changes differ, sorted by path.
pub(crate) fn differences(candidate: &PatchChanges, reference: &PatchChanges) -> Vec<Difference> {
    let nothing = Counts::new();
    let paths: BTreeSet<&String> = candidate.keys().chain(reference.keys()).collect();
    let mut differences = Vec::new();
    for path in paths {
        let (ours, theirs) = (candidate.get(path), reference.get(path));
        let place = match (ours, theirs) {
            (Some(_), Some(_)) => Place::Both,
            (Some(_), None) => Place::OnlyCandidate,
            _ => Place::OnlyReference,
        };
        let words = Overlap::of(
            ours.map_or(&nothing, |file| &file.words),
            theirs.map_or(&nothing, |file| &file.words),
        );
        if place != Place::Both || words.only_candidate + words.only_reference > 0 {
            differences.push(Difference { path: path.clone(), place, words });
        }
    }
    differences
}

impl Difference {
    fn lacks_changes(&self) -> bool {
        self.place == Place::Both && self.words.only_reference > 0
    }

    fn goes_too_far(&self) -> bool {
        self.place == Place::Both && self.words.only_candidate > 0
    }
}

/// One or two findings for a file.
pub(crate) fn findings(difference: Difference) -> Vec<Finding> {
    let Overlap { common, only_candidate, only_reference } = difference.words;
    let expected = common + only_reference;
    let finding = |category: &str, text: String| Finding {
        category: category.to_owned(),
        path: Some(difference.path.clone()),
        text,
    };
    let mut findings = Vec::new();
    match difference.place {
        Place::OnlyReference => {
            findings.push(finding("missing-file", format!("none of {expected} changes is there")));
        }
        Place::OnlyCandidate => {
            let text = format!("{only_candidate} changes in a file that needs none");
            findings.push(finding("unexpected-file", text));
        }
        Place::Both => {}
    }
    if difference.lacks_changes() {
        let text = format!("{only_reference} of {expected} changes are missing");
        findings.push(finding("missing-change", text));
    }
    if difference.goes_too_far() {
        let text = format!("{only_candidate} changes go beyond the expected {expected}");
        findings.push(finding("unexpected-change", text));
    }
    findings
}

/// For the agent: which files to look at, and nothing of what they should hold.
pub(crate) fn feedback(score: f64, differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "The change is what was expected.".to_owned();
    }
    let mut text = format!("The change agrees with what was expected to {:.0} %.", score * 100.0);
    let at = |place| move |difference: &&Difference| difference.place == place;
    let groups: [(&str, Vec<&Difference>); 4] = [
        (
            "Not changed, but expected",
            differences.iter().filter(at(Place::OnlyReference)).collect(),
        ),
        ("Changes are missing in", differences.iter().filter(|d| d.lacks_changes()).collect()),
        ("Changes go too far in", differences.iter().filter(|d| d.goes_too_far()).collect()),
        (
            "Changed, but not expected",
            differences.iter().filter(at(Place::OnlyCandidate)).collect(),
        ),
    ];
    for (title, members) in groups {
        if !members.is_empty() {
            let _ = write!(text, "\n{title}: {}", list(&members));
        }
    }
    text
}

fn list(differences: &[&Difference]) -> String {
    let named: Vec<&str> =
        differences.iter().take(FILES_NAMED).map(|difference| difference.path.as_str()).collect();
    match differences.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// For people: the counts behind the score.
pub(crate) fn rationale(score: f64, differences: &[Difference]) -> String {
    let mut text = format!("similarity {score:.4}; {} files differ", differences.len());
    for difference in differences {
        let Overlap { common, only_candidate, only_reference } = difference.words;
        let _ = write!(
            text,
            "\n{}: {common} changes in common, {only_reference} only in the reference, \
             {only_candidate} only in the submission",
            difference.path
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::of_patch;

    fn differences_of(candidate: &str, reference: &str) -> Vec<Difference> {
        let candidate = git_patch::parse(candidate.as_bytes()).unwrap();
        let reference = git_patch::parse(reference.as_bytes()).unwrap();
        differences(&of_patch(&candidate), &of_patch(&reference))
    }

    fn one_line(path: &str, line: &str) -> String {
        format!(
            "diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1,0 +2 @@\n+{line}\n"
        )
    }

    #[test]
    fn each_kind_of_difference_has_its_category() {
        let candidate = one_line("both.py", "mine") + &one_line("extra.py", "x");
        let reference = one_line("both.py", "theirs") + &one_line("missed.py", "y");
        let found: Vec<_> = differences_of(&candidate, &reference)
            .into_iter()
            .flat_map(findings)
            .map(|finding| (finding.category, finding.path.unwrap()))
            .collect();
        let expected = [
            ("missing-change", "both.py"),
            ("unexpected-change", "both.py"),
            ("unexpected-file", "extra.py"),
            ("missing-file", "missed.py"),
        ];
        assert_eq!(found, expected.map(|(category, path)| (category.to_owned(), path.to_owned())));
    }

    #[test]
    fn feedback_names_files_and_quotes_nothing_of_the_reference() {
        let reference = one_line("secret.py", "answer_42");
        let feedback = feedback(0.0, &differences_of("", &reference));
        assert!(feedback.contains("secret.py"), "{feedback}");
        assert!(!feedback.contains("answer_42"), "{feedback}");
    }

    #[test]
    fn equal_patches_have_no_differences() {
        let patch = one_line("a.py", "x");
        assert!(differences_of(&patch, &patch).is_empty());
    }
}

//! What a guest hands over as it ends, cut to what is kept of it: one call may hand over
//! many times what agents, people and journals have any use for.
//!
//! What is cut says so, and by how much.

use crate::outside::ToolAnswer;
use crate::task::{Finding, Verdict};

/// Most bytes of a verdict's feedback.
const MAX_FEEDBACK: usize = 64 << 10;

/// Most bytes of its rationale, and of any other reason.
const MAX_REASON: usize = 256 << 10;

/// Most findings.
const MAX_FINDINGS: usize = 2_000;

/// Most bytes of the text of a finding and of its path.
const MAX_FINDING: usize = 4096;

/// Most bytes of a word for a kind of finding.
const MAX_CATEGORY: usize = 100;

/// Bytes by which a text may be longer: what says how much was cut is kept, too.
const MARK: usize = 64;

/// The category of the finding that says how many others were cut.
const LEFT_OUT: &str = "left-out";

impl Verdict {
    /// The same with as much of its texts and findings as is kept.
    #[must_use]
    pub fn bounded(self) -> Self {
        let Self { score, mut findings, feedback, rationale } = self;
        let more = findings.len().saturating_sub(MAX_FINDINGS);
        // The one more may be that which says so.
        if more > 1 {
            findings.truncate(MAX_FINDINGS);
            let text = format!("[{more} findings are left out]");
            findings.push(Finding { category: LEFT_OUT.to_owned(), path: None, text });
        }
        let findings = findings.into_iter().map(finding).collect();
        let feedback = beginning(feedback, MAX_FEEDBACK);
        Self { score, findings, feedback, rationale: beginning(rationale, MAX_REASON) }
    }
}

fn finding(finding: Finding) -> Finding {
    Finding {
        category: beginning(finding.category, MAX_CATEGORY),
        path: finding.path.map(|path| beginning(path, MAX_FINDING)),
        text: beginning(finding.text, MAX_FINDING),
    }
}

/// A reason with as much of it as is kept.
pub(crate) fn reason(text: String) -> String {
    beginning(text, MAX_REASON)
}

impl ToolAnswer {
    /// The same with no more text than a limit of output allows.
    pub(crate) fn bounded(self, limit: u64) -> Self {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        match self {
            Self::Output { content, is_error, exit_status, omitted_bytes } => {
                let (content, omitted) = ends(content, most);
                let omitted_bytes = omitted_bytes.saturating_add(omitted);
                Self::Output { content, is_error, exit_status, omitted_bytes }
            }
            Self::TimedOut(partial) => Self::TimedOut(ends(partial, most).0),
            Self::UnknownTool(name) => Self::UnknownTool(reason(name)),
            Self::InvalidArguments(why) => Self::InvalidArguments(reason(why)),
            Self::Trapped(why) => Self::Trapped(reason(why)),
            Self::LimitReached(what) => Self::LimitReached(reason(what)),
            Self::Other(why) => Self::Other(reason(why)),
        }
    }
}

/// The beginning of a text that is too long, and how much is missing.
fn beginning(text: String, most: usize) -> String {
    if text.len() <= most + MARK {
        return text;
    }
    let end = text.floor_char_boundary(most);
    // Not cut in place, which would keep all of the memory.
    let kept = text.get(..end).unwrap_or_default();
    format!("{kept}… [{} bytes are left out]", text.len() - end)
}

/// Beginning and end of a text that is too long, and how many bytes are missing between.
fn ends(text: String, most: usize) -> (String, u64) {
    if text.len() <= most {
        return (text, 0);
    }
    let head = text.floor_char_boundary(most / 2);
    let tail = text.ceil_char_boundary(text.len() - most / 2);
    let (Some(begin), Some(end)) = (text.get(..head), text.get(tail..)) else {
        return (beginning(text, most), 0);
    };
    let omitted = tail - head;
    (format!("{begin}\n[{omitted} bytes are left out]\n{end}"), omitted as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str, findings: usize) -> Verdict {
        let finding = Finding { category: "a".into(), path: None, text: text.into() };
        Verdict {
            score: 0.5,
            findings: vec![finding; findings],
            feedback: text.into(),
            rationale: text.into(),
        }
    }

    #[test]
    fn what_is_not_too_much_stays_as_it_is() {
        let small = verdict("é, as it is", 3);
        assert_eq!(small.clone().bounded(), small);
        let answer = ToolAnswer::Output {
            content: "x".repeat(10),
            is_error: false,
            exit_status: None,
            omitted_bytes: 2,
        };
        assert_eq!(answer.clone().bounded(10), answer);
    }

    #[test]
    fn long_texts_and_many_findings_are_cut_and_say_so() {
        let cut = verdict(&"é".repeat(1 << 20), 3_000).bounded();
        assert!(cut.feedback.ends_with("é… [2031616 bytes are left out]"));
        assert!(cut.rationale.len() < MAX_REASON + 100);
        assert_eq!(cut.findings.len(), MAX_FINDINGS + 1);
        assert_eq!(cut.findings.last().unwrap().text, "[1000 findings are left out]");
        assert!(cut.findings.first().unwrap().text.len() < MAX_FINDING + 100);
        assert_eq!(cut.clone().bounded(), cut, "what was cut is cut no more");
    }

    #[test]
    fn answer_of_a_tool_keeps_its_beginning_and_its_end() {
        let content = format!("begin{}end", "é".repeat(1_000));
        let answer =
            ToolAnswer::Output { content, is_error: true, exit_status: Some(1), omitted_bytes: 5 };
        let ToolAnswer::Output { content, omitted_bytes, .. } = answer.bounded(20) else {
            panic!("another answer");
        };
        assert_eq!(content, "beginéé\n[1990 bytes are left out]\néééend");
        assert_eq!(omitted_bytes, 1995);
    }
}

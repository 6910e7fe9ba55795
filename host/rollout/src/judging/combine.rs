//! From the words of several judges to one verdict.

use catena_plugin::{Finding, Heard, Judged, Verdict};

use crate::run_file::Combine;

/// Whether the next judge is to be heard after these.
pub(super) fn goes_on(rule: Combine, heard: &[Heard]) -> bool {
    let has_verdict = |heard: &Heard| matches!(heard.judged, Judged::Verdict(_));
    rule != Combine::First || !heard.iter().any(has_verdict)
}

/// What these judges come to together, or why they come to nothing. `weights` has
/// one for each that was heard.
pub(crate) fn combined(
    rule: Combine,
    heard: &[Heard],
    weights: &[f64],
    threshold: f64,
) -> Result<Verdict, String> {
    let verdicts: Vec<(&str, &Verdict, f64)> = heard
        .iter()
        .zip(weights)
        .filter_map(|(heard, weight)| match &heard.judged {
            Judged::Verdict(verdict) => Some((heard.judge.as_str(), verdict, *weight)),
            _ => None,
        })
        .collect();
    let without: Vec<String> = heard.iter().filter_map(reason).collect();
    let needs_all = rule != Combine::First && !without.is_empty();
    let score = match rule {
        Combine::All => verdicts.iter().map(|(_, verdict, _)| verdict.score).reduce(f64::min),
        Combine::Weighted => mean(&verdicts),
        Combine::First => verdicts.first().map(|(_, verdict, _)| verdict.score),
    };
    match score {
        Some(score) if !needs_all => Ok(joined(score, &verdicts, heard.len() > 1, threshold)),
        _ if without.is_empty() => Err("no judge was heard".to_owned()),
        _ => Err(without.join("; ")),
    }
}

/// Why a judge has no verdict; its name tells which where there are several.
fn reason(heard: &Heard) -> Option<String> {
    match &heard.judged {
        Judged::Verdict(_) => None,
        Judged::NoVerdict(reason) => Some(format!("`{}`: {reason}", heard.judge)),
        Judged::Failed(failure) => Some(format!("`{}` {failure}", heard.judge)),
    }
}

fn mean(verdicts: &[(&str, &Verdict, f64)]) -> Option<f64> {
    let weights: f64 = verdicts.iter().map(|(.., weight)| weight).sum();
    let sum: f64 = verdicts.iter().map(|(_, verdict, weight)| verdict.score * weight).sum();
    let scores = || verdicts.iter().map(|(_, verdict, _)| verdict.score);
    let (least, most) = (scores().fold(1.0, f64::min), scores().fold(0.0, f64::max));
    // Rounding must not take it below a threshold, nor past what the judges said.
    let rounded = |mean: f64| ((mean * 1e9).round() / 1e9).max(least).min(most);
    (weights > 0.0).then(|| rounded(sum / weights))
}

/// One verdict with the words of all. An agent is told what those say that would
/// not accept by themselves; where all would, what all say.
fn joined(
    score: f64,
    verdicts: &[(&str, &Verdict, f64)],
    are_several: bool,
    threshold: f64,
) -> Verdict {
    let refuses = |(_, verdict, _): &&(&str, &Verdict, f64)| verdict.score < threshold;
    let is_refused = verdicts.iter().any(|verdict| refuses(&verdict));
    let feedback = verdicts.iter().filter(|verdict| !is_refused || refuses(verdict));
    let feedback: Vec<&str> = feedback
        .map(|(_, verdict, _)| verdict.feedback.trim_end())
        .filter(|text| !text.is_empty())
        .collect();
    let rationale = verdicts.iter().filter(|(_, verdict, _)| !verdict.rationale.is_empty());
    let rationale: Vec<String> = rationale
        .map(|(judge, verdict, _)| {
            if !are_several {
                return verdict.rationale.clone();
            }
            format!("{judge} ({:.2}): {}", verdict.score, verdict.rationale.trim_end())
        })
        .collect();
    let findings: Vec<Finding> =
        verdicts.iter().flat_map(|(_, verdict, _)| verdict.findings.iter().cloned()).collect();
    let feedback = match (are_several, verdicts) {
        (false, [(_, verdict, _)]) => verdict.feedback.clone(),
        _ => feedback.join("\n\n"),
    };
    Verdict { score, findings, feedback, rationale: rationale.join("\n\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(judge: &str, score: f64) -> Heard {
        let feedback = format!("of {judge}");
        let verdict = Verdict { score, findings: Vec::new(), feedback, rationale: String::new() };
        Heard { judge: judge.to_owned(), judged: Judged::Verdict(verdict) }
    }

    fn abstains(judge: &str) -> Heard {
        Heard { judge: judge.to_owned(), judged: Judged::NoVerdict("unreadable".to_owned()) }
    }

    fn score(rule: Combine, heard: &[Heard], weights: &[f64]) -> Result<f64, String> {
        combined(rule, heard, weights, 0.8).map(|verdict| verdict.score)
    }

    #[test]
    fn each_rule_makes_one_score_of_several() {
        let heard = [says("a", 0.9), says("b", 0.5)];
        assert_eq!(score(Combine::All, &heard, &[1.0, 1.0]), Ok(0.5));
        assert_eq!(score(Combine::Weighted, &heard, &[3.0, 1.0]), Ok(0.8));
        assert_eq!(score(Combine::First, &heard[..1], &[1.0]), Ok(0.9));
    }

    #[test]
    fn mean_of_like_scores_is_that_score() {
        let heard = [says("a", 0.7), says("b", 0.7)];
        assert_eq!(score(Combine::Weighted, &heard, &[1.0, 2.0]), Ok(0.7));
        let heard = [says("a", 0.75), says("b", 0.7), says("c", 0.95)];
        assert_eq!(score(Combine::Weighted, &heard, &[1.0, 1.0, 1.0]), Ok(0.8));
    }

    #[test]
    fn judge_without_verdict_leaves_only_the_first_rule_with_one() {
        let heard = [abstains("a"), says("b", 0.9)];
        let why = Err("`a`: unreadable".to_owned());
        assert_eq!(score(Combine::All, &heard, &[1.0, 1.0]), why);
        assert_eq!(score(Combine::Weighted, &heard, &[1.0, 1.0]), why);
        assert_eq!(score(Combine::First, &heard, &[1.0, 1.0]), Ok(0.9));
        assert_eq!(score(Combine::First, &heard[..1], &[1.0]), why);
    }

    #[test]
    fn first_rule_hears_nobody_after_a_verdict() {
        assert!(goes_on(Combine::First, &[abstains("a")]));
        assert!(!goes_on(Combine::First, &[abstains("a"), says("b", 0.1)]));
        assert!(goes_on(Combine::All, &[says("b", 0.1)]));
    }

    #[test]
    fn agent_is_told_what_those_say_that_refuse() {
        let heard = [says("a", 0.9), says("b", 0.5)];
        let feedback = |weights: &[f64]| combined(Combine::All, &heard, weights, 0.8);
        assert_eq!(feedback(&[1.0, 1.0]).map(|verdict| verdict.feedback), Ok("of b".to_owned()));
        let one = combined(Combine::All, &heard[..1], &[1.0], 0.8);
        assert_eq!(one.map(|verdict| verdict.feedback), Ok("of a".to_owned()));
    }
}

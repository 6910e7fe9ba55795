//! From one or several answers to a verdict.

use catena_sdk::judge::Verdict;

use crate::answer::Answer;

/// Whether the first answer is too close to the threshold to rely on it alone.
pub(crate) fn is_close(answers: &[Answer], threshold: f64, margin: f64) -> bool {
    // What a person writes as 0.75 and 0.05 need not add up to what is written as 0.8.
    const ROUNDING: f64 = 1e-9;
    answers.first().is_some_and(|first| (first.score - threshold).abs() <= margin + ROUNDING)
}

/// The mean score with the words of the answer that is closest to it; none where there
/// is no answer.
pub(crate) fn verdict(answers: Vec<Answer>) -> Option<Verdict> {
    let count = u32::try_from(answers.len()).ok().filter(|count| *count > 0)?;
    let scores: Vec<f64> = answers.iter().map(|answer| answer.score).collect();
    let mean = mean(&scores, f64::from(count));
    let distance = |answer: &Answer| (answer.score - mean).abs();
    let closest =
        answers.into_iter().min_by(|one, other| distance(one).total_cmp(&distance(other)))?;
    let rationale = match count {
        1 => closest.analysis,
        _ => format!("{}\n\n{}", spread(&scores, mean), closest.analysis),
    };
    Some(Verdict {
        score: mean,
        findings: closest.findings.into_iter().map(Into::into).collect(),
        feedback: closest.feedback,
        rationale,
    })
}

/// Rounded, as what a person writes as 0.7, 0.75 and 0.95 has the mean 0.8 and no
/// less, and never past what was said.
fn mean(scores: &[f64], count: f64) -> f64 {
    let least = scores.iter().copied().fold(1.0, f64::min);
    let most = scores.iter().copied().fold(0.0, f64::max);
    let mean = scores.iter().sum::<f64>() / count;
    ((mean * 1e9).round() / 1e9).max(least).min(most)
}

fn spread(scores: &[f64], mean: f64) -> String {
    let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let each: Vec<String> = scores.iter().map(|score| format!("{score:.2}")).collect();
    let (count, each) = (scores.len(), each.join(", "));
    format!(
        "{count} verdicts near the threshold: {each}; mean {mean:.3}, spread {:.2}",
        most - least
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(score: f64) -> Answer {
        let analysis = format!("why {score}");
        Answer { analysis, findings: Vec::new(), feedback: String::new(), score }
    }

    #[test]
    fn answers_near_the_threshold_are_too_close() {
        for (score, expected) in
            [(0.75, true), (0.85, true), (0.8, true), (0.74, false), (0.86, false)]
        {
            assert_eq!(is_close(&[answer(score)], 0.8, 0.05), expected, "{score}");
        }
    }

    #[test]
    fn mean_of_all_counts_with_the_closest_words_and_the_spread() {
        let verdict = verdict(vec![answer(0.75), answer(0.85), answer(0.8)]);
        let told = verdict.map(|verdict| (verdict.score, verdict.rationale)).unwrap_or_default();
        assert!((told.0 - 0.8).abs() < 1e-9);
        let expected =
            "3 verdicts near the threshold: 0.75, 0.85, 0.80; mean 0.800, spread 0.10\n\nwhy 0.8";
        assert_eq!(told.1, expected);
    }

    #[test]
    fn rounding_takes_no_mean_below_the_threshold() {
        for scores in [[0.75, 0.70, 0.95], [0.7, 0.7, 0.7], [0.8, 0.8, 0.8]] {
            let expected = (scores.iter().sum::<f64>() / 3.0 * 100.0).round() / 100.0;
            let verdict = verdict(scores.map(answer).into());
            assert_eq!(verdict.map(|verdict| verdict.score), Some(expected), "{scores:?}");
        }
    }

    #[test]
    fn only_answer_is_taken_as_it_is() {
        let verdict = verdict(vec![answer(0.3)]);
        assert_eq!(verdict.map(|verdict| verdict.rationale), Some("why 0.3".to_owned()));
    }
}

//! Distributions, the area under the curve, and outliers.

/// What is as good as the human patch, and what has nothing to do with it.
const ALIKE: [&str; 3] = ["the human patch", "reformatted", "new names are others"];
const UNRELATED: [&str; 2] = ["another pull request", "another of the same files"];

/// Outliers that are shown.
const SHOWN: usize = 8;

/// Scores by variant, in the order in which variants came.
#[derive(Default)]
pub(crate) struct Figures {
    variants: Vec<(&'static str, Vec<(f64, String)>)>,
    grown: usize,
    fell: Vec<String>,
    steps: Vec<Vec<f64>>,
}

impl Figures {
    pub(crate) fn add(&mut self, variant: &'static str, score: f64, name: &str) {
        let one = (score, name.to_owned());
        match self.variants.iter_mut().find(|(known, _)| *known == variant) {
            Some((_, scores)) => scores.push(one),
            None => self.variants.push((variant, vec![one])),
        }
    }

    /// Notes scores of a patch that grows.
    pub(crate) fn add_growth(&mut self, scores: &[f64], name: &str) {
        self.grown += 1;
        if scores.windows(2).any(|pair| matches!(pair, [less, more] if more < less)) {
            self.fell.push(name.to_owned());
        }
        self.steps.resize(self.steps.len().max(scores.len()), Vec::new());
        for (step, score) in self.steps.iter_mut().zip(scores) {
            step.push(*score);
        }
    }

    pub(crate) fn print(&self) {
        println!(
            "| | patches | least | 5 % | median | 95 % | most |\n|---|---|---|---|---|---|---|"
        );
        for (variant, scores) in &self.variants {
            let mut sorted: Vec<f64> = scores.iter().map(|(score, _)| *score).collect();
            sorted.sort_by(f64::total_cmp);
            let at = [0, 5, 50, 95, 100].map(|percent| quantile(&sorted, percent));
            let at = at.map(|score| format!("{score:.3}")).join(" | ");
            println!("| {variant} | {} | {at} |", sorted.len());
        }
        let unrelated = self.scores(&UNRELATED);
        println!(
            "\nAUC of human-like against unrelated: {:.4}",
            auc(&self.scores(&ALIKE), &unrelated)
        );
        for variant in ALIKE {
            println!("AUC of `{variant}`: {:.4}", auc(&self.scores(&[variant]), &unrelated));
        }
        let medians = self.steps.iter().map(|scores| {
            let mut sorted = scores.clone();
            sorted.sort_by(f64::total_cmp);
            format!("{:.2}", quantile(&sorted, 50))
        });
        let medians = medians.collect::<Vec<_>>().join(" ");
        println!("growing by eighths of the hunks, medians: {medians}");
        println!(
            "of {} patches, the score of {} falls somewhere: {:?}",
            self.grown,
            self.fell.len(),
            self.fell
        );
        for variant in ["reformatted", "new names are others"] {
            self.print_outliers(variant, f64::total_cmp);
        }
        for variant in UNRELATED {
            self.print_outliers(variant, |a, b| b.total_cmp(a));
        }
    }

    fn scores(&self, variants: &[&str]) -> Vec<f64> {
        let chosen = self.variants.iter().filter(|(variant, _)| variants.contains(variant));
        chosen.flat_map(|(_, scores)| scores.iter().map(|(score, _)| *score)).collect()
    }

    fn print_outliers(&self, variant: &str, order: impl Fn(&f64, &f64) -> std::cmp::Ordering) {
        let Some((_, scores)) = self.variants.iter().find(|(known, _)| *known == variant) else {
            return;
        };
        let mut sorted: Vec<&(f64, String)> = scores.iter().collect();
        sorted.sort_by(|(a, _), (b, _)| order(a, b));
        let shown = sorted.iter().take(SHOWN).map(|(score, name)| format!("{name} {score:.3}"));
        println!("\nfurthest out, {variant}: {}", shown.collect::<Vec<_>>().join(", "));
    }
}

fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len().saturating_sub(1) * percent + 50) / 100;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// The chance that one of the first scores is above one of the second; a tie is half.
#[expect(clippy::cast_precision_loss, reason = "there are not 2^52 pairs")]
fn auc(alike: &[f64], unrelated: &[f64]) -> f64 {
    let mut wins = 0.0;
    for score in alike {
        for other in unrelated {
            wins += match score.total_cmp(other) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    wins / (alike.len() * unrelated.len()) as f64
}

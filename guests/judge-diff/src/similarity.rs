//! How alike two sets of changes are.

use std::collections::BTreeSet;

use crate::changes::{Counts, FileChanges, PatchChanges};

/// 0 for nothing in common, 1 for the same changes; see the crate's description.
pub(crate) fn score(candidate: &PatchChanges, reference: &PatchChanges) -> f64 {
    // Of changes of layout alone nothing but their lines is left.
    if is_layout(candidate) && is_layout(reference) {
        return agreement(candidate, reference, |file| &file.lines).unwrap_or(1.0);
    }
    let views: [fn(&FileChanges) -> &Counts; 3] =
        [|file| &file.words, |file| &file.pairs, |file| &file.shapes];
    let views = views.into_iter().filter_map(|view| agreement(candidate, reference, view));
    let (sum, count) = views.fold((0.0, 0.0), |(sum, count), view| (sum + view, count + 1.0));
    if count > 0.0 { sum / count } else { 1.0 }
}

fn is_layout(changes: &PatchChanges) -> bool {
    changes.values().all(|file| file.words.is_empty())
}

/// How many changes two files share, and how many only one of them has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overlap {
    pub(crate) common: u64,
    pub(crate) only_candidate: u64,
    pub(crate) only_reference: u64,
}

impl Overlap {
    pub(crate) fn of(candidate: &Counts, reference: &Counts) -> Self {
        let common = candidate
            .iter()
            .filter_map(|(item, count)| Some(count.min(reference.get(item)?)))
            .sum();
        Self {
            common,
            only_candidate: candidate.values().sum::<u64>() - common,
            only_reference: reference.values().sum::<u64>() - common,
        }
    }

    /// Items of both sides together.
    fn total(self) -> f64 {
        to_float(2 * self.common + self.only_candidate + self.only_reference)
    }

    fn disagreement(self) -> f64 {
        to_float(self.only_candidate + self.only_reference) / self.total()
    }
}

/// One minus the weighted mean of the files' disagreements; `None` where neither
/// side has anything to compare.
fn agreement(
    candidate: &PatchChanges,
    reference: &PatchChanges,
    side: impl Fn(&FileChanges) -> &Counts,
) -> Option<f64> {
    let nothing = FileChanges::default();
    let paths: BTreeSet<&String> = candidate.keys().chain(reference.keys()).collect();
    let (mut lost, mut weights) = (0.0, 0.0);
    for path in paths {
        let overlap = Overlap::of(
            side(candidate.get(path).unwrap_or(&nothing)),
            side(reference.get(path).unwrap_or(&nothing)),
        );
        let weight = overlap.total().sqrt();
        if weight > 0.0 {
            lost += weight * overlap.disagreement();
            weights += weight;
        }
    }
    (weights > 0.0).then(|| 1.0 - lost / weights)
}

#[expect(clippy::cast_precision_loss, reason = "no patch has 2^52 lines")]
fn to_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::of_patch;

    const FILES: [(&str, &[&str]); 3] = [
        (
            "diff --git a/cart.py b/cart.py\n--- a/cart.py\n+++ b/cart.py\n",
            &[
                "@@ -1,2 +1,3 @@\n import money\n+import tax\n \n",
                "@@ -20,2 +21,2 @@\n-    return total\n+    return tax.add(total)\n \n",
            ],
        ),
        (
            "diff --git a/tax.py b/tax.py\nnew file mode 100644\n--- /dev/null\n+++ b/tax.py\n",
            &["@@ -0,0 +1,4 @@\n+RATE = 19\n+\n+def add(net):\n+    return net\n"],
        ),
        (
            "diff --git a/run.sh b/run.sh\n--- a/run.sh\n+++ b/run.sh\n",
            &["@@ -1 +1 @@\n-python old.py\n+python new.py\n", "@@ -9 +9 @@\n-exit 1\n+exit 0\n"],
        ),
    ];

    /// The patch with those hunks whose bit is set.
    fn patch(chosen: u32) -> String {
        let mut number = 0;
        let mut text = String::new();
        for (header, hunks) in FILES {
            let mut started = false;
            for hunk in hunks {
                if chosen >> number & 1 == 1 {
                    text += if started { "" } else { header };
                    text += hunk;
                    started = true;
                }
                number += 1;
            }
        }
        text
    }

    const ALL: u32 = 0b1_1111;

    fn score_of(candidate: &str, reference: &str) -> f64 {
        let candidate = git_patch::parse(candidate.as_bytes()).unwrap();
        let reference = git_patch::parse(reference.as_bytes()).unwrap();
        score(&of_patch(&candidate), &of_patch(&reference))
    }

    #[track_caller]
    fn assert_is(score: f64, expected: f64) {
        assert!((score - expected).abs() < f64::EPSILON, "{score} is not {expected}");
    }

    #[test]
    fn an_empty_candidate_scores_zero_and_the_reference_itself_one() {
        assert_is(score_of("", &patch(ALL)), 0.0);
        assert_is(score_of(&patch(ALL), &patch(ALL)), 1.0);
    }

    #[test]
    fn an_empty_reference_is_met_by_an_empty_candidate_only() {
        assert_is(score_of("", ""), 1.0);
        assert_is(score_of(&patch(1), ""), 0.0);
    }

    #[test]
    fn every_further_hunk_raises_the_score() {
        for chosen in 0..ALL {
            for hunk in 0..5 {
                let more = chosen | 1 << hunk;
                if more != chosen {
                    let (less, more) = (
                        score_of(&patch(chosen), &patch(ALL)),
                        score_of(&patch(more), &patch(ALL)),
                    );
                    assert!(less < more, "{chosen:b} with hunk {hunk}: {less} to {more}");
                }
            }
        }
    }

    #[test]
    fn candidate_and_reference_may_change_places() {
        for chosen in 0..=ALL {
            let other = patch(chosen ^ 0b01_0110);
            assert_is(score_of(&patch(chosen), &other), score_of(&other, &patch(chosen)));
        }
    }

    #[test]
    fn context_offsets_and_object_ids_do_not_matter() {
        let a = "diff --git a/f b/f\nindex 1..2 100644\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n x\n-a\n+b\n";
        let b =
            "diff --git a/f b/f\nindex 3..4 100644\n--- a/f\n+++ b/f\n@@ -9 +9 @@ def g\n-a\n+b\n";
        assert_is(score_of(a, b), 1.0);
    }

    #[test]
    fn as_much_again_beside_the_reference_costs_about_a_third() {
        let reference = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,0 +2,2 @@\n+a b\n+c d\n";
        let more =
            "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,0 +2,4 @@\n+a b\n+c d\n+e f\n+g h\n";
        let score = score_of(more, reference);
        assert!((0.5..0.7).contains(&score), "{score}");
    }

    #[test]
    fn layout_costs_nothing_beside_a_change_and_is_one_alone() {
        let head = "diff --git a/f b/f\n--- a/f\n+++ b/f\n";
        let change = format!("{head}@@ -1 +1,2 @@\n-f(a)\n+f(a, b)\n+g('c')\n");
        let other = format!(
            "{head}@@ -1,2 +1,6 @@\n-f(a)\n-x = 1\n+f(\n+    a,\n+    b,\n+)\n+g(\"c\")\n+x=1\n"
        );
        assert_is(score_of(&other, &change), 1.0);
        let layout = format!("{head}@@ -1 +1 @@\n-x=1\n+x = 1\n");
        assert_is(score_of("", &layout), 0.0);
        assert_is(score_of(&layout, &layout), 1.0);
    }

    #[test]
    fn names_that_are_others_cost_less_than_code_that_is() {
        let renamed = patch(ALL).replace("RATE", "FACTOR").replace("net", "sum");
        let rewritten = patch(ALL).replace("RATE = 19", "load()").replace("net", "'%d' % x.y");
        let (renamed, rewritten) =
            (score_of(&renamed, &patch(ALL)), score_of(&rewritten, &patch(ALL)));
        assert!(renamed > 0.6 && renamed > rewritten, "{renamed} and {rewritten}");
    }

    #[test]
    fn a_changed_name_costs_something() {
        let wrong = patch(ALL).replace("add", "add_wrong");
        let score = score_of(&wrong, &patch(ALL));
        assert!(score > 0.3 && score < 1.0, "{score}");
    }

    #[test]
    fn binary_files_are_compared_by_their_new_contents() {
        let binary = |old: &str, new: &str| {
            let (old, new) = (old.repeat(40), new.repeat(40));
            format!(
                "diff --git a/logo.png b/logo.png\nindex {old}..{new} 100644\nGIT binary patch\n\
                 literal 3\nKcmb=J\n\n"
            )
        };
        assert_is(score_of(&binary("1", "2"), &binary("3", "2")), 1.0);
        assert_is(score_of(&binary("1", "2"), &binary("1", "3")), 0.0);
    }

    #[test]
    fn a_rename_alone_is_a_change() {
        let rename =
            "diff --git a/old b/new\nsimilarity index 100%\nrename from old\nrename to new\n";
        assert_is(score_of("", rename), 0.0);
        assert_is(score_of(rename, rename), 1.0);
    }
}

//! Comparisons of generated texts.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// Lines of few letters, so that many are equal.
fn lines() -> impl Strategy<Value = String> {
    proptest::collection::vec("[ab]?[\r]?\n|[a-f]{1,2}\n", 0..40)
        .prop_flat_map(|lines| (Just(lines.concat()), "[a-c]{0,2}").prop_map(|(a, b)| a + &b))
}

/// `new`, made of `old` by the changes.
fn rebuilt(old: &str, new: &str, changes: &[ChangedLines]) -> String {
    let [old, new] = [old, new].map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
    let mut out = String::new();
    let mut read = 0;
    for change in changes {
        out.extend(old[read..change.before.start].iter().copied());
        out.extend(new[change.after.clone()].iter().copied());
        read = change.before.end;
    }
    out.extend(old[read..].iter().copied());
    out
}

fn merged(old: &str, new: &str, work: &mut Work) -> Vec<ChangedLines> {
    let mut numbering = Numbering::default();
    let old = numbering.text(old.as_bytes());
    let new = numbering.text_beside(new.as_bytes(), &old);
    merge_changes(old.numbers(), new.numbers(), numbering.count(), work)
}

proptest! {
    #[test]
    fn changes_make_the_new_text_of_the_old_one(
        old in lines(),
        new in lines(),
        steps in 0_u64..200,
    ) {
        prop_assert_eq!(&rebuilt(&old, &new, &changed_lines(old.as_bytes(), new.as_bytes())), &new);
        prop_assert_eq!(&rebuilt(&old, &new, &merged(&old, &new, &mut Work::default())), &new);
        // However much work is left.
        prop_assert_eq!(&rebuilt(&old, &new, &merged(&old, &new, &mut Work::of(steps))), &new);
        let mut numbering = Numbering::default();
        let numbered = [&old, &new].map(|text| numbering.text(text.as_bytes()));
        let [before, after] = &numbered;
        let changes = diff_changes(before, after, numbering.count(), &mut Work::of(steps));
        prop_assert_eq!(&rebuilt(&old, &new, &changes), &new);
    }

    #[test]
    fn equal_ends_do_not_change_how_lines_are_numbered(
        lead in lines(),
        [old, new] in [lines(), lines()],
        tail in lines(),
    ) {
        let [old, new] = [old, new].map(|middle| [&lead[..], &middle, &tail].concat());
        let mut plain = Numbering::default();
        let [_, alone] = [&old, &new].map(|text| plain.text(text.as_bytes()));
        let mut shared = Numbering::default();
        let base = shared.text(old.as_bytes());
        let beside = shared.text_beside(new.as_bytes(), &base);
        prop_assert_eq!(alone.numbers(), beside.numbers());
        prop_assert_eq!(alone.len(), beside.len());
        for line in 0..alone.len() {
            prop_assert_eq!(alone.line(line), beside.line(line));
        }
    }
}

/// Lines drawn from a few by a small generator.
fn mixed(seed: u64, lines: usize, kinds: u64) -> String {
    let mut state = seed;
    let mut text = String::new();
    for _ in 0..lines {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let _ = writeln!(text, "{}", (state >> 33) % kinds);
    }
    text
}

#[test]
fn mixes_of_few_lines_take_bounded_work() {
    for (length, kinds) in [(40_000, 2), (40_000, 60), (20_000, 700)] {
        let [old, new] = [1, 2].map(|seed| mixed(seed, length, kinds));
        let changes = changed_lines(old.as_bytes(), new.as_bytes());
        assert_eq!(rebuilt(&old, &new, &changes), new);
        let mut work = Work::default();
        let changes = merged(&old, &new, &mut work);
        assert_eq!(rebuilt(&old, &new, &changes), new);
        assert!(!work.is_used_up(), "{length} lines of {kinds} kinds take {} steps", work.used());
    }
}

#[test]
fn millions_of_empty_lines_are_not_compared() {
    let old = "\n".repeat(MOST_LINES + 1);
    let changes = changed_lines(old.as_bytes(), b"\n");
    assert_eq!(changes, [ChangedLines { before: 0..MOST_LINES + 1, after: 0..1 }]);
}

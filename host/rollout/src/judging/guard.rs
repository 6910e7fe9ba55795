//! What an agent is told of feedback: nothing that only the reference has.
//!
//! A judge sees the reference patch, and the agent must find its own way. Names,
//! files, quoted texts and lines that the reference brings and that neither the task
//! nor the agent's own patch has are cut out. Its invariant: what is told was looked
//! through as a whole, and where anything is left in it, or it can't be looked
//! through, all of it is kept back. What looking through takes is bounded in memory and
//! steps, whatever the agent and the judge wrote.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use catena_chain::leak::{Answer, Leak, LeakKind, MAX_EXCERPT, Vocabulary};
use catena_chain::{Chain, ChainId};
use catena_tree::diff::DiffOptions;
use catena_tree::{ObjectDatabase, ObjectError, TreeId, patch};

use self::lines::{LEAST_LINE, Lines};
use crate::record::Told;
use crate::stage::Round;

mod lines;

/// Stands where something was cut.
const CUT: &str = "[cut]";

/// What an agent is told where all of the feedback was kept back.
const WITHHELD: &str = "The submission does not do yet what the task asks for.";

/// Longest feedback that is told, in bytes.
const MAX_FEEDBACK: usize = 64 << 10;

/// Most lines and sentences of feedback that are told.
const MAX_PARTS: usize = 2000;

/// Most that is cut out of a part. One that has more is cut as a whole.
const MAX_CUTS: usize = 64;

/// Most lines that a reference adds. Of one that adds more nothing is told.
const MAX_LINES: usize = 200_000;

/// Most excerpts that are looked for in what the agent has. It is taken to have none of
/// the others.
const MAX_EXCERPTS: usize = 256;

/// Keeps references out of feedback. What a stage's reference brings is found once.
#[derive(Default)]
pub(crate) struct Guard {
    answers: Mutex<HashMap<(ChainId, u32), Arc<Answer>>>,
    /// Of the run's repository.
    vocabulary: Mutex<Vocabulary>,
}

impl Guard {
    /// What the agent may be told of `feedback` on its submission `tree`.
    pub(crate) fn guarded(
        &self,
        database: &ObjectDatabase,
        chain: &Chain,
        at: &Round<'_>,
        tree: TreeId,
        feedback: &str,
    ) -> Told {
        if feedback.trim().is_empty() {
            return Told::whole(feedback);
        }
        // Other rollouts' models are listened to meanwhile.
        tokio::task::block_in_place(|| match self.secrets(database, chain, at, tree) {
            Ok(Some(mut secrets)) => secrets.cut_from(feedback),
            Ok(None) => withheld(Vec::new(), format!("the reference adds over {MAX_LINES} lines")),
            Err(err) => withheld(Vec::new(), format!("the reference can't be read: {err}")),
        })
    }

    /// What must not be told; none where it is too much to be looked for.
    fn secrets(
        &self,
        database: &ObjectDatabase,
        chain: &Chain,
        at: &Round<'_>,
        tree: TreeId,
    ) -> Result<Option<Secrets>, ObjectError> {
        let answer = self.answer(database, chain, at)?;
        let options = DiffOptions::default();
        let candidate = patch::write(database, at.start, tree, &options)?;
        let reference = patch::write(database, at.stage.base.tree, at.stage.human, &options)?;
        let candidate = String::from_utf8_lossy(&candidate);
        let stage = at.stage;
        let mut open = vec![chain.overview.as_str(), stage.query.as_str(), &candidate];
        open.extend(stage.interface.iter().map(String::as_str));
        let open = plain(open);
        let lines = new_lines(&String::from_utf8_lossy(&reference), &open);
        Ok(lines.map(|lines| Secrets { answer, open, lines, excerpts: HashMap::new() }))
    }

    fn answer(
        &self,
        database: &ObjectDatabase,
        chain: &Chain,
        at: &Round<'_>,
    ) -> Result<Arc<Answer>, ObjectError> {
        let key = (chain.id.clone(), at.position);
        let answers = || self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = answers().get(&key) {
            return Ok(answer.clone());
        }
        let position = usize::try_from(at.position.saturating_sub(1)).unwrap_or(usize::MAX);
        let mut vocabulary = self.vocabulary.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = Answer::of_stage(database, &mut vocabulary, chain, position)?;
        answer.declare(&at.stage.interface);
        let answer = Arc::new(answer);
        answers().insert(key, answer.clone());
        Ok(answer)
    }
}

/// What must not be told of a stage.
struct Secrets {
    answer: Arc<Answer>,
    /// What the agent has anyway, in plain form.
    open: String,
    /// Lines that the reference alone adds, in plain form.
    lines: Lines,
    /// Whether the agent has what was found before.
    excerpts: HashMap<String, bool>,
}

impl Secrets {
    fn cut_from(&mut self, feedback: &str) -> Told {
        let end = feedback.floor_char_boundary(MAX_FEEDBACK);
        let feedback = feedback.get(..end).unwrap_or_default();
        let end = parts(feedback).take(MAX_PARTS).map(str::len).sum();
        let feedback = feedback.get(..end).unwrap_or_default();
        let Some(mut cut) = self.found(feedback) else {
            return withheld(Vec::new(), "it takes too long to look through".to_owned());
        };
        if cut.is_empty() {
            return Told::whole(feedback);
        }
        let text: String = parts(feedback).map(|part| self.part(part)).collect();
        match self.found(&text) {
            Some(left) if left.is_empty() => return Told { text, cut, withheld: None },
            left => cut.extend(left.unwrap_or_default()),
        }
        cut.sort();
        cut.dedup();
        withheld(cut, "it gives the reference away throughout".to_owned())
    }

    /// A part of the feedback as it may be told.
    fn part(&mut self, part: &str) -> String {
        let leaks = self.found(part).filter(|leaks| {
            leaks.len() <= MAX_CUTS && leaks.iter().all(|leak| leak.kind != LeakKind::PatchText)
        });
        let Some(leaks) = leaks else {
            let text = part.trim_end();
            return format!("{CUT}{}", part.get(text.len()..).unwrap_or_default());
        };
        let blanked = |text: String, leak: &Leak| without_word(&text, &leak.excerpt);
        leaks.iter().fold(part.to_owned(), blanked)
    }

    /// What `text` has that the agent has not; none where it can't be told.
    fn found(&mut self, text: &str) -> Option<Vec<Leak>> {
        let mut leaks = self.answer.check(text).leaks;
        leaks.retain(|leak| !self.has_excerpt(&leak.excerpt));
        let found = self.lines.find(&plain([text]), |_, _, _| true);
        if !found.is_whole {
            return None;
        }
        let quoted = found.stands.iter().enumerate().filter(|(_, stands)| **stands);
        leaks.extend(quoted.map(|(number, _)| Leak {
            kind: LeakKind::PatchText,
            excerpt: self.lines.line(number).chars().take(80).collect(),
        }));
        leaks.sort();
        leaks.dedup();
        Some(leaks)
    }

    /// Whether the agent has what was found anyway.
    fn has_excerpt(&mut self, excerpt: &str) -> bool {
        if let Some(has) = self.excerpts.get(excerpt) {
            return *has;
        }
        let has = self.excerpts.len() < MAX_EXCERPTS && is_open(&self.open, excerpt);
        if self.excerpts.len() < MAX_EXCERPTS {
            self.excerpts.insert(excerpt.to_owned(), has);
        }
        has
    }
}

fn withheld(cut: Vec<Leak>, why: String) -> Told {
    Told { text: WITHHELD.to_owned(), cut, withheld: Some(why) }
}

/// Whether the agent has what was found anyway. The end of what was cut is not known.
fn is_open(open: &str, excerpt: &str) -> bool {
    excerpt.chars().count() < MAX_EXCERPT && stands_in(open, &plain([excerpt]))
}

/// Whether a text has another where no word or number goes on before or after it.
fn stands_in(text: &str, other: &str) -> bool {
    text.match_indices(other).any(|(at, found)| is_apart(text, at, found))
}

/// Whether no word or number goes on before or after what was found in a text.
fn is_apart(text: &str, at: usize, found: &str) -> bool {
    let goes_on = |inner: Option<char>, outer: Option<char>| {
        inner.is_some_and(is_of_word) && outer.is_some_and(is_of_word)
    };
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    let after = text.get(at + found.len()..).and_then(|after| after.chars().next());
    !goes_on(found.chars().next(), before) && !goes_on(found.chars().next_back(), after)
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Texts in lower case with single spaces.
fn plain<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut plain = String::new();
    for word in texts.into_iter().flat_map(str::split_whitespace) {
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.extend(word.chars().flat_map(char::to_lowercase));
    }
    plain
}

/// Lines that a patch adds, and neither it nor `open` has otherwise; none if they are
/// too many. Words alone are no code.
fn new_lines(patch: &str, open: &str) -> Option<Lines> {
    let mut lines = Vec::new();
    for line in patch.lines() {
        let Some(added) = line.strip_prefix('+').filter(|_| !line.starts_with("+++ ")) else {
            continue;
        };
        let added = plain([added]);
        let is_code = added.chars().any(|c| !c.is_alphanumeric() && !c.is_whitespace());
        if added.len() >= LEAST_LINE && is_code {
            lines.push(added);
        }
        if lines.len() > MAX_LINES {
            return None;
        }
    }
    let lines = Lines::new(lines);
    let others = plain(patch.lines().filter(|line| !line.starts_with('+')));
    let known = [open, &others].map(|text| lines.find(text, is_apart).stands);
    let is_known = |number: usize| known.iter().any(|stands| stands.get(number) == Some(&true));
    Some(lines.retained(|number| !is_known(number)))
}

/// Lines and sentences, with what ends them.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').flat_map(|line| line.split_inclusive(". "))
}

/// The text with every place of a word, in any case, blanked out.
fn without_word(text: &str, word: &str) -> String {
    let is_part = |c: Option<char>| c.is_some_and(is_of_word);
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let found = rest.get(..word.len()).filter(|here| here.eq_ignore_ascii_case(word));
        let after = rest.get(word.len()..).and_then(|after| after.chars().next());
        if found.is_some() && !is_part(kept.chars().next_back()) && !is_part(after) {
            kept.push_str(CUT);
            rest = rest.get(word.len()..).unwrap_or_default();
        } else {
            kept.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,3 @@\n def old(note):\n-    pass\n\
                         +    total = sum(weigh(note) for note in NOTES)\n+    return total\n";

    fn secrets(open: &str) -> Secrets {
        let open = plain([open]);
        let lines = new_lines(PATCH, &open).unwrap();
        Secrets { answer: Arc::default(), open, lines, excerpts: HashMap::new() }
    }

    #[test]
    fn line_of_the_reference_is_cut_with_its_sentence() {
        let line = "total = sum(weigh(note) for  note in NOTES)";
        let told = secrets("").cut_from(&format!("It sums wrongly. Write `{line}`. Then stop.\n"));
        assert_eq!(told.text, "It sums wrongly. [cut] Then stop.\n");
        assert_eq!(told.cut.len(), 1);
    }

    #[test]
    fn line_that_the_agent_has_is_told() {
        let line = "total = sum(weigh(note) for note in NOTES)";
        let told = secrets(&format!("+    {line}")).cut_from(&format!("`{line}` is slow."));
        assert_eq!(told, Told::whole(&format!("`{line}` is slow.")));
    }

    #[test]
    fn lines_over_several_sentences_keep_all_back() {
        let mut secrets = secrets("");
        secrets.lines = Lines::new(vec!["raise oops. again(now)".to_owned()]);
        let told = secrets.cut_from("Say raise Oops. again(now) there.");
        assert_eq!(told.text, WITHHELD);
        assert!(told.withheld.is_some());
    }

    #[test]
    fn a_part_of_what_the_agent_has_is_not_what_it_has() {
        let open = plain(["raise syntax_error(x) # see #123 and count.py"]);
        for excerpt in ["syntax_error", "syntax_error(x)", "#123", "Count.py", "(x)"] {
            assert!(is_open(&open, excerpt), "{excerpt}");
        }
        for excerpt in ["tax", "syntax", "#12", "ount.py", "count.p"] {
            assert!(!is_open(&open, excerpt), "{excerpt}");
        }
        let cut = "x".repeat(MAX_EXCERPT);
        assert!(!is_open(&cut, &cut));
    }

    #[test]
    fn what_is_too_much_to_be_looked_through_is_not_told() {
        let lines = (0..=MAX_LINES).map(|n| format!("+call_number({n})\n"));
        assert!(new_lines(&lines.collect::<String>(), "").is_none());
        // Each of the lines begins at each byte of the text.
        let lines = (1..2000).map(|n| format!("{}!{n}", "a".repeat(20)));
        let mut secrets = secrets("");
        secrets.lines = Lines::new(lines.collect());
        let told = secrets.cut_from(&"a".repeat(MAX_FEEDBACK));
        assert_eq!(told.text, WITHHELD);
    }

    #[test]
    fn feedback_of_very_many_parts_is_told_as_far_as_it_is_looked_through() {
        let told = secrets("").cut_from(&"x\n".repeat(MAX_PARTS + 1));
        assert_eq!(told, Told::whole(&"x\n".repeat(MAX_PARTS)));
    }

    #[test]
    fn line_in_common_with_very_many_is_still_kept_back() {
        let line = format!("{}!1", "a".repeat(20));
        let patch = (1..2000).map(|n| format!("+{}!{n}\n", "a".repeat(20)));
        // The line stands behind more than is compared, so it is not taken to be known.
        let open = format!("{} {line}", "a".repeat(1 << 16));
        let lines = new_lines(&patch.collect::<String>(), &open).unwrap();
        let found = lines.find(&line, |_, _, _| true);
        assert!(found.stands.contains(&true));
    }

    #[test]
    fn plain_text_takes_no_more_room_than_the_text() {
        let plain = plain([&*"A ".repeat(1000)]);
        assert_eq!(plain.len(), 1999);
        assert!(plain.capacity() <= 4096);
    }

    #[test]
    fn words_are_blanked_where_they_stand_alone() {
        let text = "Add Count.py; not recount.py, but count.py.";
        assert_eq!(without_word(text, "count.py"), "Add [cut]; not recount.py, but [cut].");
    }
}

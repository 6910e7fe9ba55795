//! What an agent is told of feedback: nothing that only the reference has.
//!
//! A judge sees the reference patch, and the agent must find its own way. Names,
//! files, quoted texts and lines that the reference brings and that neither the task
//! nor the agent's own patch has are cut out. Its invariant: what is told was looked
//! through as a whole, and where anything is left in it, or it can't be looked
//! through, all of it is kept back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use catena_chain::leak::{Answer, Leak, LeakKind, MAX_EXCERPT, Vocabulary};
use catena_chain::{Chain, ChainId};
use catena_tree::diff::DiffOptions;
use catena_tree::{ObjectDatabase, ObjectError, TreeId, patch};

use crate::record::Told;
use crate::stage::Round;

/// Stands where something was cut.
const CUT: &str = "[cut]";

/// What an agent is told where all of the feedback was kept back.
const WITHHELD: &str = "The submission does not do yet what the task asks for.";

/// Shortest line of the reference that is known again.
const LEAST_LINE: usize = 12;

/// Longest feedback that is told, in bytes.
const MAX_FEEDBACK: usize = 64 << 10;

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
        let secrets = tokio::task::block_in_place(|| self.secrets(database, chain, at, tree));
        match secrets {
            Ok(secrets) => secrets.cut_from(feedback),
            Err(err) => withheld(Vec::new(), format!("the reference can't be read: {err}")),
        }
    }

    fn secrets(
        &self,
        database: &ObjectDatabase,
        chain: &Chain,
        at: &Round<'_>,
        tree: TreeId,
    ) -> Result<Secrets, ObjectError> {
        let answer = self.answer(database, chain, at)?;
        let options = DiffOptions::default();
        let candidate = patch::write(database, at.start, tree, &options)?;
        let reference = patch::write(database, at.stage.base.tree, at.stage.human, &options)?;
        let candidate = String::from_utf8_lossy(&candidate);
        let stage = at.stage;
        let mut open = vec![chain.overview.as_str(), stage.query.as_str(), &candidate];
        open.extend(stage.interface.iter().map(String::as_str));
        let open = plain(&open.join("\n"));
        let lines = new_lines(&String::from_utf8_lossy(&reference), &open);
        Ok(Secrets { answer, open, lines })
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
    lines: Vec<String>,
}

impl Secrets {
    fn cut_from(&self, feedback: &str) -> Told {
        let end = feedback.floor_char_boundary(MAX_FEEDBACK);
        let feedback = feedback.get(..end).unwrap_or_default();
        let mut cut = self.found(feedback);
        if cut.is_empty() {
            return Told::whole(feedback);
        }
        let text: String = parts(feedback).map(|part| self.part(part)).collect();
        let left = self.found(&text);
        if left.is_empty() {
            return Told { text, cut, withheld: None };
        }
        cut.extend(left);
        cut.sort();
        cut.dedup();
        withheld(cut, "it gives the reference away throughout".to_owned())
    }

    /// A part of the feedback as it may be told.
    fn part(&self, part: &str) -> String {
        let leaks = self.found(part);
        if leaks.iter().any(|leak| leak.kind == LeakKind::PatchText) {
            let text = part.trim_end();
            return format!("{CUT}{}", part.get(text.len()..).unwrap_or_default());
        }
        let blanked = |text: String, leak: &Leak| without_word(&text, &leak.excerpt);
        leaks.iter().fold(part.to_owned(), blanked)
    }

    /// What `text` has that the agent has not.
    fn found(&self, text: &str) -> Vec<Leak> {
        let leaks = self.answer.check(text).leaks.into_iter();
        let mut leaks: Vec<Leak> =
            leaks.filter(|leak| !is_open(&self.open, &leak.excerpt)).collect();
        let text = plain(text);
        let quoted = self.lines.iter().filter(|line| text.contains(line.as_str()));
        leaks.extend(quoted.map(|line| Leak {
            kind: LeakKind::PatchText,
            excerpt: line.chars().take(80).collect(),
        }));
        leaks.sort();
        leaks.dedup();
        leaks
    }
}

fn withheld(cut: Vec<Leak>, why: String) -> Told {
    Told { text: WITHHELD.to_owned(), cut, withheld: Some(why) }
}

/// Whether the agent has what was found anyway. The end of what was cut is not known.
fn is_open(open: &str, excerpt: &str) -> bool {
    excerpt.chars().count() < MAX_EXCERPT && stands_in(open, &plain(excerpt))
}

/// Whether a text has another where no word or number goes on before or after it.
fn stands_in(text: &str, other: &str) -> bool {
    let goes_on = |inner: Option<char>, outer: Option<char>| {
        inner.is_some_and(is_of_word) && outer.is_some_and(is_of_word)
    };
    let is_apart = |(at, found): (usize, &str)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|after| after.chars().next());
        !goes_on(found.chars().next(), before) && !goes_on(found.chars().next_back(), after)
    };
    text.match_indices(other).any(is_apart)
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A text in lower case with single spaces.
fn plain(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

/// Lines that a patch adds, and neither it nor `open` has otherwise. Words alone
/// are no code.
fn new_lines(patch: &str, open: &str) -> Vec<String> {
    let is_header = |line: &str| line.starts_with("+++ ");
    let line = |line: &str| {
        let added = line.strip_prefix('+').filter(|_| !is_header(line))?;
        let added = plain(added);
        let is_code = added.chars().any(|c| !c.is_alphanumeric() && !c.is_whitespace());
        (added.len() >= LEAST_LINE && is_code).then_some(added)
    };
    let others = patch.lines().filter(|line| !line.starts_with('+'));
    let others = plain(&others.collect::<Vec<_>>().join("\n"));
    let mut lines: Vec<String> = patch.lines().filter_map(line).collect();
    lines.retain(|line| !stands_in(open, line) && !stands_in(&others, line));
    lines.sort();
    lines.dedup();
    lines
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
        let open = plain(open);
        let lines = new_lines(PATCH, &open);
        Secrets { answer: Arc::default(), open, lines }
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
        secrets.lines = vec!["raise oops. again(now)".to_owned()];
        let told = secrets.cut_from("Say raise Oops. again(now) there.");
        assert_eq!(told.text, WITHHELD);
        assert!(told.withheld.is_some());
    }

    #[test]
    fn a_part_of_what_the_agent_has_is_not_what_it_has() {
        let open = plain("raise syntax_error(x) # see #123 and count.py");
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
    fn words_are_blanked_where_they_stand_alone() {
        let text = "Add Count.py; not recount.py, but count.py.";
        assert_eq!(without_word(text, "count.py"), "Add [cut]; not recount.py, but [cut].");
    }
}

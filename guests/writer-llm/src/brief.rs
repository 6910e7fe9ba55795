//! A chain as templates see it.

use catena_sdk::writer::{ChainBrief, Leak, StageBrief};
use serde::Serialize;

use crate::config::Config;

#[derive(Serialize)]
pub(crate) struct TaskView<'a> {
    chain: ChainView<'a>,
    limits: LimitsView,
}

#[derive(Serialize)]
struct ChainView<'a> {
    repository: &'a str,
    stages: Vec<StageView<'a>>,
    leaks: Vec<LeakView<'a>>,
}

#[derive(Serialize)]
struct StageView<'a> {
    number: usize,
    title: &'a str,
    body: &'a str,
    commits: Vec<&'a str>,
    patch: String,
    is_cut: bool,
    interface: &'a [String],
}

#[derive(Serialize)]
struct LeakView<'a> {
    stage: u32,
    kind: &'a str,
    excerpt: &'a str,
}

#[derive(Serialize)]
struct LimitsView {
    query: u32,
    overview: u32,
}

impl<'a> TaskView<'a> {
    pub(crate) fn of(chain: &'a ChainBrief, config: &Config) -> Self {
        let stage = |(index, stage): (usize, &'a StageBrief)| {
            let shown = stage.reference_patch.len().min(config.patch_limit);
            let patch = stage.reference_patch.get(..shown).unwrap_or_default();
            StageView {
                number: index + 1,
                title: &stage.title,
                body: &stage.body,
                commits: stage
                    .commit_messages
                    .iter()
                    .filter_map(|text| text.lines().next())
                    .collect(),
                patch: String::from_utf8_lossy(patch).into_owned(),
                is_cut: shown < stage.reference_patch.len(),
                interface: &stage.interface,
            }
        };
        let leak = |leak: &'a Leak| LeakView {
            stage: leak.stage,
            kind: &leak.kind,
            excerpt: &leak.excerpt,
        };
        Self {
            chain: ChainView {
                repository: &chain.repository,
                stages: chain.stages.iter().enumerate().map(stage).collect(),
                leaks: chain.leaks.iter().map(leak).collect(),
            },
            limits: LimitsView { query: config.query_words, overview: config.overview_words },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> ChainBrief {
        let stage = StageBrief {
            title: "Say hello".to_owned(),
            body: "It was silent.".to_owned(),
            commit_messages: vec!["Add a greeting\n\nlong".to_owned()],
            reference_patch: b"+hello\n".repeat(20_000),
            interface: vec!["greet".to_owned()],
        };
        let leak = Leak { stage: 1, kind: "identifier".to_owned(), excerpt: "hail".to_owned() };
        ChainBrief { repository: "o/n".to_owned(), stages: vec![stage], leaks: vec![leak] }
    }

    #[test]
    fn model_is_shown_the_change_its_tests_names_and_what_leaked() {
        let config = crate::config::shipped();
        let templates = config.templates().ok();
        let text = templates.and_then(|it| it.render("task", TaskView::of(&chain(), &config)).ok());
        let text = text.unwrap_or_default();
        for part in [
            "# Pull request 1: Say hello",
            "It was silent.",
            "- Add a greeting\n",
            "- greet\n",
            "the end is cut off",
            "- pull request 1, identifier: hail",
            "exactly 1 elements",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(text.len() < config.patch_limit + 4_000);
    }
}

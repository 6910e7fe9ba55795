//! What was said in a rollout, turn by turn, and what files of rollouts hold.

use std::path::Path;

use catena_dataset::canonical::{Called, Conversation, History, Said, Turn};
use catena_dataset::import::Lack;
use catena_dataset::{ExportError, Rollout, Rollouts};
use catena_model::{AssistantMessage, Message};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{Format, dollars, grouped, print_json, say, table, tokens};

/// From this many rollouts on, a file is shown as a table alone.
const MANY: usize = 4;

/// Shows the rollouts in a file.
pub(super) fn show_file(
    path: &Path,
    only: Option<&str>,
    whole: Whole,
    format: Format,
) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut shown = 0;
    let mut many =
        table(&["rollout", "from", "task", "turns", "tool calls", "tokens", "score", "lacks"]);
    let mut few = Vec::new();
    for rollout in Rollouts::open(path).map_err(ExportError::from)? {
        let rollout = rollout.map_err(|it| {
            Failure::input(anyhow::anyhow!("{}: {}", it.place, it.reason))
                .with_hint("`catena import` says what is wrong with a file of another program")
        })?;
        if only.is_some_and(|only| rollout.rollout.to_string() != only) {
            continue;
        }
        shown += 1;
        match (format, whole) {
            (Format::Json, Whole::Trajectory) => rows.push(serde_json::to_value(&rollout)?),
            (Format::Json, Whole::Figures) => rows.push(figures(&rollout)),
            (Format::Text, Whole::Trajectory) => {
                print_headline(&rollout);
                print_trajectory(&rollout);
            }
            (Format::Text, Whole::Figures) => {
                many.add_row(row(&rollout));
                if few.len() < MANY {
                    few.push(rollout);
                }
            }
        }
    }
    if let (Some(wanted), 0) = (only, shown) {
        return Err(Failure::input(anyhow::anyhow!("the file has no rollout `{wanted}`"))
            .with_hint(format!("`catena show {}` lists them", path.display())));
    }
    if format == Format::Json {
        let key = if whole == Whole::Trajectory { "trajectories" } else { "rollouts" };
        return Ok(print_json(&json!({"file": path, key: rows}))?);
    }
    if whole == Whole::Figures && shown < MANY {
        few.iter().for_each(print_headline);
    } else if whole == Whole::Figures {
        say!("{many}");
    }
    say!("{shown} in {}", path.display());
    Ok(())
}

/// Prints what was said in the rollouts of a run.
pub(super) fn print_run(dir: &Path, only: Option<&str>) -> Result<(), Failure> {
    for rollout in of_run(dir, only)? {
        say!("\nrollout {}", rollout.rollout);
        print_trajectory(&rollout);
    }
    Ok(())
}

/// The rollouts of a run in the canonical form.
pub(super) fn of_run(dir: &Path, only: Option<&str>) -> Result<Vec<Rollout>, Failure> {
    let is_wanted = |rollout: &Rollout| only.is_none_or(|only| rollout.rollout.to_string() == only);
    let rollouts = Rollouts::open(dir).map_err(ExportError::from)?.filter_map(Result::ok);
    Ok(rollouts.filter(is_wanted).collect())
}

/// How much of each rollout is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// All that was said.
    Trajectory,
    /// Figures of it.
    Figures,
}

fn figures(rollout: &Rollout) -> Value {
    json!({
        "rollout": rollout.rollout,
        "source": rollout.source,
        "agent": rollout.agent.name,
        "model": rollout.agent.model,
        "repository": rollout.repository,
        "chain": rollout.chain,
        "turns": rollout.turns.len(),
        "tool_calls": calls(rollout),
        "usage": rollout.usage,
        "end": rollout.end,
        "patch_bytes": rollout.patch().ok().map(str::len),
        "lacks": rollout.lacks(),
    })
}

fn calls(rollout: &Rollout) -> u64 {
    rollout.turns.iter().map(|turn| turn.calls.len() as u64).sum()
}

/// What it is about.
fn task(rollout: &Rollout) -> String {
    let repository = rollout.repository.as_deref().unwrap_or("unknown");
    let numbers = rollout.chain.iter().filter_map(|task| task.pull_request);
    let numbers: Vec<String> = numbers.map(|number| format!("#{number}")).collect();
    format!("{repository} {}", numbers.join(" ")).trim_end().to_owned()
}

fn lacks(rollout: &Rollout) -> String {
    rollout.lacks().into_iter().map(Lack::words).collect::<Vec<_>>().join(", ")
}

fn row(rollout: &Rollout) -> Vec<String> {
    let scores = rollout.stages.iter().filter_map(|stage| {
        let verdict = stage.rounds.iter().rev().find_map(|round| round.verdict.as_ref())?;
        Some(format!("{:.2}", verdict.score))
    });
    vec![
        rollout.rollout.to_string(),
        rollout.source.format.clone(),
        task(rollout),
        rollout.turns.len().to_string(),
        calls(rollout).to_string(),
        grouped(tokens(&rollout.usage)),
        scores.collect::<Vec<_>>().join(" "),
        lacks(rollout),
    ]
}

fn print_headline(rollout: &Rollout) {
    let end = rollout.end.as_ref().map_or("not judged", |end| end.word());
    say!("rollout {}: {end}", rollout.rollout);
    let agent = &rollout.agent;
    let version = agent.version.as_ref().map_or_else(String::new, |version| format!(" {version}"));
    say!("{}{version} with `{}`, from {}", agent.name, agent.model, rollout.source.format);
    say!(
        "{}; {} turns, {} tool calls, {} tokens ({} cached), {}",
        task(rollout),
        rollout.turns.len(),
        calls(rollout),
        grouped(tokens(&rollout.usage)),
        grouped(rollout.usage.cached_tokens),
        dollars(rollout.usage.cost_microusd),
    );
    match rollout.patch() {
        Ok(patch) => say!("handed in a patch of {} lines", grouped(patch.lines().count() as u64)),
        Err(why) if rollout.is_import() => say!("handed in: {why}"),
        Err(_) => {}
    }
    let lacks = lacks(rollout);
    if !lacks.is_empty() {
        say!("has {lacks}");
    }
}

fn print_trajectory(rollout: &Rollout) {
    for talk in &rollout.conversations {
        let forked =
            talk.forked_from.map_or_else(String::new, |from| format!(", forked from {}", from.0));
        for (index, history) in talk.histories.iter().enumerate() {
            say!("\n== conversation {}{forked}{}", talk.id.0, which(talk, index, history));
            for said in history.said.iter().skip(history.kept) {
                print_said(rollout, *said);
            }
        }
    }
}

/// Which of several histories it is.
fn which(talk: &Conversation, index: usize, history: &History) -> String {
    if talk.histories.len() == 1 {
        return String::new();
    }
    let kept = match history.kept {
        0 => String::new(),
        kept => format!(", after the first {kept} messages of the one before"),
    };
    format!(", history {} of {}{kept}", index + 1, talk.histories.len())
}

fn print_said(rollout: &Rollout, said: Said) {
    match rollout.message(said.message) {
        Some(Message::System { content }) => print_text("system", content),
        Some(Message::User { content }) => print_text("user", content),
        Some(Message::Tool { call_id, content }) => print_text(&format!("tool {call_id}"), content),
        Some(Message::Other { name, content }) => print_text(name, content),
        Some(Message::Assistant { message, .. }) => {
            let turn = said.turn.and_then(|at| Some((at, rollout.turns.get(at)?)));
            print_assistant(message, turn);
        }
        None => {}
    }
}

fn print_text(role: &str, content: &str) {
    say!("\n[{role}]\n{}", content.trim_end());
}

fn print_assistant(message: &AssistantMessage, turn: Option<(usize, &Turn)>) {
    match turn {
        Some((at, turn)) => say!(
            "\n[turn {} of the model: {} tokens in, {} cached, {} out]",
            at + 1,
            grouped(turn.usage.input_tokens),
            grouped(turn.usage.cached_tokens),
            grouped(turn.usage.output_tokens),
        ),
        None => say!("\n[assistant, by the agent's program]"),
    }
    if let Some(reasoning) = message.reasoning.as_deref().filter(|it| !it.trim().is_empty()) {
        say!("(thinks) {}", reasoning.trim_end());
    }
    if !message.content.trim().is_empty() {
        say!("{}", message.content.trim_end());
    }
    let called =
        |id: &str| turn.and_then(|(_, turn)| turn.calls.iter().find(|it| it.call_id == id));
    for call in &message.tool_calls {
        say!("→ {} {}{}", call.name, call.arguments, outcome(called(&call.id)));
    }
    // An agent without tool calls runs commands in its text.
    if let (true, Some((_, turn))) = (message.tool_calls.is_empty(), turn) {
        for called in &turn.calls {
            say!("→{}", outcome(Some(called)));
        }
    }
}

/// What became of a call.
fn outcome(called: Option<&Called>) -> String {
    match called {
        None => String::new(),
        Some(Called { outcome, exit_status: Some(status), .. }) => {
            format!(" ({outcome}, status {status})")
        }
        Some(Called { outcome, .. }) => format!(" ({outcome})"),
    }
}

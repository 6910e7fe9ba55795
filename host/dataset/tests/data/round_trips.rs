//! What is written and read again is the same.

use catena_dataset::canonical::{Called, Output};
use catena_dataset::{Form, Profile, Rollout, import};
use catena_model::{AssistantMessage, FinishReason, Message, ToolCall, Usage};
use catena_plugin::{AttemptEnd, Ending};
use proptest::prelude::*;
use serde_json::Value;

use crate::generated::{in_order, rollout};
use crate::rollouts::{Growing, export_to, exported};

/// The rollout that a form's file becomes.
fn imported(text: &[u8], form: Form) -> Rollout {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file.json");
    std::fs::write(&path, text).unwrap();
    import(&path, Some(form)).unwrap()
}

/// Outputs that ATIF tells by their text come back as text.
fn with_texts_told(mut rollout: Rollout) -> Rollout {
    let whole = rollout.clone();
    for turn in &mut rollout.turns {
        for called in &mut turn.calls {
            if let Some(text) = whole.output(called).map(str::to_owned) {
                called.output = Some(Output::Text(text));
            }
        }
    }
    rollout
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn canonical_line_gives_the_rollout_back(rollout in rollout()) {
        let line = rollout.to_line().unwrap();
        prop_assert!(!line.contains(&b'\n'));
        prop_assert_eq!(Rollout::from_line(&line).unwrap(), rollout);
    }

    #[test]
    fn atif_gives_the_rollout_back(rollout in rollout()) {
        let (text, _) = exported(std::slice::from_ref(&rollout), Profile::Atif);
        let back = imported(&text, Form::Atif);
        prop_assert_eq!(with_texts_told(in_order(back.clone())), with_texts_told(rollout));
        let (again, _) = exported(&[back], Profile::Atif);
        prop_assert_eq!(again, text);
    }

    #[test]
    fn mini_swe_agent_gives_back_what_was_said(rollout in of_mini()) {
        let text = trajectory(&rollout);
        let back = imported(&text, Form::MiniSweAgent);
        prop_assert_eq!(&back.conversations, &rollout.conversations);
        prop_assert_eq!(&back.messages, &rollout.messages);
        let turns = |rollout: &Rollout| -> Vec<_> {
            let turns = rollout.turns.iter();
            turns.map(|turn| (turn.message, turn.finish.clone(), turn.usage, turn.calls.clone())).collect()
        };
        prop_assert_eq!(turns(&back), turns(&rollout));
        prop_assert_eq!(&back.stages[0].rounds[0].end, &rollout.stages[0].rounds[0].end);
        let (first, second): (Value, Value) = (
            serde_json::from_slice(&text).unwrap(),
            serde_json::from_slice(&trajectory(&back)).unwrap(),
        );
        prop_assert_eq!(&second["messages"], &first["messages"]);
        for key in ["exit_status", "submission", "model_stats"] {
            prop_assert_eq!(&second["info"][key], &first["info"][key]);
        }
    }
}

/// The only trajectory of a rollout.
fn trajectory(rollout: &Rollout) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    let criteria = catena_dataset::Criteria::default();
    let rollouts = std::slice::from_ref(rollout);
    export_to(dir.path(), rollouts, Profile::MiniSweAgent, &output, &criteria);
    let name = rollout.rollout.to_string();
    std::fs::read(output.join(&name).join(format!("{name}.traj.json"))).unwrap()
}

#[derive(Debug, Clone)]
struct Step {
    text: String,
    calls: Vec<(String, String, bool)>,
    usage: (u32, u32, u32, u32),
    is_taken_back: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let text = "[a-z<>/ \\n\"\\\\ä]{0,12}";
    let calls = prop::collection::vec((text, text, any::<bool>()), 1..3);
    let usage = (0..9999_u32, 0..9999_u32, 0..9999_u32, 0..9_999_999_u32);
    (text, calls, usage, prop::bool::weighted(0.2))
        .prop_map(|(text, calls, usage, is_taken_back)| Step { text, calls, usage, is_taken_back })
}

/// A rollout as `scaffold-mini` makes them.
fn of_mini() -> impl Strategy<Value = Rollout> {
    (prop::collection::vec(step(), 1..8), 0..3_u8).prop_map(|(steps, end)| {
        let mut growing = Growing::new("made", 1).begin_round().system("shell").user("task");
        let last = steps.len() - 1;
        for (index, step) in steps.into_iter().enumerate() {
            let submits = end == 0 && index == last && !step.is_taken_back;
            growing = add_step(growing, index, &step, submits);
            if submits {
                growing.rollout.stages[0].rounds[0].end =
                    Some(AttemptEnd::Ended(Ending::Submitted));
            }
        }
        if end == 1 {
            let limit = Ending::LimitReached("limits".to_owned());
            growing.rollout.stages[0].rounds[0].end = Some(AttemptEnd::Ended(limit));
        }
        in_order(growing.rollout)
    })
}

fn add_step(mut growing: Growing, index: usize, step: &Step, submits: bool) -> Growing {
    let kept = growing.rollout.conversations[0].histories.last().unwrap().said.len();
    growing = growing.turn("", None, &[]);
    let call = |(at, (command, _, _)): (usize, &(String, String, bool))| ToolCall {
        id: format!("call-{index}-{at}"),
        name: "bash".to_owned(),
        arguments: serde_json::json!({ "command": command }).to_string(),
    };
    let tool_calls: Vec<ToolCall> = step.calls.iter().enumerate().map(call).collect();
    let message = AssistantMessage { content: step.text.clone(), reasoning: None, tool_calls };
    *growing.rollout.messages.last_mut().unwrap() = Message::of_model(message.clone());
    let turn = growing.rollout.turns.last_mut().unwrap();
    let (input, cached, output, cost) = step.usage;
    turn.finish = FinishReason::ToolCalls;
    turn.usage = Usage {
        input_tokens: input.into(),
        cached_tokens: cached.into(),
        output_tokens: output.into(),
        cost_microusd: cost.into(),
        estimated: false,
    };
    if step.is_taken_back {
        let keep: Vec<usize> = (0..kept).collect();
        return growing.replaced(&keep).user("that was malformed");
    }
    for (call, (_, answer, failed)) in message.tool_calls.iter().zip(&step.calls) {
        let is_last = message.tool_calls.last().is_some_and(|last| last.id == call.id);
        if submits && !is_last {
            continue;
        }
        let output = if submits {
            Output::Text(format!("COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\n{answer}"))
        } else {
            growing = growing.tool(&call.id, &format!("<output>{answer}</output>"));
            Output::Text(answer.clone())
        };
        let failed = *failed && !submits;
        let called = Called {
            call_id: call.id.clone(),
            plugin: None,
            outcome: if failed { "timed-out".to_owned() } else { "ok".to_owned() },
            exit_status: Some(if failed { -1 } else { 0 }),
            output: Some(output),
            wall_us: None,
            tree: None,
        };
        growing.rollout.turns.last_mut().unwrap().calls.push(called);
    }
    growing
}

//! Files of other programs, as these write them.

use catena_dataset::sample::samples;
use catena_dataset::select::Reason;
use catena_dataset::{Criteria, Form, ImportError, Instances, Profile, Rollout, Take, import};
use catena_model::{FinishReason, Message};
use serde_json::{Value, json};

use crate::rollouts::export_to;

fn imported(document: &Value) -> Result<Rollout, ImportError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("session 1.json");
    std::fs::write(&path, document.to_string()).unwrap();
    import(&path, None)
}

fn texts(rollout: &Rollout) -> Vec<String> {
    let history = rollout.conversations[0].histories.last().unwrap();
    let text = |message: &Message| match message {
        Message::System { content } => format!("system {content}"),
        Message::User { content } => format!("user {content}"),
        Message::Tool { call_id, content } => format!("tool {call_id} {content}"),
        Message::Other { name, content } => format!("{name} {content}"),
        Message::Assistant { message, .. } => format!("assistant {}", message.content),
    };
    history.said.iter().map(|said| text(rollout.message(said.message).unwrap())).collect()
}

fn atif() -> Value {
    json!({
        "schema_version": "ATIF-v1.6",
        "session_id": "session 7",
        "agent": {"name": "terminus", "version": "2", "model_name": "m"},
        "notes": "kept",
        "steps": [
            {"step_id": 1, "source": "user", "message": [{"type": "text", "text": "fix it"}]},
            {"step_id": 2, "source": "agent", "message": "looking", "timestamp": "2026-01-01T00:00:00Z",
             "reasoning_content": "hm", "reasoning_effort": "high",
             "tool_calls": [{"tool_call_id": "a", "function_name": "sh", "arguments": {"z": 1, "a": 2}}],
             "observation": {"results": [{"source_call_id": "a", "content": "ok"}]},
             "metrics": {"prompt_tokens": 120, "cached_tokens": 100, "completion_tokens": 5, "cost_usd": 1.23e-4}},
            {"step_id": 3, "source": "agent", "message": "", "llm_call_count": 0,
             "observation": {"results": [{"content": "a hint"}]}},
            {"step_id": 4, "source": "agent", "message": "copied", "is_copied_context": true},
        ],
    })
}

#[test]
fn atif_of_another_program_becomes_turns_with_their_usage() {
    let rollout = imported(&atif()).unwrap();
    assert_eq!(rollout.rollout.to_string(), "session-7.1");
    let texts = texts(&rollout);
    assert_eq!(
        texts,
        [
            "user fix it",
            "assistant looking",
            "tool a ok",
            "assistant ",
            "user a hint",
            "assistant copied"
        ]
    );
    assert_eq!(rollout.turns.len(), 1, "what a program dispatched or copied is no turn");
    let turn = &rollout.turns[0];
    assert_eq!((turn.usage.input_tokens, turn.usage.cached_tokens), (120, 100));
    assert_eq!(turn.usage.cost_microusd, 123);
    assert_eq!(turn.time.as_deref(), Some("2026-01-01T00:00:00Z"));
    assert_eq!(rollout.reply(turn).unwrap().tool_calls[0].arguments, r#"{"a":2,"z":1}"#);
    let kept = &rollout.extra.as_ref().unwrap()["atif"][0];
    assert_eq!(kept["notes"], "kept");
    assert_eq!(kept["steps"][0]["reasoning_effort"], "high");
}

#[test]
fn what_was_imported_is_exported_when_it_is_asked_for_unjudged() {
    let rollout = imported(&atif()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out.jsonl");
    let rollouts = std::slice::from_ref(&rollout);
    let judged = export_to(dir.path(), rollouts, Profile::Openai, &output, &Criteria::default());
    assert_eq!(judged.counts.rows, 0);
    let criteria = Criteria { take: Take::Everything, ..Criteria::default() };
    let manifest = export_to(dir.path(), rollouts, Profile::Openai, &output, &criteria);
    assert_eq!((manifest.counts.rows, manifest.counts.trained_turns), (1, 1));
}

#[test]
fn pictures_are_refused_and_not_lost_silently() {
    let mut document = atif();
    document["steps"][0]["message"] = json!([{"type": "image", "source": {"path": "a.png"}}]);
    let err = imported(&document).unwrap_err();
    assert!(err.to_string().contains("images"), "{err}");
}

#[test]
fn mini_swe_agent_1_becomes_a_conversation_in_text() {
    let document = json!({
        "info": {
            "exit_status": "Submitted", "submission": "the patch\n", "mini_version": "1.17.5",
            "model_stats": {"instance_cost": 0.5, "api_calls": 1},
            "config": {"agent": {"system_template": "s", "step_limit": 250}, "model": {"model_name": "m"}},
        },
        "messages": [
            {"role": "system", "content": "rules", "timestamp": 1.0},
            {"role": "user", "content": "task", "timestamp": 1.5},
            {"role": "assistant", "content": "THOUGHT\n```bash\nls\n```", "timestamp": 2.5,
             "extra": {"response": {"choices": [{"finish_reason": "stop"}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}}}},
            {"role": "user", "content": "the patch\n", "timestamp": 3.0},
        ],
        "trajectory_format": "mini-swe-agent-1",
    });
    let rollout = imported(&document).unwrap();
    assert_eq!(
        texts(&rollout),
        ["system rules", "user task", "assistant THOUGHT\n```bash\nls\n```"]
    );
    assert_eq!(rollout.turns[0].usage.cached_tokens, 4);
    assert_eq!(rollout.turns[0].time.as_deref(), Some("2.5"));
    assert_eq!(rollout.agent.config["mode"], "text-v1");
    assert_eq!(rollout.agent.config["templates"]["system"], "s");
    let end = serde_json::to_value(&rollout.stages[0].rounds[0].end).unwrap();
    assert_eq!(end, json!({"ended": "submitted"}));
}

fn sii_request(messages: &[Value]) -> Value {
    json!({"type": "api_request_full", "timestamp": "t", "data": {"full_request": {
        "system_instruction": "be brief",
        "tools": [{"functionDeclarations": [{"name": "read_file", "description": "reads",
            "parameters": {"type": "OBJECT", "properties": {"path": {"type": "STRING"}}}}]}],
        "messages": messages,
    }}})
}

#[test]
fn sii_log_becomes_its_histories_with_the_final_answer() {
    let user = json!({"role": "user", "parts": [{"text": "hello"}]});
    let call = json!({"role": "model", "parts": [
        {"text": "planning", "thought": true},
        {"functionCall": {"id": "f1", "name": "read_file", "args": {"path": "a"}}}]});
    let answer = json!({"role": "user", "parts": [
        {"functionResponse": {"id": "f1", "name": "read_file", "response": {"output": "text of a"}}}]});
    let summary = json!({"role": "user", "parts": [{"text": "summary so far"}]});
    let document = json!({"id": "conv-1", "model": "GLM-4.6", "events": [
        {"type": "session_start", "data": {}},
        sii_request(std::slice::from_ref(&user)),
        {"type": "api_response", "data": {"usage": {"prompt_tokens": 50, "cached_tokens": 30, "completion_tokens": 7}}},
        sii_request(&[user, call.clone(), answer.clone()]),
        sii_request(&[summary, call, answer]),
        {"type": "api_response", "data": {"response_text": "all done"}},
    ]});
    let rollout = imported(&document).unwrap();
    assert_eq!(rollout.rollout.to_string(), "conv-1.1");
    let histories = &rollout.conversations[0].histories;
    assert_eq!(histories.len(), 2, "a compression begins another history");
    assert_eq!(
        texts(&rollout),
        [
            "system be brief",
            "user summary so far",
            "assistant ",
            "tool f1 text of a",
            "assistant all done"
        ]
    );
    assert_eq!(rollout.turns.len(), 2, "a turn that was kept is the same one");
    assert_eq!(rollout.turns[0].finish, FinishReason::ToolCalls);
    assert_eq!(rollout.turns[0].usage.cached_tokens, 30, "among the 50 of the prompt");
    let reply = rollout.reply(&rollout.turns[0]).unwrap();
    assert_eq!(reply.reasoning.as_deref(), Some("planning"));
    let tools = rollout.tools_of(&rollout.turns[0]);
    assert!(tools[0].parameters.contains(r#""type":"string""#), "{}", tools[0].parameters);
    assert_eq!(rollout.extra.as_ref().unwrap()["sii"]["other_events"]["session_start"], 1);
}

#[test]
fn mini_swe_agent_contents_may_be_parts_and_arguments_objects() {
    let document = json!({
        "info": {}, "instance_id": "django__django-11099", "trajectory_format": "mini-swe-agent-1.1",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "rules"}], "note": "kept"},
            {"role": "user", "content": [{"type": "text", "text": "fix"}, {"type": "text", "text": "it"}]},
            {"role": "assistant", "content": null, "extra": {"cost": 0.5, "seed": 7}, "tool_calls": [
                {"id": "a", "function": {"name": "bash", "arguments": {"command": "ls"}}}]},
        ],
    });
    let rollout = imported(&document).unwrap();
    assert_eq!(texts(&rollout), ["system rules", "user fix\nit", "assistant "]);
    let reply = rollout.reply(&rollout.turns[0]).unwrap();
    assert_eq!(reply.tool_calls[0].arguments, r#"{"command":"ls"}"#);
    let left = &rollout.extra.as_ref().unwrap()["mini_swe_agent"]["messages"];
    assert_eq!(
        left,
        &json!([{"note": "kept", "position": 0}, {"extra": {"seed": 7}, "position": 2}])
    );
    let mut picture = document;
    picture["messages"][1]["content"][0] = json!({"type": "image_url", "image_url": "a.png"});
    assert!(imported(&picture).is_err());
}

#[test]
fn instance_that_a_name_tells_is_known_to_lists_and_splits() {
    let mut document = atif();
    document["session_id"] = json!("django__django-11099");
    let rollout = imported(&document).unwrap();
    assert_eq!(rollout.repository.as_deref(), Some("django/django"));
    let mut exclude = Instances::default();
    assert!(exclude.add("Django/django#11099"));
    let criteria = Criteria { take: Take::Everything, exclude, ..Criteria::default() };
    assert_eq!(criteria.stages(&rollout), Err(Reason::Contaminated));
}

/// Text of the role `model` or `user`, as a log of SII-CLI has it.
fn sii_text(role: &str, text: &str) -> Value {
    json!({"role": role, "parts": [{"text": text}]})
}

#[test]
fn sii_turns_are_those_that_answer_a_request_of_the_log() {
    let example = sii_text("model", "Got it. Thanks for the context!");
    let opening = [sii_text("user", "context"), example.clone(), sii_text("user", "count")];
    let next = [&opening[..], &[sii_text("model", "two"), sii_text("user", "again")]].concat();
    let compressed =
        [sii_text("user", "summary"), sii_text("model", "Understood."), sii_text("user", "go on")];
    let document = json!({"id": "c", "events": [
        sii_request(&opening),
        {"type": "api_response", "data": {"usage": {"prompt_tokens": 5}}},
        sii_request(&next),
        {"type": "api_response", "data": {"usage": {"prompt_tokens": 7}, "full_response": {"candidates": [
            {"content": sii_text("model", "three"), "finishReason": "MAX_TOKENS"}]}}},
        sii_request(&compressed),
        {"type": "api_response", "data": {"response_text": "four"}},
    ]});
    let rollout = imported(&document).unwrap();
    let turns = rollout
        .turns
        .iter()
        .map(|turn| (rollout.reply(turn).unwrap().content.as_str(), turn.usage.input_tokens));
    assert_eq!(turns.collect::<Vec<_>>(), [("two", 5), ("three", 7), ("four", 0)]);
    assert_eq!(rollout.turns[1].finish, FinishReason::Length);
    let first = &rollout.conversations[0].histories[0].said;
    assert_eq!(first.last().unwrap().turn, Some(1), "the reply that no request shows");
    let learned: Vec<_> =
        samples(&rollout, 1).samples.iter().map(|one| one.trained.clone()).collect();
    assert_eq!(learned, [vec![4], vec![4]]);
}

#[test]
fn form_of_a_file_is_found_out() {
    assert_eq!(Form::of(&atif()), Some(Form::Atif));
    assert_eq!(Form::of(&json!({"events": []})), Some(Form::Sii));
    let err = imported(&json!({"rows": []})).unwrap_err();
    assert!(err.to_string().ends_with("it is of no form that is known"), "{err}");
}

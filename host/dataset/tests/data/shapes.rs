//! Each form has the shape that its consumer documents.

use catena_dataset::Profile;
use catena_model::{FinishReason, Message};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::{Value, json};

use crate::rollouts::{ARGUMENTS, Growing, exported, lines, tools, typical};

fn roles(messages: &Value) -> Vec<&str> {
    let messages = messages.as_array().unwrap().iter();
    messages.map(|message| message["role"].as_str().unwrap()).collect()
}

/// A history after a compression: a summary, a turn that was kept, a new one.
fn compressed() -> catena_dataset::Rollout {
    Growing::new("notes", 1)
        .begin_round()
        .user("task")
        .turn("one", None, &[])
        .user("go on")
        .replaced(&[])
        .user("summary")
        .turn("two", None, &[])
        .replaced(&[1])
        .user("and")
        .turn("three", None, &[])
        .judged(1.0)
        .rollout
}

#[test]
fn openai_has_arguments_as_the_text_that_the_model_wrote() {
    let line = lines(&[typical()], Profile::Openai).remove(0);
    let call = &line["messages"][2]["tool_calls"][0];
    assert_eq!(call["function"]["arguments"], ARGUMENTS);
    assert_eq!(call["type"], "function");
    assert_eq!(line["messages"][2]["reasoning_content"], "where am I");
    assert_eq!(line["tools"][0]["function"]["name"], "bash");
}

#[test]
fn slime_has_arguments_as_json_and_a_mask_at_every_turn() {
    let line = lines(&[typical()], Profile::Slime).remove(0);
    let arguments = &line["messages"][2]["tool_calls"][0]["function"]["arguments"];
    assert_eq!(*arguments, serde_json::from_str::<Value>(ARGUMENTS).unwrap());
    for message in line["messages"].as_array().unwrap() {
        let mask = message.get("step_loss_mask");
        assert_eq!(mask, (message["role"] == "assistant").then_some(&json!(1)));
    }
    let lines = lines(&[compressed()], Profile::Slime);
    let masks = |line: &Value| -> Vec<Value> {
        let messages = line["messages"].as_array().unwrap().iter();
        messages.filter_map(|message| message.get("step_loss_mask").cloned()).collect()
    };
    let masks: Vec<_> = lines.iter().map(masks).collect();
    assert_eq!(masks, [vec![json!(1)], vec![json!(1)], vec![json!(0), json!(1)]]);
}

#[test]
fn keys_of_arguments_keep_the_models_order() {
    for profile in [Profile::Slime, Profile::Trl, Profile::Canonical, Profile::Atif] {
        let (text, _) = exported(&[typical()], profile);
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(ARGUMENTS), "{profile:?}: {text}");
    }
}

#[test]
fn sharegpt_goes_by_turns_and_keeps_thoughts_beside_calls() {
    let line = lines(&[typical()], Profile::Sharegpt).remove(0);
    let said = line["conversations"].as_array().unwrap();
    let from: Vec<&str> = said.iter().map(|said| said["from"].as_str().unwrap()).collect();
    assert_eq!(
        from,
        [
            "system",
            "human",
            "function_call",
            "observation",
            "function_call",
            "observation",
            "gpt",
            "human",
            "gpt"
        ]
    );
    let first = said[2]["value"].as_str().unwrap();
    let calls = first.strip_prefix("<think>\nwhere am I\n</think>\n\nI look around.<tool_call>");
    let calls = calls.and_then(|calls| calls.strip_suffix("</tool_call>")).unwrap();
    assert!(!calls.contains("</tool_call>"), "the mark stands once: {first}");
    let calls: Value = serde_json::from_str(calls).unwrap();
    assert_eq!(calls[0]["arguments"], serde_json::from_str::<Value>(ARGUMENTS).unwrap());
    let second: Value = serde_json::from_str(said[4]["value"].as_str().unwrap()).unwrap();
    assert_eq!(second.as_array().unwrap().len(), 2);
    assert_eq!(said[5]["value"], "NOTES = []\n</tool_response>\n<tool_response>\n2");
    assert_eq!(said[8]["value"], "<think>\nthink <again>\n</think>\n\ndone now");
    let told: Value = serde_json::from_str(line["tools"].as_str().unwrap()).unwrap();
    assert_eq!(told.as_array().unwrap().len(), tools().len());
}

#[test]
fn forms_without_masks_refuse_what_would_be_learned_twice() {
    for profile in [Profile::Sharegpt, Profile::Verl] {
        let (_, manifest) = exported(&[compressed()], profile);
        assert_eq!(manifest["counts"]["rows"], 2, "{profile:?}");
        let dropped = manifest["dropped"].as_array().unwrap();
        assert_eq!(dropped.len(), 1);
        assert_eq!(dropped[0]["reason"], "needs-mask");
        assert_eq!(dropped[0]["sample"], json!({"conversation": 0, "history": 3}));
    }
}

#[test]
fn trl_has_what_is_not_learned_in_the_prompt() {
    let lines = lines(&[compressed()], Profile::Trl);
    assert_eq!(lines.len(), 3);
    let last = &lines[2];
    assert_eq!(roles(&last["prompt"]), ["assistant", "user"]);
    assert_eq!(last["prompt"][0]["content"], "two");
    assert_eq!(roles(&last["completion"]), ["assistant"]);
    let tools: Value = serde_json::from_str(last["tools"].as_str().unwrap()).unwrap();
    assert_eq!(tools[0]["type"], "function");
}

#[test]
fn each_turn_is_learned_once_in_every_form() {
    for profile in [Profile::Openai, Profile::Slime, Profile::Trl] {
        let (_, manifest) = exported(&[compressed(), typical()], profile);
        assert_eq!(manifest["counts"]["trained_turns"], 3 + 4, "{profile:?}");
    }
}

#[test]
fn replies_that_were_cut_off_are_masked_and_counted() {
    let mut rollout = typical();
    rollout.turns[0].finish = FinishReason::Length;
    let (text, manifest) = exported(std::slice::from_ref(&rollout), Profile::Openai);
    let row: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(row["messages"][2]["weight"], 0);
    assert_eq!(manifest["cut_off"], 1);
    assert_eq!(manifest["counts"]["trained_turns"], 3);
    assert_eq!(manifest["counts"]["masked_turns"], 1);
}

#[test]
fn words_of_a_plugin_under_the_name_of_the_assistant_are_not_learned() {
    let mut rollout = typical();
    let (name, content) = ("assistant".to_owned(), "I give up.".to_owned());
    rollout.messages[1] = Message::Other { name, content };
    let (text, manifest) = exported(std::slice::from_ref(&rollout), Profile::Slime);
    let row: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(row["messages"][1]["step_loss_mask"], 0);
    assert_eq!(manifest["counts"]["trained_turns"], 4);
    assert_eq!(lines(&[rollout], Profile::Sharegpt).len(), 0, "it has no mark for single turns");
}

#[test]
fn calls_that_are_no_json_are_refused_where_json_is_asked_for() {
    let rollout = Growing::new("notes", 1)
        .begin_round()
        .user("task")
        .turn("", None, &[("c1", "bash", "{\"command\": ")])
        .judged(1.0)
        .rollout;
    for profile in [Profile::Slime, Profile::Trl, Profile::Sharegpt, Profile::Verl] {
        let (_, manifest) = exported(std::slice::from_ref(&rollout), profile);
        assert_eq!(manifest["dropped"][0]["reason"], "arguments-not-json", "{profile:?}");
    }
    assert_eq!(lines(&[rollout], Profile::Openai).len(), 1);
}

fn object(row: &Row) -> Value {
    let fields = row.get_column_iter().map(|(name, field)| (name.clone(), value(field)));
    Value::Object(fields.collect())
}

fn value(field: &Field) -> Value {
    match field {
        Field::Str(text) => json!(text),
        Field::Group(row) => object(row),
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        Field::Null => Value::Null,
        other => panic!("{other:?}"),
    }
}

#[test]
fn verl_has_rows_of_messages_with_json_as_text() {
    let (bytes, manifest) = exported(&[typical(), typical()], Profile::Verl);
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    let rows: Vec<Value> =
        reader.get_row_iter(None).unwrap().map(|row| object(&row.unwrap())).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(manifest["files"][0]["rows"], 2);
    let messages = rows[1]["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 10);
    assert_eq!(messages[2]["reasoning_content"], "where am I");
    assert_eq!(messages[2]["tool_calls"][0]["function"]["arguments"], ARGUMENTS);
    assert_eq!(messages[4]["tool_calls"][1]["function"]["name"], "count");
    assert_eq!(messages[4]["tool_calls"][1]["id"], "c3");
    assert_eq!(messages[6]["tool_call_id"], "c3");
    assert_eq!(messages[7]["tool_calls"], Value::Null);
    assert_eq!(messages[7]["content"], "done");
    let tools: Value = serde_json::from_str(rows[0]["tools_json"].as_str().unwrap()).unwrap();
    assert_eq!(tools[1]["function"]["name"], "count");
}

#[test]
fn preference_pairs_are_of_the_same_stage_and_say_what_they_have_in_common() {
    let worse = Growing::new("notes", 2)
        .begin_round()
        .system("You work in a shell.")
        .user("Count the notes.")
        .turn("no", None, &[])
        .judged(0.1)
        .rollout;
    let (text, manifest) = exported(&[typical(), worse], Profile::Preference);
    let lines: Vec<Value> = String::from_utf8(text)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(roles(&lines[0]["prompt"]), ["system", "user"]);
    assert_eq!(lines[0]["chosen"][0]["content"], "done now");
    assert_eq!(lines[0]["rejected"][0]["content"], "I look around.");
    let pair = &manifest["samples"][0]["pair"];
    assert_eq!(pair["kind"], "after-feedback");
    assert_eq!(pair["chosen"]["round"], 2);
    let counts = &manifest["counts"];
    assert_eq!((&counts["rollouts"], &counts["rollouts_used"]), (&json!(2), &json!(1)));
    let dropped: Vec<_> = manifest["dropped"].as_array().unwrap().iter().collect();
    assert_eq!(dropped.len(), 1, "the rollout of which no pair was made");
    assert_eq!(
        (&dropped[0]["rollout"]["trial"], &dropped[0]["reason"]),
        (&json!(2), &json!("no-pair"))
    );
    let again = Growing::new("notes", 3)
        .begin_round()
        .system("You work in a shell.")
        .user("Count the notes.")
        .turn("yes", None, &[])
        .judged(0.95)
        .rollout;
    let (_, manifest) = exported(&[typical(), again], Profile::Preference);
    let kinds: Vec<&str> = manifest["samples"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["pair"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["after-feedback", "same-prompt"]);
}

#[test]
fn atif_has_answers_in_the_steps_that_asked_and_the_lowest_version_that_fits() {
    let line = lines(&[typical()], Profile::Atif).remove(0);
    assert_eq!(line["schema_version"], "ATIF-v1.5");
    let steps = line["steps"].as_array().unwrap();
    let sources: Vec<&str> = steps.iter().map(|step| step["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["system", "user", "agent", "agent", "agent", "user", "agent"]);
    assert_eq!(steps[2]["message"], "I look around.");
    assert_eq!(steps[2]["reasoning_content"], "where am I");
    assert_eq!(steps[3]["observation"]["results"][1]["source_call_id"], "c3");
    assert_eq!(steps[2]["metrics"]["prompt_tokens"], 100, "cached ones included");
    assert_eq!(steps[2]["metrics"]["cached_tokens"], 40);
    assert_eq!(lines(&[compressed()], Profile::Atif)[0]["schema_version"], "ATIF-v1.7");
}

#[test]
fn mini_swe_agent_has_the_shape_of_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("trajectories");
    let criteria = catena_dataset::Criteria::default();
    crate::rollouts::export_to(dir.path(), &[typical()], Profile::MiniSweAgent, &output, &criteria);
    let text = std::fs::read(output.join("notes.1/notes.1.traj.json")).unwrap();
    let file: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(file["trajectory_format"], "mini-swe-agent-1.1");
    assert_eq!(file["messages"].as_array().unwrap().len(), 10);
    let usage = &file["messages"][2]["extra"]["response"]["usage"];
    assert_eq!(usage["prompt_tokens"], 100, "cached ones included");
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 40);
}

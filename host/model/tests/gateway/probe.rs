//! What is found out about servers, good and lacking.

use catena_model::probe::probe;
use catena_model::{Delivery, Verdict};
use serde_json::json;

use crate::exchange::Client;
use crate::server::{Server, completion, good, status, stream, whole};

fn verdicts(report: &catena_model::ProbeReport) -> Vec<(&str, Verdict)> {
    report.findings.iter().map(|finding| (finding.question, finding.verdict)).collect()
}

#[tokio::test]
async fn good_server_passes_with_one_tool_call_and_its_answer() {
    let call = completion(&json!({"content": null, "tool_calls": [{"id": "c1",
        "function": {"name": "add", "arguments": "{\"a\": 19, \"b\": 23}"}}]}));
    let mut cached = completion(&json!({"content": "42"}));
    cached["usage"]["prompt_tokens_details"] = json!({"cached_tokens": 64});
    let streamed = stream(&[json!({"content": "Hello"})], "stop");
    let refuses = status(400, "", r#"{"error": {"message": "unknown field"}}"#);
    let answers = vec![whole(&call), whole(&cached), streamed, good(), refuses];
    let server = Server::start(answers).await;
    let report = probe(&Client::of(&server).settings).await.unwrap();
    assert!(report.passed(), "{report:#?}");
    let expected = [
        ("answers", Verdict::Yes),
        ("tool calls", Verdict::Yes),
        ("whole replies", Verdict::Yes),
        ("usage", Verdict::Yes),
        ("reasoning", Verdict::No),
        ("tool answers", Verdict::Yes),
        ("cached tokens", Verdict::Yes),
        ("streaming", Verdict::Yes),
        ("logprobs", Verdict::No),
        ("token ids", Verdict::No),
    ];
    assert_eq!(verdicts(&report), expected);
    let asked = server.asked();
    assert_eq!(asked.len(), 5);
    assert_eq!(asked[1].body["messages"][3]["tool_call_id"], "c1");
    assert_eq!(asked[3].body["logprobs"], true);
    assert_eq!(report.usage.output_tokens, 40);
}

#[tokio::test]
async fn model_that_calls_no_tool_fails_with_a_hint() {
    let server = Server::start(vec![good()]).await;
    let mut client = Client::of(&server);
    client.settings.delivery = Delivery::Streamed;
    let report = probe(&client.settings).await.unwrap();
    assert!(!report.passed());
    let finding = &report.findings[1];
    assert_eq!((finding.question, finding.verdict), ("tool calls", Verdict::Fails));
    assert!(finding.hint.unwrap().contains("--enable-auto-tool-choice"));
}

#[tokio::test]
async fn refused_key_is_the_only_finding_and_is_not_shown() {
    let server = Server::start(vec![status(401, "", r#"{"error": "no: sk-secret"}"#)]).await;
    let report = probe(&Client::of(&server).settings).await.unwrap();
    assert_eq!(verdicts(&report), [("answers", Verdict::Fails)]);
    assert!(report.findings[0].hint.unwrap().contains("key_env"));
    assert!(!format!("{report:?}").contains("sk-secret"));
    assert_eq!(server.asked().len(), 1);
}

//! Exchanges that are recorded and played again.

use std::path::Path;
use std::sync::Arc;

use catena_model::{
    Gateway, Limiter, Message, ModelError, ModelInfo, Outcome, RecordedModel, Recorder, Request,
    RetryPolicy,
};
use serde_json::json;

use crate::exchange::{Client, Seen, bash, purse, sampling, user};
use crate::server::{Server, completion, good, status, whole};

fn conversation() -> Vec<Message> {
    vec![user("Say something."), user("Make it short.\nAnd good.")]
}

async fn ask(gateway: &Gateway, rollout: &str, messages: &[Message]) -> Outcome {
    let (sampling, tools) = (sampling(), [bash()]);
    let request = Request {
        rollout,
        stage: "pr-1",
        turn_of_stage: 0,
        messages,
        measured: None,
        tools: &tools,
        sampling: &sampling,
    };
    let purse = purse(catena_model::Bounds::default());
    gateway.complete(&request, &purse, &Seen::default()).await
}

fn player(tape: &Path) -> Gateway {
    let info = ModelInfo { name: "recorded".to_owned(), context_window: 0 };
    let model = RecordedModel::load(tape, info).unwrap();
    Gateway::new(Arc::new(model), Limiter::new(1), RetryPolicy::default(), 0)
}

#[tokio::test]
async fn recorded_exchanges_are_played_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let tape = dir.path().join("tape.jsonl");
    let said = |text: &str| whole(&completion(&json!({"content": text})));
    let server = Server::start(vec![status(500, "", ""), said("one"), said("two")]).await;
    let gateway = Client::of(&server).gateway().recorded_by(Recorder::open(&tape).unwrap());
    let first = ask(&gateway, "a.1", &conversation()).await;
    let second = ask(&gateway, "a.2", &conversation()).await;
    let asked = server.asked().len();
    let player = player(&tape);
    // The same request of two rollouts has the answer of each.
    assert_eq!(ask(&player, "a.1", &conversation()).await.answer, first.answer);
    assert_eq!(ask(&player, "a.2", &conversation()).await.answer, second.answer);
    assert_eq!(ask(&player, "a.3", &conversation()).await.answer, second.answer);
    assert_eq!(server.asked().len(), asked);
    assert!(!std::fs::read_to_string(&tape).unwrap().contains("sk-secret"));
}

#[tokio::test]
async fn request_that_is_not_on_the_tape_fails_and_shows_the_nearest() {
    let dir = tempfile::tempdir().unwrap();
    let tape = dir.path().join("tape.jsonl");
    let server = Server::start(vec![good()]).await;
    let gateway = Client::of(&server).gateway().recorded_by(Recorder::open(&tape).unwrap());
    ask(&gateway, "a.1", &[user("Something else.")]).await.answer.unwrap();
    ask(&gateway, "a.1", &conversation()).await.answer.unwrap();
    let mut other = conversation();
    other[1] = user("Make it short.\nAnd bad.");
    let outcome = ask(&player(&tape), "a.1", &other).await;
    let Err(ModelError::Unavailable(why)) = outcome.answer else { panic!("{outcome:?}") };
    let first = why.lines().next().unwrap();
    assert!(first.ends_with("the nearest is line 2 of the tape (- recorded, + asked):"), "{why}");
    assert!(why.contains("\n-And good.") && why.contains("\n+And bad."), "{why}");
}

#[tokio::test]
async fn tape_that_was_cut_off_goes_on_after_its_last_whole_line() {
    let dir = tempfile::tempdir().unwrap();
    let tape = dir.path().join("tape.jsonl");
    let server = Server::start(vec![good()]).await;
    let client = Client::of(&server);
    let record = || client.gateway().recorded_by(Recorder::open(&tape).unwrap());
    ask(&record(), "a.1", &conversation()).await.answer.unwrap();
    let whole = std::fs::read_to_string(&tape).unwrap();
    std::fs::write(&tape, format!("{whole}{{\"version\": 1, \"roll")).unwrap();
    assert!(ask(&player(&tape), "a.1", &conversation()).await.answer.is_ok());
    ask(&record(), "a.1", &[user("More.")]).await.answer.unwrap();
    let text = std::fs::read_to_string(&tape).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.starts_with(&whole));
    assert!(ask(&player(&tape), "a.1", &[user("More.")]).await.answer.is_ok());
}

//! Servers that fail, each in its way. What can be tried again is, what can't
//! is not, and a request is never sent once too often.

use std::time::Duration;

use catena_model::{ModelError, Outcome};
use serde_json::json;

use crate::exchange::Client;
use crate::server::{
    Answer, Server, Step, completion, delta, event, good, status, stream, stream_head, whole,
};

/// Short enough for a test, long enough for a slow machine.
const SHORT: Duration = Duration::from_millis(150);

/// Gives a fault, then a good answer; returns what came of it. The server must
/// have been asked twice.
async fn overcome(fault: Answer, change: impl Fn(&mut Client)) -> Outcome {
    let server = Server::start(vec![fault, good()]).await;
    let mut client = Client::streaming(&server);
    change(&mut client);
    let outcome = client.ask_something().await;
    assert_eq!(server.asked().len(), 2, "{outcome:?}");
    assert_eq!(outcome.answer.as_ref().unwrap().message.content, "done");
    assert_eq!(outcome.failed.len(), 1);
    outcome
}

/// Gives a fault for ever; returns the error. The server must have been asked
/// once.
async fn give_up(fault: Answer, change: impl Fn(&mut Client)) -> ModelError {
    let server = Server::start(vec![fault]).await;
    let mut client = Client::streaming(&server);
    change(&mut client);
    let outcome = client.ask_something().await;
    assert_eq!(server.asked().len(), 1, "{outcome:?}");
    outcome.answer.unwrap_err()
}

fn unchanged(_client: &mut Client) {}

#[tokio::test]
async fn overloaded_server_is_asked_again_when_it_wants_to_be() {
    let fault = status(429, "retry-after-ms: 120\r\n", r#"{"error": {"message": "slow down"}}"#);
    let begin = std::time::Instant::now();
    let outcome = overcome(fault, |client| {
        assert_eq!(client.limiter.limit(), 8);
    })
    .await;
    assert!(begin.elapsed() >= Duration::from_millis(120));
    assert!(outcome.failed[0].wait_ms >= 120);
    assert!(outcome.failed[0].reason.contains("overloaded (429): slow down"));
    assert_eq!(outcome.failed[0].usage.cost_microusd, 0);
}

#[tokio::test]
async fn overload_makes_room_at_the_server() {
    let server = Server::start(vec![status(429, "", "{}"), good()]).await;
    let client = Client::of(&server);
    client.ask_something().await.answer.unwrap();
    assert_eq!(client.limiter.limit(), 4);
}

#[tokio::test]
async fn server_that_asks_for_too_long_a_wait_is_given_up() {
    let error = give_up(status(429, "retry-after: 3600\r\n", "{}"), unchanged).await;
    assert!(matches!(&error, ModelError::Unavailable(why) if why.contains("patience")), "{error}");
}

#[tokio::test]
async fn failing_server_is_asked_again() {
    for code in [500, 502, 503, 529] {
        let outcome = overcome(status(code, "", "<html>oops</html>"), unchanged).await;
        assert!(outcome.failed[0].reason.contains("<html>oops</html>"), "{outcome:?}");
    }
}

#[tokio::test]
async fn server_that_fails_for_ever_is_given_up_after_the_last_attempt() {
    let server = Server::start(vec![status(500, "", "{}")]).await;
    let outcome = Client::of(&server).ask_something().await;
    assert_eq!(server.asked().len(), 3);
    assert_eq!(outcome.failed.len(), 3);
    let error = outcome.answer.unwrap_err();
    assert!(matches!(&error, ModelError::Unavailable(why) if why.contains("attempt 3")), "{error}");
}

#[tokio::test]
async fn refusals_are_not_argued_with() {
    for code in [401, 403, 404, 402] {
        let error = give_up(status(code, "", r#"{"error": "sk-secret is no"}"#), unchanged).await;
        assert!(matches!(error, ModelError::Unavailable(_)), "{code}: {error}");
        assert!(error.to_string().contains("[hidden] is no"), "{error}");
    }
    for code in [400, 413, 422] {
        let error = give_up(status(code, "", r#"{"error": "wrong"}"#), unchanged).await;
        assert!(matches!(error, ModelError::InvalidRequest(_)), "{code}: {error}");
    }
    let long = r#"{"error": {"message": "maximum context length is 8", "code": 400}}"#;
    let error = give_up(status(400, "", long), unchanged).await;
    assert!(matches!(error, ModelError::ContextTooLong(_)), "{error}");
    let filtered = r#"{"error": {"message": "not this", "code": "content_filter"}}"#;
    let error = give_up(status(400, "", filtered), unchanged).await;
    assert_eq!(error, ModelError::Refused("not this".to_owned()));
}

#[tokio::test]
async fn malformed_and_truncated_json_is_asked_for_again_and_paid_for() {
    let half = completion(&json!({"content": "x"})).to_string();
    for body in ["{{{", &half[..half.len() / 2], "{}"] {
        let outcome = overcome(status(200, "", body), unchanged).await;
        assert!(outcome.failed[0].reason.contains("makes no sense"), "{outcome:?}");
        assert!(outcome.failed[0].usage.estimated);
        assert!(outcome.failed[0].usage.cost_microusd > 0);
    }
}

#[tokio::test]
async fn answer_that_breaks_off_is_asked_for_again() {
    let text = completion(&json!({"content": "x"})).to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        text.len()
    );
    let cut = vec![Step::Send(head), Step::Send(text[..20].to_owned())];
    let outcome = overcome(cut, unchanged).await;
    assert!(outcome.failed[0].reason.contains("broke off"), "{outcome:?}");
}

#[tokio::test]
async fn stream_that_ends_early_is_asked_for_again() {
    let cut = vec![stream_head(), delta(&json!({"content": "half of"}))];
    let outcome = overcome(cut, unchanged).await;
    assert!(outcome.failed[0].reason.contains("ended before the reply did"), "{outcome:?}");
    assert_eq!(outcome.failed[0].usage.output_tokens, 2);
}

#[tokio::test]
async fn connection_that_is_reset_is_made_again() {
    // The client may see the piece or not before it sees the reset.
    let in_stream = vec![stream_head(), delta(&json!({"content": "half"})), Step::Reset];
    for fault in [in_stream, vec![Step::Reset]] {
        overcome(fault, unchanged).await;
    }
}

#[tokio::test]
async fn server_that_never_begins_to_answer_is_left() {
    let outcome =
        overcome(vec![Step::Hang], |client| client.settings.timeouts.first_byte = SHORT).await;
    assert!(outcome.failed[0].reason.contains("did not begin to answer within 150ms"));
}

#[tokio::test]
async fn stream_that_stalls_is_left() {
    let stalled = vec![stream_head(), delta(&json!({"content": "and then"})), Step::Hang];
    let outcome = overcome(stalled, |client| client.settings.timeouts.silence = SHORT).await;
    assert!(outcome.failed[0].reason.contains("fell silent in the middle"), "{outcome:?}");
    assert!(outcome.failed[0].usage.estimated);
}

#[tokio::test]
async fn drip_without_end_is_left_at_the_deadline() {
    let mut drip = vec![stream_head()];
    for _ in 0..2_000 {
        drip.push(Step::Send(": wait\n\n".to_owned()));
        drip.push(Step::Wait(Duration::from_millis(10)));
    }
    let outcome = overcome(drip, |client| client.settings.timeouts.request = SHORT * 2).await;
    assert!(outcome.failed[0].reason.contains("did not end its answer within 300ms"));
}

#[tokio::test]
async fn page_in_the_place_of_json_is_shown_and_not_asked_for_again() {
    let page = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/html; charset=utf-8\r\n\
                \r\n<html>Please log in</html>";
    let error = give_up(vec![Step::Send(page.to_owned())], unchanged).await;
    let shown = "answered with `text/html` in the place of JSON: <html>Please log in</html>";
    assert!(error.to_string().contains(shown), "{error}");
}

#[tokio::test]
async fn reply_that_is_too_large_is_not_taken() {
    let huge = json!({"content": "x".repeat(20_000)});
    let error = give_up(stream(&vec![huge.clone(); 10], "stop"), unchanged).await;
    assert!(error.to_string().contains("larger than 100000 bytes"), "{error}");
    let whole_one = completion(&json!({"content": "x".repeat(200_000)}));
    let error = give_up(whole(&whole_one), unchanged).await;
    assert!(error.to_string().contains("larger than 100000 bytes"), "{error}");
}

#[tokio::test]
async fn reply_of_very_many_tool_calls_is_not_taken() {
    let limit = |client: &mut Client| client.settings.max_reply_bytes = 8 << 20;
    let calls = |range: std::ops::Range<u32>| {
        let calls: Vec<_> = range.map(|index| json!({"index": index})).collect();
        json!({"tool_calls": calls})
    };
    let error = give_up(whole(&completion(&calls(0..200_000))), limit).await;
    assert!(error.to_string().contains("more than 1000 tool calls"), "{error}");
    let pieces = [calls(0..600), calls(0..600), calls(600..1001)];
    let error = give_up(stream(&pieces, "tool_calls"), limit).await;
    assert!(error.to_string().contains("more than 1000 tool calls"), "{error}");
}

#[tokio::test]
async fn stream_of_empty_lines_is_read_to_its_end() {
    let lines = Step::Send("\n".repeat(12 << 20));
    let mut fault = vec![stream_head(), lines];
    fault.push(delta(&json!({"content": "done"})));
    fault.extend(crate::server::stream_end("stop"));
    let server = Server::start(vec![fault]).await;
    let mut client = Client::streaming(&server);
    client.settings.max_reply_bytes = 16 << 20;
    let outcome = client.ask_something().await;
    assert_eq!(outcome.answer.unwrap().message.content, "done");
}

#[tokio::test]
async fn error_in_the_middle_of_a_stream_is_an_error() {
    let fault = |error| vec![stream_head(), delta(&json!({"content": "x"})), event(&error)];
    let busy = fault(json!({"error": {"message": "engine died", "code": 503}}));
    let outcome = overcome(busy, unchanged).await;
    assert!(outcome.failed[0].reason.contains("failed (503): engine died"), "{outcome:?}");
    let wrong = fault(json!({"error": {"message": "no such field", "code": 400}}));
    let error = give_up(wrong, unchanged).await;
    assert!(matches!(error, ModelError::InvalidRequest(_)), "{error}");
}

#[tokio::test]
async fn server_that_is_not_there_is_unavailable() {
    let server = Server::start(vec![good()]).await;
    let mut client = Client::of(&server);
    client.settings.base_url = "http://127.0.0.1:1/v1".to_owned();
    let outcome = client.ask_something().await;
    assert_eq!(outcome.failed.len(), 3);
    let error = outcome.answer.unwrap_err();
    assert!(error.to_string().contains("can't reach the model server"), "{error}");
    assert!(server.asked().is_empty());
}

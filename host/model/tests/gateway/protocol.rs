//! What is sent to a well-behaved server, and what is made of its answer.

use catena_model::{AssistantMessage, FinishReason, Message, Origin, ToolCall};
use serde_json::{Value, json};

use crate::exchange::{Client, user};
use crate::server::{
    Server, completion, delta, event, good, stream, stream_end, stream_head, whole,
};

/// A conversation with a call that was answered.
fn conversation() -> Vec<Message> {
    let call = ToolCall {
        id: "call-1".to_owned(),
        name: "bash".to_owned(),
        arguments: "{\"command\": broken".to_owned(),
    };
    let said = AssistantMessage {
        content: String::new(),
        reasoning: Some("hmm".to_owned()),
        tool_calls: vec![call],
    };
    vec![
        Message::System { content: "Be good.".to_owned() },
        user("List the files."),
        Message::Assistant { message: said, origin: Origin::Model },
        Message::Tool { call_id: "call-1".to_owned(), content: "a.py".to_owned() },
    ]
}

#[tokio::test]
async fn request_is_what_chat_completion_servers_expect() {
    let server = Server::start(vec![good()]).await;
    let mut client = Client::of(&server);
    client.settings.extra.insert("chat_template_kwargs".to_owned(), json!({"thinking": true}));
    client.settings.stop = vec!["END".to_owned()];
    client.ask(&conversation()).await.answer.unwrap();
    let asked = &server.asked()[0];
    assert!(asked.head.starts_with("post /v1/chat/completions http/1.1"), "{}", asked.head);
    assert!(asked.head.contains("authorization: bearer sk-secret"), "{}", asked.head);
    let parameters: Value =
        json!({"type": "object", "properties": {"command": {"type": "string"}}});
    let expected = json!({
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "Be good."},
            {"role": "user", "content": "List the files."},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "call-1",
                "type": "function",
                "function": {"name": "bash", "arguments": "{\"command\": broken"}}]},
            {"role": "tool", "tool_call_id": "call-1", "content": "a.py"},
        ],
        "tools": [{"type": "function", "function": {
            "name": "bash", "description": "Runs a command.", "parameters": parameters}}],
        "temperature": 0.5,
        "seed": 7,
        "stop": ["END"],
        "stream": false,
        "max_tokens": 1000,
        "chat_template_kwargs": {"thinking": true},
    });
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn each_request_begins_with_the_one_before_it() {
    let server = Server::start(vec![good()]).await;
    let client = Client::of(&server);
    let messages = conversation();
    for length in [2, 4] {
        client.ask(&messages[..length]).await.answer.unwrap();
    }
    let asked = server.asked();
    let texts: Vec<String> = asked.iter().map(|asked| asked.body["messages"].to_string()).collect();
    assert!(texts[1].starts_with(texts[0].trim_end_matches(']')));
}

#[tokio::test]
async fn reasoning_of_earlier_turns_is_sent_where_it_is_wanted() {
    let server = Server::start(vec![good()]).await;
    let mut client = Client::of(&server);
    client.settings.reasoning_field = Some("reasoning_content".to_owned());
    client.ask(&conversation()).await.answer.unwrap();
    assert_eq!(server.asked()[0].body["messages"][2]["reasoning_content"], "hmm");
}

#[tokio::test]
async fn whole_reply_is_taken_with_all_the_server_tells() {
    let mut body = completion(&json!({
        "role": "assistant", "content": null, "reasoning_content": "let me look",
        "tool_calls": [
            {"id": "c1", "type": "function",
                "function": {"name": "bash", "arguments": "{\"command\": \"ls"}},
            {"id": "c2", "type": "function",
                "function": {"name": "bash", "arguments": {"command": "pwd"}}},
        ],
        "new_field": {"nobody": "knows"},
    }));
    body["choices"][0]["finish_reason"] = json!("tool_calls");
    body["choices"][0]["token_ids"] = json!([5, 6]);
    body["choices"][0]["logprobs"] =
        json!({"content": [{"token": "x", "logprob": -0.25, "bytes": null, "top_logprobs": []}]});
    body["prompt_token_ids"] = json!([1, 2, 3]);
    body["usage"]["prompt_tokens_details"] = json!({"cached_tokens": 40});
    let server = Server::start(vec![whole(&body)]).await;
    let reply = Client::of(&server).ask_something().await.answer.unwrap();
    assert_eq!(reply.message.reasoning.as_deref(), Some("let me look"));
    let arguments: Vec<&str> =
        reply.message.tool_calls.iter().map(|call| call.arguments.as_str()).collect();
    assert_eq!(arguments, ["{\"command\": \"ls", "{\"command\":\"pwd\"}"]);
    assert_eq!(reply.finish, FinishReason::ToolCalls);
    assert_eq!((reply.usage.input_tokens, reply.usage.cached_tokens), (100, 40));
    assert_eq!(reply.usage.cost_microusd, 60 * 2 + 20 + 10 * 10);
    assert!(!reply.usage.estimated);
    let details = reply.details.unwrap();
    assert_eq!((details.prompt_token_ids, details.token_ids), (vec![1, 2, 3], vec![5, 6]));
    assert_eq!(details.logprobs[0].token, "x");
    assert_eq!(details.model.as_deref(), Some("tiny-2026"));
}

#[tokio::test]
async fn streamed_pieces_are_joined() {
    let pieces = [
        json!({"role": "assistant", "content": ""}),
        json!({"reasoning": "let "}),
        json!({"reasoning": "me"}),
        json!({"content": "Look"}),
        json!({"content": "ing."}),
        json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function",
            "function": {"name": "bash", "arguments": ""}}]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"command\":"}}]}),
        json!({"tool_calls": [{"index": 1, "id": "c2",
            "function": {"name": "bash", "arguments": "{}"}}]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": " \"ls\"}"}}]}),
    ];
    let server = Server::start(vec![stream(&pieces, "tool_calls")]).await;
    let reply = Client::streaming(&server).ask_something().await.answer.unwrap();
    assert_eq!(reply.message.content, "Looking.");
    assert_eq!(reply.message.reasoning.as_deref(), Some("let me"));
    let calls: Vec<(&str, &str)> = reply
        .message
        .tool_calls
        .iter()
        .map(|call| (call.id.as_str(), call.arguments.as_str()))
        .collect();
    assert_eq!(calls, [("c1", "{\"command\": \"ls\"}"), ("c2", "{}")]);
    assert_eq!(reply.finish, FinishReason::ToolCalls);
    assert_eq!((reply.usage.input_tokens, reply.usage.output_tokens), (100, 10));
    let body = &server.asked()[0].body;
    assert_eq!(body["stream_options"], json!({"include_usage": true}));
}

#[tokio::test]
async fn pieces_of_calls_are_joined_by_index_or_id_whichever_come_between() {
    let piece = |call| json!({"tool_calls": [call]});
    let pieces = [
        piece(json!({"index": 7, "id": "s", "function": {"name": "bash", "arguments": "{"}})),
        piece(json!({"id": "t", "function": {"name": "look", "arguments": "["}})),
        piece(json!({"index": 7, "function": {"arguments": "}"}})),
        piece(json!({"id": "t", "function": {"arguments": "]"}})),
    ];
    let server = Server::start(vec![stream(&pieces, "tool_calls")]).await;
    let reply = Client::streaming(&server).ask_something().await.answer.unwrap();
    let calls = reply.message.tool_calls.iter().map(|call| (&*call.id, &*call.arguments));
    assert_eq!(calls.collect::<Vec<_>>(), [("s", "{}"), ("t", "[]")]);
}

#[tokio::test]
async fn calls_without_index_or_id_are_kept_apart() {
    let pieces = [json!({"tool_calls": [
            {"function": {"name": "bash", "arguments": "{\"a\""}},
            {"function": {"name": "look", "arguments": "{}"}}]})];
    let server = Server::start(vec![stream(&pieces, "tool_calls")]).await;
    let reply = Client::streaming(&server).ask_something().await.answer.unwrap();
    let calls = &reply.message.tool_calls;
    assert_eq!((calls[0].name.as_str(), calls[1].name.as_str()), ("bash", "look"));
    assert_ne!(calls[0].id, calls[1].id);
}

#[tokio::test]
async fn usage_that_the_server_does_not_tell_is_estimated_and_marked() {
    let mut body = completion(&json!({"role": "assistant", "content": "12345678"}));
    body.as_object_mut().unwrap().remove("usage");
    let mut streamed = vec![stream_head(), delta(&json!({"content": "12345678"}))];
    let finish = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    streamed.push(event(&finish));
    for (answer, is_stream) in [(whole(&body), false), (streamed, true)] {
        let server = Server::start(vec![answer]).await;
        let client = if is_stream { Client::streaming(&server) } else { Client::of(&server) };
        let reply = client.ask_something().await.answer.unwrap();
        assert!(reply.usage.estimated);
        assert_eq!(reply.usage.output_tokens, 2);
        assert!(reply.usage.input_tokens > 0 && reply.usage.cost_microusd > 0);
    }
}

#[tokio::test]
async fn server_that_does_not_stream_answers_a_request_for_a_stream() {
    let server = Server::start(vec![good()]).await;
    let reply = Client::streaming(&server).ask_something().await.answer.unwrap();
    assert_eq!(reply.message.content, "done");
}

#[tokio::test]
async fn stream_that_comes_slowly_is_waited_for() {
    let pause = std::time::Duration::from_millis(40);
    let mut answer = vec![stream_head()];
    for letter in ["s", "l", "o", "w"] {
        answer.push(delta(&json!({"content": letter})));
        answer.push(crate::server::Step::Wait(pause));
        answer.push(crate::server::Step::Send(": still here\n\n".to_owned()));
    }
    answer.extend(stream_end("stop"));
    let server = Server::start(vec![answer]).await;
    let mut client = Client::streaming(&server);
    client.settings.timeouts.silence = pause * 25;
    let outcome = client.ask_something().await;
    assert_eq!(outcome.answer.unwrap().message.content, "slow");
    assert_eq!(server.asked().len(), 1);
}

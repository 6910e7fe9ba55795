//! A server on loopback that answers as it is told, and keeps what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with a connection once it has the request.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Sends bytes.
    Send(String),
    /// Does nothing for a while.
    Wait(Duration),
    /// Does nothing any more, and keeps the connection.
    Hang,
    /// Breaks the connection off.
    Reset,
}

/// What the server does with a request.
pub(crate) type Answer = Vec<Step>;

/// A request as the server got it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// A server at work. It ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) base_url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Starts a server that gives these answers one after the other, and the
    /// last one for ever.
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        let answers = Mutex::new(VecDeque::from(answers));
        Self::answering(move || {
            let mut answers = answers.lock().unwrap();
            let next = answers.pop_front().unwrap();
            if answers.is_empty() {
                answers.push_back(next.clone());
            }
            (next, ())
        })
        .await
    }

    /// Starts a server that asks for each answer when the request has come, and
    /// drops what comes with it when the answer is given.
    pub(crate) async fn answering<T: Send + 'static>(
        answer: impl Fn() -> (Answer, T) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (asked.clone(), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (kept, answer) = (kept.clone(), answer.clone());
                tokio::spawn(async move {
                    let Some(request) = read_request(&mut stream).await else { return };
                    kept.lock().unwrap().push(request);
                    let (steps, guard) = answer();
                    perform(stream, steps).await;
                    drop(guard);
                });
            }
        });
        Self { base_url, asked }
    }

    /// What the server was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Asked> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = text.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..end]).to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap();
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if text.len() >= end + 4 + length {
                let body = serde_json::from_slice(&text[end + 4..]).unwrap();
                return Some(Asked { head, body });
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => text.extend_from_slice(&buffer[..read]),
        }
    }
}

async fn perform(mut stream: TcpStream, steps: Answer) {
    for step in steps {
        match step {
            // A client that has given up is no fault of the test.
            Step::Send(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
            }
            Step::Wait(wait) => tokio::time::sleep(wait).await,
            Step::Hang => std::future::pending().await,
            Step::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
        }
    }
    let _ = stream.shutdown().await;
}

/// An answer with this status, these headers and this body.
pub(crate) fn status(status: u16, headers: &str, body: &str) -> Answer {
    let length = body.len();
    vec![Step::Send(format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{headers}\r\n{body}"
    ))]
}

/// A whole answer with this JSON.
pub(crate) fn whole(body: &Value) -> Answer {
    status(200, "", &body.to_string())
}

/// A good whole answer.
pub(crate) fn good() -> Answer {
    whole(&completion(&json!({"role": "assistant", "content": "done"})))
}

/// A completion with this message, for 100 tokens in and 10 out.
pub(crate) fn completion(message: &Value) -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "tiny-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    })
}

/// The head of a streamed answer, whose body ends with the connection.
pub(crate) fn stream_head() -> Step {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n";
    Step::Send(head.to_owned())
}

/// One event of a stream.
pub(crate) fn event(data: &Value) -> Step {
    Step::Send(format!("data: {data}\n\n"))
}

/// A piece of a reply.
pub(crate) fn delta(delta: &Value) -> Step {
    event(&json!({"id": "chatcmpl-1", "model": "tiny-2026",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}]}))
}

/// The pieces that end a stream: the reason, the usage, and the end's mark.
pub(crate) fn stream_end(finish: &str) -> Vec<Step> {
    vec![
        event(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})),
        event(&json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 10}})),
        Step::Send("data: [DONE]\n\n".to_owned()),
    ]
}

/// A whole streamed answer.
pub(crate) fn stream(pieces: &[Value], finish: &str) -> Answer {
    let mut answer = vec![stream_head()];
    answer.extend(pieces.iter().map(delta));
    answer.extend(stream_end(finish));
    answer
}

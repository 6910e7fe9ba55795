//! A model server on loopback that takes its time.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Stack of the thread of a connection.
const STACK: usize = 128 << 10;

/// A server at work until the process ends.
pub(super) struct SlowServer {
    pub(super) base_url: String,
    pub(super) state: Arc<State>,
}

/// What is counted of its requests.
#[derive(Default)]
pub(super) struct State {
    pub(super) waiting: AtomicU64,
    pub(super) served: AtomicU64,
    /// Time from a reply to the next request, where only one rollout asks.
    pub(super) gaps: Mutex<Vec<Duration>>,
    last: Mutex<Option<Instant>>,
}

impl SlowServer {
    /// Starts a server that has a shell run `true` in every turn but the last of
    /// `turns`, and waits for `delay` each time.
    pub(super) fn start(turns: usize, delay: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let base_url = format!("http://{}/v1", listener.local_addr()?);
        let state = Arc::new(State::default());
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let state = shared.clone();
                let serve = move || serve(&stream, turns, delay, &state);
                // A connection without a thread is closed, and asked again.
                let _ = std::thread::Builder::new().stack_size(STACK).spawn(serve);
            }
        });
        Ok(Self { base_url, state })
    }
}

/// Answers the requests of a connection until the client goes away.
fn serve(stream: &TcpStream, turns: usize, delay: Duration, state: &State) {
    let mut reader = BufReader::new(stream);
    while let Some(body) = read_request(&mut reader) {
        // Before the request is parsed, which is work of the server.
        let last = state.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(last) = last {
            state.gaps.lock().unwrap_or_else(PoisonError::into_inner).push(last.elapsed());
        }
        let Ok(body) = serde_json::from_slice(&body) else { return };
        state.waiting.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(delay);
        state.waiting.fetch_sub(1, Ordering::SeqCst);
        let text = reply(&body, turns).to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        if (&*stream).write_all(format!("{head}{text}").as_bytes()).is_err() {
            return;
        }
        state.served.fetch_add(1, Ordering::SeqCst);
        *state.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn reply(body: &Value, turns: usize) -> Value {
    let messages = body.get("messages").and_then(Value::as_array);
    let is_reply = |message: &&Value| message.get("role").is_some_and(|role| role == "assistant");
    let turn = messages.map_or(0, |messages| messages.iter().filter(is_reply).count());
    let command =
        if turn + 1 < turns { "true" } else { "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT" };
    let arguments = json!({"command": command}).to_string();
    let call = json!({"id": format!("call-{turn}"), "type": "function",
        "function": {"name": "bash", "arguments": arguments}});
    let message = json!({"role": "assistant", "content": "On with it.", "tool_calls": [call]});
    json!({"id": "r", "model": "slow",
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100},
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
}

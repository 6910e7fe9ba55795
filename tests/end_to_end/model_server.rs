//! A model server on loopback that plays a script over OpenAI's chat
//! completions. It keeps no state: which reply comes next follows from the
//! conversation it is sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

use crate::environment::TestEnvironment;

/// A server at work until the test's process ends.
pub(crate) struct ModelServer {
    pub(crate) base_url: String,
    asked: Arc<Mutex<Vec<Value>>>,
    replies: Arc<Mutex<Vec<Value>>>,
    held: Arc<Held>,
}

/// Replies that are held back while the gate is shut.
#[derive(Default)]
struct Held {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl ModelServer {
    /// Starts a server that gives these replies: text and tool calls, as scripts
    /// of `catena` have them.
    pub(crate) fn start(replies: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let replies = Arc::new(Mutex::new(replies));
        let held = Arc::new(Held::default());
        let (kept, script, gate) = (asked.clone(), replies.clone(), held.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, script, gate) = (kept.clone(), script.clone(), gate.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &kept, &script, &gate));
            }
        });
        Self { base_url, asked, replies, held }
    }

    /// Holds every reply back from now on.
    pub(crate) fn hold(&self) {
        *self.held.shut.lock().unwrap() = true;
    }

    /// Gives the replies that were held back, and holds no more.
    pub(crate) fn release(&self) {
        *self.held.shut.lock().unwrap() = false;
        self.held.opened.notify_all();
    }

    /// Gives other replies from now on.
    pub(crate) fn give(&self, replies: Vec<Value>) {
        *self.replies.lock().unwrap() = replies;
    }

    /// Starts one that plays the demo's script from the first stage to the last.
    pub(crate) fn of_demo(environment: &TestEnvironment) -> Self {
        Self::start(demo_replies(environment))
    }

    /// The bodies of the requests so far.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

/// The replies of the demo's script, from the first stage to the last.
pub(crate) fn demo_replies(environment: &TestEnvironment) -> Vec<Value> {
    let script = environment.read_json("demo/script.json");
    let chains = environment.read_json("demo/chains.json");
    let stages = chains["chains"][0]["stages"].as_array().unwrap().iter();
    let of_stage = |stage: &Value| {
        script["replies"][stage["id"].as_str().unwrap()].as_array().unwrap().clone()
    };
    stages.flat_map(of_stage).collect()
}

/// Answers one request of a connection. A client that goes away is no fault.
fn serve(
    mut stream: TcpStream,
    kept: &Mutex<Vec<Value>>,
    replies: &Mutex<Vec<Value>>,
    held: &Held,
) {
    let Some(body) = read_request(&stream) else { return };
    kept.lock().unwrap().push(body.clone());
    drop(held.opened.wait_while(held.shut.lock().unwrap(), |shut| *shut).unwrap());
    let messages = body["messages"].as_array().unwrap().iter();
    let turn = messages.filter(|message| message["role"] == "assistant").count();
    let reply = replies.lock().unwrap().get(turn).cloned();
    let Some(reply) = &reply else {
        let _ = write!(stream, "HTTP/1.1 500 X\r\nconnection: close\r\n\r\nno reply left");
        return;
    };
    if reply["cut"] == true {
        // Some of a reply, and then nothing more.
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n\
             data: {}\n\n",
            json!({"choices": [{"index": 0, "delta": {"content": "Once upon a time"}}]})
        );
        return;
    }
    let (kind, text) = if body["stream"] == true {
        ("text/event-stream", streamed(reply, turn))
    } else {
        ("application/json", whole(reply, turn).to_string())
    };
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
         \r\n{text}",
        text.len()
    );
}

fn read_request(stream: &TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).unwrap())
}

fn calls(reply: &Value, turn: usize) -> Vec<Value> {
    let calls = reply["tool_calls"].as_array().cloned().unwrap_or_default();
    let call = |(index, call): (usize, Value)| {
        let arguments = match &call["arguments"] {
            Value::String(raw) => raw.clone(),
            value => value.to_string(),
        };
        json!({"index": index, "id": format!("c-{turn}-{index}"), "type": "function",
            "function": {"name": call["name"], "arguments": arguments}})
    };
    calls.into_iter().enumerate().map(call).collect()
}

fn usage() -> Value {
    json!({"prompt_tokens": 1000, "completion_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 800}})
}

fn whole(reply: &Value, turn: usize) -> Value {
    let message = json!({"role": "assistant", "content": reply["content"],
        "tool_calls": calls(reply, turn)});
    json!({"id": "r", "model": "script", "usage": usage(),
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
}

/// The reply in pieces: each call's arguments come in two.
fn streamed(reply: &Value, turn: usize) -> String {
    let piece = |delta: Value| json!({"choices": [{"index": 0, "delta": delta}]});
    let mut pieces = vec![piece(json!({"role": "assistant", "content": reply["content"]}))];
    for call in calls(reply, turn) {
        let arguments = call["function"]["arguments"].as_str().unwrap();
        let (start, rest) = arguments.split_at(arguments.floor_char_boundary(arguments.len() / 2));
        let mut first = call.clone();
        first["function"]["arguments"] = json!(start);
        pieces.push(piece(json!({"tool_calls": [first]})));
        let rest = json!({"index": call["index"], "function": {"arguments": rest}});
        pieces.push(piece(json!({"tool_calls": [rest]})));
    }
    pieces.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}));
    pieces.push(json!({"choices": [], "usage": usage()}));
    let mut events: Vec<String> = pieces.iter().map(|piece| format!("data: {piece}\n\n")).collect();
    events.push("data: [DONE]\n\n".to_owned());
    events.concat()
}

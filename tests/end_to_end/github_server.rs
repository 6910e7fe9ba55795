//! A stand-in for GitHub on loopback: answers GraphQL in the shapes of the public
//! schema, and fails as GitHub does where a test says so.
//!
//! What it was asked and what it answered is also kept in a file below the target
//! directory, for `cargo xtask compat github-schema`.

mod executor;
mod world;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

pub(crate) use executor::connection;
pub(crate) use world::{World, issue, large, pull_request, reference, remark, thread};

/// What happens to a request in the place of an answer.
#[derive(Clone)]
pub(crate) enum Fault {
    /// A status with headers and a body.
    Status(u16, &'static str, &'static str),
    /// Status 200 with this body.
    Body(Value),
    /// The connection is closed after half of the answer.
    Cut,
    /// There is no answer until the server is released.
    Hold,
}

/// A header's name in small letters, and its value.
type Header = (String, String);

type Plan = dyn Fn(usize, &Value) -> Option<Fault> + Send + Sync;

/// More bytes than what is asked has.
const DOCUMENT: usize = 8 << 10;

/// A server at work until the test's process ends.
pub(crate) struct GitHubServer {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    world: Mutex<World>,
    asked: Mutex<Vec<Value>>,
    headers: Mutex<Vec<Header>>,
    plan: Mutex<Box<Plan>>,
    /// Whether a request is held.
    holding: Mutex<bool>,
    changed: Condvar,
}

impl GitHubServer {
    pub(crate) fn start(world: World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            asked: Mutex::default(),
            headers: Mutex::default(),
            plan: Mutex::new(Box::new(|_, _| None)),
            holding: Mutex::default(),
            changed: Condvar::new(),
        });
        let kept = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = kept.clone();
                std::thread::spawn(move || shared.serve(stream.unwrap()));
            }
        });
        Self { url, shared }
    }

    /// Lets requests fail from now on; they are counted anew, from 0.
    pub(crate) fn plan(
        &self,
        plan: impl Fn(usize, &Value) -> Option<Fault> + Send + Sync + 'static,
    ) {
        self.shared.asked.lock().unwrap().clear();
        *self.shared.plan.lock().unwrap() = Box::new(plan);
    }

    /// Changes what there is.
    pub(crate) fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.shared.world.lock().unwrap());
    }

    /// Operations and variables of the requests since the last plan.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// What the requests so far had in a header, named in small letters.
    pub(crate) fn header(&self, name: &str) -> Vec<String> {
        let headers = self.shared.headers.lock().unwrap();
        headers.iter().filter(|(given, _)| given == name).map(|(_, value)| value.clone()).collect()
    }

    /// Waits until a request is held.
    pub(crate) fn wait_for_hold(&self) {
        let holding = self.shared.holding.lock().unwrap();
        drop(self.shared.changed.wait_while(holding, |holding| !*holding).unwrap());
    }

    /// Lets go of the held request.
    pub(crate) fn release(&self) {
        *self.shared.holding.lock().unwrap() = false;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// Answers one request of a connection. A client that goes away is no fault.
    fn serve(&self, mut stream: TcpStream) {
        let Some((path, headers, body)) = read_request(&stream) else { return };
        let asked = json!({"operation": body["operationName"], "variables": body["variables"]});
        let place = {
            let mut all = self.asked.lock().unwrap();
            all.push(asked.clone());
            all.len() - 1
        };
        self.headers.lock().unwrap().extend(headers);
        if path != "/graphql" {
            respond(&mut stream, 404, "", r#"{"message": "Not Found"}"#);
            return;
        }
        let fault = (self.plan.lock().unwrap())(place, &asked);
        match fault {
            Some(Fault::Status(status, headers, body)) => {
                respond(&mut stream, status, headers, body);
            }
            Some(Fault::Body(body)) => respond(&mut stream, 200, "", &body.to_string()),
            Some(Fault::Cut) => {
                let body = self.answer(&body);
                let half: String = body.chars().take(body.len() / 2).collect();
                respond(&mut stream, 200, "", &half);
            }
            Some(Fault::Hold) => {
                *self.holding.lock().unwrap() = true;
                self.changed.notify_all();
                let holding = self.holding.lock().unwrap();
                drop(self.changed.wait_while(holding, |holding| *holding).unwrap());
            }
            None => {
                let answer = self.answer(&body);
                keep(&body, &answer);
                respond(&mut stream, 200, "", &answer);
            }
        }
    }

    fn answer(&self, body: &Value) -> String {
        let world = self.world.lock().unwrap().clone();
        let text = |key: &str| body[key].as_str().unwrap();
        let data =
            executor::execute(text("query"), text("operationName"), &body["variables"], &world);
        if data.get("repository").is_some_and(Value::is_null) {
            let error = json!({
                "type": "NOT_FOUND", "path": ["repository"],
                "message": "Could not resolve to a Repository with the name 'owner/name'.",
            });
            return json!({"data": data, "errors": [error]}).to_string();
        }
        json!({ "data": data }).to_string()
    }
}

fn read_request(stream: &TcpStream) -> Option<(String, Vec<Header>, Value)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut headers) = (0, Vec::new());
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        let (name, value) = (name.to_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse().ok()?;
        }
        headers.push((name, value));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, headers, serde_json::from_slice(&body).ok()?))
}

fn respond(stream: &mut TcpStream, status: u16, headers: &str, body: &str) {
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{headers}\r\n{body}"
    );
}

/// Keeps what was asked and answered; the longest answer of each operation is
/// enough.
fn keep(asked: &Value, answer: &str) {
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("github-exchanges");
    let name = format!("{}.json", asked["operationName"].as_str().unwrap_or_default());
    let longer = |kept: std::fs::Metadata| kept.len() > (answer.len() + 2 * DOCUMENT) as u64;
    if dir.join(&name).metadata().is_ok_and(longer) {
        return;
    }
    let kept = std::fs::create_dir_all(&dir).and_then(|()| {
        let answer: Value = serde_json::from_str(answer)?;
        let temporary = tempfile::NamedTempFile::new_in(&dir)?;
        serde_json::to_writer(&temporary, &json!({"asked": asked, "answer": answer}))?;
        temporary.persist(dir.join(name))?;
        Ok(())
    });
    kept.unwrap_or_else(|err| panic!("`{}`: {err}", dir.display()));
}

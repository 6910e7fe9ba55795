//! Any bytes as the answer of a model's server, over a real connection: there is a reply,
//! which is no longer than the answer, or an error.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use catena_model::{Message, Model as _, Request, Sampling, ToolChoice};
use catena_rollout::models::settings;
use catena_rollout::run_file::ModelUse;

/// A server that gives one answer after the other, and a model that asks it.
pub(crate) struct Server {
    answer: Arc<Mutex<Vec<u8>>>,
    model: catena_model::OpenAiModel,
    runtime: tokio::runtime::Runtime,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(Vec::new()));
        let given = answer.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let given = given.clone();
                std::thread::spawn(move || serve(&stream.unwrap(), &given));
            }
        });
        let described = format!(
            "kind = \"openai\"\nbase_url = \"http://{address}/v1\"\nmodel = \"m\"\n\
             max_output_tokens = 1000\n"
        );
        let ModelUse::OpenAi(described) = toml::from_str(&described).unwrap() else {
            panic!("it is a server")
        };
        let info = ModelUse::OpenAi(described.clone()).info();
        let settings = settings(&described, info, &(Arc::new(|_: &str| None) as _)).unwrap();
        let model = catena_model::OpenAiModel::new(settings).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { answer, model, runtime }
    }

    pub(crate) fn check(&self, input: &[u8]) {
        *self.answer.lock().unwrap() = input.to_vec();
        let messages = [Message::User { content: "What is there?".to_owned() }];
        let sampling = Sampling {
            tool_choice: ToolChoice::Automatic,
            temperature: None,
            max_output_tokens: None,
            stop: Vec::new(),
        };
        let request = Request {
            rollout: "a.1",
            stage: "pr-1",
            turn_of_stage: 0,
            messages: &messages,
            measured: None,
            tools: &[],
            sampling: &sampling,
        };
        if let Ok(reply) = self.runtime.block_on(self.model.attempt(&request)) {
            // A byte that is no text becomes three.
            assert!(reply.message.text_len() <= 3 * input.len() + 64, "{reply:?}");
        }
    }
}

fn serve(stream: &TcpStream, answer: &Mutex<Vec<u8>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let answer = answer.lock().unwrap().clone();
        let (kind, text) = answer.split_first().unwrap_or((&b'j', &[]));
        let (status, media) = match kind {
            b's' => ("200 OK", "text/event-stream"),
            b'e' => ("400 Bad Request", "application/json"),
            _ => ("200 OK", "application/json"),
        };
        let length = text.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {length}\r\n\r\n"
        );
        let mut writer = stream;
        if writer.write_all(&[head.as_bytes(), text].concat()).is_err() {
            return;
        }
    }
}

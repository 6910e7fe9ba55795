//! What tests ask of a server, and how.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use catena_model::{
    Account, Authorities, Bounds, Delivery, Gateway, Limiter, Message, ModelInfo, OpenAiModel,
    OpenAiSettings, Outcome, Price, Purse, Request, RetryPolicy, Sampling, Secret, Timeouts,
    ToolChoice, ToolDefinition, Usage, Waiting, Watch,
};

use crate::server::Server;

/// A client of a test's server: what it asks with, and what it pays from.
pub(crate) struct Client {
    pub(crate) settings: OpenAiSettings,
    pub(crate) policy: RetryPolicy,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) purse: Purse,
}

impl Client {
    /// A client with short waits, and a budget without bounds.
    pub(crate) fn of(server: &Server) -> Self {
        let settings = OpenAiSettings {
            info: ModelInfo { name: "tiny".to_owned(), context_window: 0 },
            base_url: server.base_url.clone(),
            model: "tiny".to_owned(),
            key: Secret::new("sk-secret"),
            authorities: Authorities::default(),
            delivery: Delivery::Whole,
            temperature: Some(0.5),
            top_p: None,
            seed: Some(7),
            stop: Vec::new(),
            max_output_tokens: 1000,
            output_limit_field: "max_tokens".to_owned(),
            reasoning_field: None,
            extra: serde_json::Map::new(),
            price: price(),
            timeouts: Timeouts {
                connect: Duration::from_secs(5),
                first_byte: Duration::from_secs(20),
                silence: Duration::from_secs(20),
                request: Duration::from_secs(20),
            },
            max_reply_bytes: 100_000,
        };
        let policy = RetryPolicy {
            attempts: 3,
            first_wait: Duration::from_millis(2),
            longest_wait: Duration::from_millis(10),
            patience: Duration::from_secs(1),
            deadline: Duration::from_mins(1),
        };
        Self { settings, policy, limiter: Limiter::new(8), purse: purse(Bounds::default()) }
    }

    /// One that asks for streams.
    pub(crate) fn streaming(server: &Server) -> Self {
        let mut client = Self::of(server);
        client.settings.delivery = Delivery::Streamed;
        client
    }

    pub(crate) fn gateway(&self) -> Gateway {
        let model = OpenAiModel::new(self.settings.clone()).unwrap();
        Gateway::new(Arc::new(model), self.limiter.clone(), self.policy, 1)
    }

    /// Asks for the next turn of a conversation.
    pub(crate) async fn ask(&self, messages: &[Message]) -> Outcome {
        let sampling = sampling();
        let tools = [bash()];
        let request = Request {
            rollout: "a.1",
            stage: "pr-1",
            turn_of_stage: 0,
            messages,
            measured: None,
            tools: &tools,
            sampling: &sampling,
        };
        self.gateway().complete(&request, &self.purse, &Seen::default()).await
    }

    /// Asks something.
    pub(crate) async fn ask_something(&self) -> Outcome {
        self.ask(&[user("Say something.")]).await
    }
}

/// Two, one half and ten dollars per million tokens.
pub(crate) fn price() -> Price {
    serde_json::from_str(r#"{"input": 2, "cached": 0.5, "output": 10}"#).unwrap()
}

/// Accounts of a rollout without bounds and of a run with these.
pub(crate) fn purse(run: Bounds) -> Purse {
    Purse {
        rollout: Account::new(Bounds::default(), &Usage::default()),
        run: Account::new(run, &Usage::default()),
    }
}

pub(crate) fn user(content: &str) -> Message {
    Message::User { content: content.to_owned() }
}

pub(crate) fn sampling() -> Sampling {
    Sampling {
        tool_choice: ToolChoice::Automatic,
        temperature: None,
        max_output_tokens: None,
        stop: vec![],
    }
}

pub(crate) fn bash() -> ToolDefinition {
    ToolDefinition {
        name: "bash".to_owned(),
        description: "Runs a command.".to_owned(),
        parameters: r#"{"type": "object", "properties": {"command": {"type": "string"}}}"#
            .to_owned(),
    }
}

/// Keeps what was waited for.
#[derive(Default)]
pub(crate) struct Seen(pub(crate) Mutex<Vec<Waiting>>);

impl Watch for Seen {
    fn waits(&self, waiting: Waiting) {
        self.0.lock().unwrap().push(waiting);
    }
}

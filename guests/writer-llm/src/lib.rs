//! Has a model write the queries of a chain, in four steps for each stage.

mod answer;
mod brief;
mod config;

use catena_sdk::model::{CompletionRequest, Conversation, Message};
use catena_sdk::writer::{ChainBrief, Queries, WriterError};
use task_templates::RetryView;

use crate::brief::TaskView;
use crate::config::Config;

struct Llm;

impl catena_sdk::Writer for Llm {
    fn write(chain: ChainBrief) -> Result<Queries, WriterError> {
        let config: Config = catena_sdk::config::read()?;
        let templates = config.templates()?;
        let task = TaskView::of(&chain, &config);
        let conversation = Conversation::open()?;
        let system = templates.render("system", &task)?;
        conversation.push(&Message::System(system));
        let task = templates.render("task", &task)?;
        conversation.push(&Message::User(task));
        let mut error = String::new();
        for _ in 0..config.attempts {
            let reply = conversation.complete(&CompletionRequest::default())?;
            error = match answer::parse(&reply.message.content, chain.stages.len()) {
                Ok(queries) => return Ok(queries),
                Err(error) => error,
            };
            let retry = templates.render("retry", RetryView { error: &error })?;
            conversation.push(&Message::User(retry));
        }
        let attempts = config.attempts;
        Err(WriterError::NoQueries(format!(
            "none of {attempts} replies was of the right form; of the last one {error}"
        )))
    }
}

catena_sdk::export_writer!(Llm);

//! One round at one stage: what the agent is told, and how its work ended.

use catena_sdk::model::Message;
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};

use crate::agent::{Agent, Finish};
use crate::config::Config;
use crate::texts::Texts;
use crate::toolbox::{Caller, Toolbox};
use crate::world::{Talk, World, as_if_said};
use crate::{greeting, memory};

/// Works on a round to its end.
pub(crate) fn run<W: World>(
    world: &mut W,
    mut conversation: W::Talk,
    config: &Config,
    task: &Task,
) -> Result<Ending, ScaffoldError> {
    let texts = Texts::parse(&config.templates)?;
    let toolbox = Toolbox::of(config, &world.available_tools())?;
    open(world, &mut conversation, config, task, &texts)?;
    let mut agent = Agent { world, config, texts: &texts, toolbox: &toolbox };
    let finish = agent.run(&mut conversation, Caller::Agent)?;
    Ok(match finish {
        Finish::Done(_) => Ending::Submitted,
        Finish::Turns(_) => Ending::LimitReached("turns".to_owned()),
        Finish::Loop => Ending::GaveUp("loop-detected".to_owned()),
        Finish::Idle => Ending::GaveUp("no-progress".to_owned()),
    })
}

/// Says what the round is about.
fn open<W: World>(
    world: &W,
    conversation: &mut W::Talk,
    config: &Config,
    task: &Task,
    texts: &Texts,
) -> Result<(), ScaffoldError> {
    let memory = memory::recall(world.home());
    let is_new = conversation.history().is_empty();
    if is_new {
        conversation.push(Message::System(texts.of_task("system", task, &memory)?));
        let folder = greeting::folder(world.root(), config.folder_items);
        let greeting = texts.greeting(task, &memory, &greeting::today(), &folder)?;
        conversation.push(Message::User(greeting));
        conversation.push(as_if_said(texts.fixed("greeting_reply")?));
        conversation.push(Message::User(texts.of_task("instance", task, &memory)?));
    }
    if task.feedback.is_some() {
        conversation.push(Message::User(texts.of_task("feedback", task, &memory)?));
    } else if !is_new {
        conversation.push(Message::User(texts.of_task("next_stage", task, &memory)?));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! An agent of SII-CLI's shape: typed tools, sub-agents, memory, compression.
//!
//! [`round`] opens a round and ends it; [`agent`] is the loop, for the agent and
//! for its sub-agents alike. [`toolbox`] is what the model may call and
//! [`repetition`] notices when it does so in vain; [`compression`] makes histories
//! shorter; [`memory`] and [`greeting`] are what is known at the start. [`world`]
//! is the host.

mod agent;
mod compression;
mod config;
mod greeting;
mod memory;
mod repetition;
mod round;
mod texts;
mod toolbox;
mod world;

use std::marker::PhantomData;

use catena_sdk::model::Conversation;
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};

use crate::config::Config;
use crate::world::{HostTalk, HostWorld};

struct Sii;

impl catena_sdk::Scaffold for Sii {
    fn attempt(task: Task, conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        let config: Config = catena_sdk::config::read()?;
        round::run(&mut HostWorld(PhantomData), HostTalk::Main(conversation), &config, &task)
    }
}

catena_sdk::export_scaffold!(Sii);

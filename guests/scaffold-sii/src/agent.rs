//! The loop, for the agent and for its sub-agents: ask the model, run what it
//! calls, answer, until it replies without a call.
//!
//! Every call is answered before the loop ends, however it ends, so that the
//! conversation can go on in another round.

use catena_sdk::model::{
    Completion, CompletionRequest, FinishReason, Message, ModelError, ToolChoice,
};
use catena_sdk::scaffold::ScaffoldError;
use catena_sdk::tools::ToolCall;

use crate::compression::{Fill, compress};
use crate::config::Config;
use crate::repetition::Repetition;
use crate::texts::Texts;
use crate::toolbox::{AGENT, AgentArguments, Caller, Toolbox, arguments};
use crate::world::{Talk, World};

/// How a loop ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The model replied without a call: its words.
    Done(String),
    /// So many replies were not enough.
    Turns(u32),
    /// It made the same call again and again.
    Loop,
    /// It neither called a tool nor said anything, several times in a row.
    Idle,
}

/// What the loops of a round share.
pub(crate) struct Agent<'a, W: World> {
    pub(crate) world: &'a mut W,
    pub(crate) config: &'a Config,
    pub(crate) texts: &'a Texts,
    pub(crate) toolbox: &'a Toolbox,
}

/// A conversation at work.
struct Work<'t, T> {
    talk: &'t mut T,
    fill: Fill,
    repetition: Repetition,
}

impl<T: Talk> Work<'_, T> {
    fn push(&mut self, message: Message) {
        self.fill.pushed(&message);
        self.talk.push(message);
    }
}

impl<W: World> Agent<'_, W> {
    /// Lets the model work in a conversation until it is done or a limit is
    /// reached.
    pub(crate) fn run(
        &mut self,
        talk: &mut W::Talk,
        caller: Caller,
    ) -> Result<Finish, ScaffoldError> {
        let limit = match caller {
            Caller::Agent => self.config.turn_limit,
            Caller::SubAgent => self.config.sub_agent_turn_limit,
        };
        let window = match self.config.context_window {
            0 => self.world.context_window(),
            window => window,
        };
        let request = self.request(caller);
        let fill = Fill::of(&talk.history(), window);
        let repetition = Repetition::of(self.config.loop_threshold);
        let mut work = Work { talk, fill, repetition };
        let mut idle = 0;
        for _ in 0..limit {
            let completion = self.ask(&mut work, &request)?;
            let reply = &completion.message;
            if !reply.tool_calls.is_empty() {
                idle = 0;
                if self.serve(&mut work, &reply.tool_calls, caller)? {
                    return Ok(Finish::Loop);
                }
                continue;
            }
            let is_cut_off = completion.finish == FinishReason::Length;
            if !is_cut_off && !reply.content.trim().is_empty() {
                return Ok(Finish::Done(reply.content.clone()));
            }
            idle += 1;
            if idle >= self.config.idle_limit {
                return Ok(Finish::Idle);
            }
            work.push(Message::User(self.texts.fixed("resume")?));
        }
        Ok(Finish::Turns(limit))
    }

    fn request(&self, caller: Caller) -> CompletionRequest {
        CompletionRequest {
            tools: self.toolbox.offered(caller),
            tool_choice: ToolChoice::Automatic,
            temperature: self.config.temperature,
            max_output_tokens: self.config.max_output_tokens,
            stop: Vec::new(),
        }
    }

    /// Asks the model, after a compression where the window is nearly full. A
    /// history that turns out too long is compressed once, too.
    fn ask(
        &mut self,
        work: &mut Work<'_, W::Talk>,
        request: &CompletionRequest,
    ) -> Result<Completion, ScaffoldError> {
        if work.fill.is_high(self.config) {
            self.compress(work)?;
        }
        let completion = match work.talk.complete(request) {
            Err(ModelError::ContextTooLong(why)) => {
                if !self.compress(work)? {
                    return Err(ScaffoldError::Model(ModelError::ContextTooLong(why)));
                }
                work.talk.complete(request).map_err(ScaffoldError::Model)?
            }
            other => other.map_err(ScaffoldError::Model)?,
        };
        let usage = completion.usage;
        work.fill.measured(usage.input_tokens + usage.output_tokens);
        Ok(completion)
    }

    fn compress(&mut self, work: &mut Work<'_, W::Talk>) -> Result<bool, ScaffoldError> {
        compress(self.world, work.talk, self.config, self.texts, &mut work.fill)
    }

    /// Answers all calls of a reply, in order; says whether they are a loop,
    /// whose last call is not made.
    fn serve(
        &mut self,
        work: &mut Work<'_, W::Talk>,
        calls: &[ToolCall],
        caller: Caller,
    ) -> Result<bool, ScaffoldError> {
        for (index, call) in calls.iter().enumerate() {
            let later = calls.get(index + 1..).unwrap_or_default();
            if work.repetition.is_loop(call) {
                work.push(Message::answer(call, "not run: the same call again and again"));
                for call in later {
                    work.push(Message::answer(call, "not run"));
                }
                return Ok(true);
            }
            let text = if call.name == AGENT && caller == Caller::Agent {
                self.send_agent(work, call, later)?
            } else {
                self.toolbox.answer(self.world, call, caller)
            };
            work.push(Message::answer(call, text));
        }
        Ok(false)
    }

    /// Has a sub-agent do a job in a fork of the conversation, and returns what
    /// it reports.
    fn send_agent(
        &mut self,
        work: &mut Work<'_, W::Talk>,
        call: &ToolCall,
        later: &[ToolCall],
    ) -> Result<String, ScaffoldError> {
        if !self.toolbox.offered(Caller::Agent).iter().any(|tool| tool.name == AGENT) {
            return Ok(self.toolbox.answer(self.world, call, Caller::Agent));
        }
        let job: AgentArguments = match arguments(call) {
            Ok(job) => job,
            Err(reason) => return Ok(reason),
        };
        let mut fork = self.world.fork(work.talk);
        fork.push(Message::answer(call, self.texts.sub_agent(&job.prompt)?));
        for call in later {
            fork.push(Message::answer(call, "left to the other agent"));
        }
        let finish = self.run(&mut fork, Caller::SubAgent)?;
        Ok(match finish {
            Finish::Done(report) => report,
            Finish::Turns(limit) => {
                format!("error: the sub-agent was not done after {limit} replies")
            }
            Finish::Loop => "error: the sub-agent made the same call again and again".to_owned(),
            Finish::Idle => "error: the sub-agent said nothing".to_owned(),
        })
    }
}

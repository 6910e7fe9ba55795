//! Rounds against a scripted model and scripted tools.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;

use catena_sdk::model::{
    AssistantMessage, Completion, CompletionRequest, FinishReason, ModelError, Usage,
};
use catena_sdk::scaffold::{Carry, Feedback};
use catena_sdk::tools::{ToolCall, ToolDefinition, ToolError, ToolOutput};

use super::*;
use crate::config::shipped;

/// What the model says: words, or calls of a tool with arguments.
enum Reply {
    Words(&'static str),
    CutOff(&'static str),
    Calls(Vec<(&'static str, String)>),
    TooLong,
}

/// What all conversations of a test share.
#[derive(Default)]
struct Shared {
    replies: VecDeque<Reply>,
    /// The conversations in order of creation, each as it is now.
    talks: Vec<Vec<Message>>,
    /// What each request offered.
    offered: Vec<usize>,
    number: usize,
}

struct ScriptedTalk {
    id: usize,
    shared: Rc<RefCell<Shared>>,
}

impl Talk for ScriptedTalk {
    fn history(&self) -> Vec<Message> {
        self.shared.borrow().talks[self.id].clone()
    }

    fn push(&mut self, message: Message) {
        self.shared.borrow_mut().talks[self.id].push(message);
    }

    fn replace(&mut self, history: &[Message]) {
        self.shared.borrow_mut().talks[self.id] = history.to_vec();
    }

    fn complete(&mut self, request: &CompletionRequest) -> Result<Completion, ModelError> {
        let mut shared = self.shared.borrow_mut();
        shared.offered.push(request.tools.len());
        shared.number += 1;
        let number = shared.number;
        let unavailable = || ModelError::Unavailable("no reply".to_owned());
        let mut message =
            AssistantMessage { content: String::new(), reasoning: None, tool_calls: vec![] };
        let mut finish = FinishReason::Stop;
        match shared.replies.pop_front().ok_or_else(unavailable)? {
            Reply::Words(text) => message.content = text.to_owned(),
            Reply::CutOff(text) => {
                message.content = text.to_owned();
                finish = FinishReason::Length;
            }
            Reply::TooLong => return Err(ModelError::ContextTooLong("8 too many".to_owned())),
            Reply::Calls(calls) => {
                let call = |(index, (name, arguments)): (usize, (&str, String))| ToolCall {
                    id: format!("{number}-{index}"),
                    name: name.to_owned(),
                    arguments,
                };
                message.tool_calls = calls.into_iter().enumerate().map(call).collect();
            }
        }
        let bytes: usize = shared.talks[self.id].iter().map(crate::world::text_len).sum();
        let usage = Usage {
            input_tokens: bytes as u64 / 4,
            cached_tokens: 0,
            output_tokens: 1,
            cost_microusd: 0,
        };
        shared.talks[self.id].push(Message::Assistant(message.clone()));
        Ok(Completion { message, finish, usage })
    }
}

struct ScriptedWorld {
    shared: Rc<RefCell<Shared>>,
    home: tempfile::TempDir,
    executed: Vec<ToolCall>,
    /// What every tool answers.
    answer: String,
    window: u64,
}

impl World for ScriptedWorld {
    type Talk = ScriptedTalk;

    fn fork(&self, talk: &ScriptedTalk) -> ScriptedTalk {
        let mut shared = self.shared.borrow_mut();
        let copy = shared.talks[talk.id].clone();
        shared.talks.push(copy);
        ScriptedTalk { id: shared.talks.len() - 1, shared: self.shared.clone() }
    }

    fn available_tools(&self) -> Vec<ToolDefinition> {
        let names = [
            "bash",
            "list_directory",
            "read_file",
            "search_file_content",
            "glob",
            "replace",
            "write_file",
            "read_many_files",
        ];
        let tool = |name: &str| ToolDefinition {
            name: name.to_owned(),
            description: String::new(),
            parameters: "{}".to_owned(),
        };
        names.map(tool).to_vec()
    }

    fn call(&mut self, call: &ToolCall) -> Result<ToolOutput, ToolError> {
        self.executed.push(call.clone());
        Ok(ToolOutput { exit_status: Some(0), ..ToolOutput::success(self.answer.clone()) })
    }

    fn context_window(&self) -> u64 {
        self.window
    }

    fn root(&self) -> &Path {
        self.home.path()
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    fn note(&self, _: &str) {}
}

fn world(replies: Vec<Reply>) -> ScriptedWorld {
    let shared = Shared { replies: replies.into(), ..Shared::default() };
    ScriptedWorld {
        shared: Rc::new(RefCell::new(shared)),
        home: tempfile::tempdir().unwrap(),
        executed: Vec::new(),
        answer: "fine".to_owned(),
        window: 0,
    }
}

fn task() -> Task {
    Task {
        stage: 1,
        stages: 2,
        round: 1,
        rounds: 3,
        overview: "grow a parser".to_owned(),
        query: "parse lists".to_owned(),
        interface: vec![],
        carry: Carry::Fresh,
        feedback: None,
    }
}

impl ScriptedWorld {
    /// A round in a conversation that has these messages.
    fn round(
        &mut self,
        before: Vec<Message>,
        task: &Task,
        config: &Config,
    ) -> Result<Ending, ScaffoldError> {
        let id = self.shared.borrow().talks.len();
        self.shared.borrow_mut().talks.push(before);
        let main = ScriptedTalk { id, shared: self.shared.clone() };
        run(self, main, config, task)
    }

    fn talk(&self, id: usize) -> Vec<Message> {
        self.shared.borrow().talks[id].clone()
    }

    /// The answers to calls in a conversation.
    fn answers(&self, id: usize) -> Vec<String> {
        let answer = |message: Message| match message {
            Message::Tool(answer) => Some(answer.content),
            _ => None,
        };
        self.talk(id).into_iter().filter_map(answer).collect()
    }
}

fn roles(talk: &[Message]) -> String {
    let role = |message: &Message| match message {
        Message::System(_) => 's',
        Message::User(_) => 'u',
        Message::Assistant(_) => 'a',
        Message::Tool(_) => 't',
        Message::Other(_) => 'o',
    };
    talk.iter().map(role).collect()
}

fn one(name: &'static str, arguments: &str) -> Reply {
    Reply::Calls(vec![(name, arguments.to_owned())])
}

#[test]
fn reply_without_a_call_submits() {
    let mut world = world(vec![one("glob", "{}"), Reply::Words("done")]);
    assert_eq!(world.round(vec![], &task(), &shipped()), Ok(Ending::Submitted));
    assert_eq!(roles(&world.talk(0)), "suauata");
    assert_eq!(world.shared.borrow().offered, [10, 10]);
    let Message::User(greeting) = &world.talk(0)[1] else { panic!() };
    assert!(greeting.contains("/workspace"), "{greeting}");
}

#[test]
fn shell_runs_in_its_directory_and_tells_the_exit_code() {
    let arguments = r#"{"command": "ls", "directory": "src/it's", "description": "x"}"#;
    let mut world = world(vec![one("run_shell_command", arguments), Reply::Words("done")]);
    assert_eq!(world.round(vec![], &task(), &shipped()), Ok(Ending::Submitted));
    assert_eq!(world.executed[0].name, "bash");
    let passed: serde_json::Value = serde_json::from_str(&world.executed[0].arguments).unwrap();
    assert_eq!(passed["command"], "cd 'src/it'\\''s' && { ls\n}");
    assert_eq!(world.answers(0)[0], "Directory: src/it's\nExit code: 0\nOutput:\nfine");
}

#[test]
fn sub_agent_works_in_a_fork_and_returns_its_report_alone() {
    let calls = vec![
        ("agent_tool", r#"{"prompt": "find the parser"}"#.to_owned()),
        ("glob", "{}".to_owned()),
    ];
    let mut world = world(vec![
        Reply::Calls(calls),
        one("read_file", r#"{"absolute_path": "a"}"#),
        one("agent_tool", r#"{"prompt": "no deeper"}"#),
        Reply::Words("it is in a.py"),
        Reply::Words("done"),
    ]);
    assert_eq!(world.round(vec![], &task(), &shipped()), Ok(Ending::Submitted));
    assert_eq!(world.answers(0), ["it is in a.py", "fine"]);
    assert_eq!(roles(&world.talk(1)), "suauattatata");
    let answers = world.answers(1);
    assert!(answers[0].contains("find the parser"), "{answers:?}");
    assert!(answers[3].contains("no tool named `agent_tool`"), "{answers:?}");
    assert_eq!(world.shared.borrow().offered, [10, 9, 9, 9, 10]);
}

#[test]
fn sub_agent_that_is_never_done_is_an_error_of_its_call() {
    let mut replies = vec![one("agent_tool", r#"{"prompt": "x"}"#)];
    let look = |number| one("read_file", &format!("{{\"absolute_path\": \"{number}\"}}"));
    replies.extend((0..2).map(look));
    replies.push(Reply::Words("done"));
    let mut world = world(replies);
    let config = Config { sub_agent_turn_limit: 2, ..shipped() };
    assert_eq!(world.round(vec![], &task(), &config), Ok(Ending::Submitted));
    assert!(world.answers(0)[0].contains("not done after 2 replies"));
}

#[test]
fn memories_are_in_the_next_conversation() {
    let fact = r#"{"fact": "tests run with pytest"}"#;
    let mut world =
        world(vec![one("save_memory", fact), Reply::Words("done"), Reply::Words("done")]);
    world.round(vec![], &task(), &shipped()).unwrap();
    assert_eq!(world.answers(0), ["remembered: tests run with pytest"]);
    world.round(vec![], &Task { stage: 2, ..task() }, &shipped()).unwrap();
    let Message::System(system) = &world.talk(1)[0] else { panic!() };
    assert!(system.contains("- tests run with pytest"), "{system}");
}

#[test]
fn five_identical_calls_end_the_round_with_every_call_answered() {
    let same = || one("glob", r#"{"pattern": "*"}"#);
    let both = vec![("glob", r#"{"pattern": "*"}"#.to_owned()), ("bash", "{}".to_owned())];
    let mut world = world(vec![same(), same(), same(), same(), Reply::Calls(both)]);
    let ending = world.round(vec![], &task(), &shipped());
    assert_eq!(ending, Ok(Ending::GaveUp("loop-detected".to_owned())));
    assert_eq!(world.executed.len(), 4);
    assert_eq!(world.answers(0).len(), 6);
}

#[test]
fn turn_limit_ends_the_round_without_a_submission() {
    let look = |number| one("read_file", &format!("{{\"absolute_path\": \"{number}\"}}"));
    let mut world = world((0..3).map(look).collect());
    let config = Config { turn_limit: 3, ..shipped() };
    let ending = world.round(vec![], &task(), &config);
    assert_eq!(ending, Ok(Ending::LimitReached("turns".to_owned())));
}

#[test]
fn cut_off_and_empty_replies_are_no_end_but_not_for_ever() {
    let mut world = world(vec![Reply::CutOff("I th"), Reply::Words(" "), Reply::Words("done")]);
    assert_eq!(world.round(vec![], &task(), &shipped()), Ok(Ending::Submitted));
    assert_eq!(roles(&world.talk(0)), "suauauaua");
    let mut world = self::world((0..3).map(|_| Reply::Words("")).collect());
    let ending = world.round(vec![], &task(), &shipped());
    assert_eq!(ending, Ok(Ending::GaveUp("no-progress".to_owned())));
}

#[test]
fn later_stage_and_later_round_go_on_in_the_same_conversation() {
    let before = vec![Message::System("earlier".to_owned())];
    let mut world = world(vec![Reply::Words("done"), Reply::Words("done")]);
    world.round(before.clone(), &Task { stage: 2, ..task() }, &shipped()).unwrap();
    assert_eq!(roles(&world.talk(0)), "sua");
    let Message::User(opening) = &world.talk(0)[1] else { panic!() };
    assert!(opening.contains("stage 2 of 2") && opening.contains("parse lists"), "{opening}");
    let feedback = Feedback { score: 0.5, threshold: 0.8, text: "tuples fail".to_owned() };
    let task = Task { round: 2, feedback: Some(feedback), ..task() };
    world.round(before, &task, &shipped()).unwrap();
    let Message::User(opening) = &world.talk(1)[1] else { panic!() };
    assert!(opening.contains("0.50") && opening.contains("tuples fail"), "{opening}");
}

#[test]
fn full_window_compresses_the_beginning_and_keeps_the_end() {
    let look = |number| one("read_file", &format!("{{\"absolute_path\": \"{number}\"}}"));
    let mut replies: Vec<Reply> = (0..4).map(look).collect();
    replies.extend([Reply::Words("<state_snapshot>all</state_snapshot>"), Reply::Words("done")]);
    let mut world = world(replies);
    world.answer = "x".repeat(8_000);
    // 70 % of it are three answers of 2,000 tokens, but not four.
    world.window = 11_000;
    assert_eq!(world.round(vec![], &task(), &shipped()), Ok(Ending::Submitted));
    let talk = world.talk(0);
    assert_eq!(roles(&talk), "suata");
    let Message::User(summary) = &talk[1] else { panic!() };
    assert!(summary.contains("<state_snapshot>all"), "{summary}");
    assert_eq!(world.shared.borrow().offered, [10, 10, 10, 10, 0, 10]);
    assert_eq!(roles(&world.talk(1)), "suauatatatua");
}

#[test]
fn history_that_is_too_long_for_the_server_is_compressed_once() {
    let look = |number| one("read_file", &format!("{{\"absolute_path\": \"{number}\"}}"));
    let snapshot = || Reply::Words("<state_snapshot>all</state_snapshot>");
    let replies = vec![look(0), look(1), Reply::TooLong, snapshot(), Reply::Words("done")];
    let mut world = world(replies);
    world.answer = "x".repeat(8_000);
    assert_eq!(world.round(vec![], &task(), &shipped()), Ok(Ending::Submitted));
    let mut world = self::world(vec![look(0), Reply::TooLong, Reply::TooLong]);
    let ending = world.round(vec![], &task(), &shipped());
    assert!(matches!(ending, Err(ScaffoldError::Model(ModelError::ContextTooLong(_)))));
}

#[test]
fn tool_that_the_rollout_lacks_is_a_configuration_error() {
    let config = Config { tools: vec!["fish".to_owned()], ..shipped() };
    let ending = world(vec![]).round(vec![], &task(), &config);
    assert!(
        matches!(&ending, Err(ScaffoldError::InvalidConfig(text)) if text.contains("`fish`")),
        "{ending:?}"
    );
}

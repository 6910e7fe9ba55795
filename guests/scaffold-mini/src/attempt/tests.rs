//! The loop against a scripted model and scripted tools.

use std::collections::VecDeque;

use catena_sdk::model::{FinishReason, Usage};
use catena_sdk::scaffold::{Carry, Conflict, Feedback};

use super::*;
use crate::config::shipped;

const DONE: &str = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\n";

/// A rollout whose model and tools answer from lists. An empty list of replies
/// is a model that is unavailable.
#[derive(Default)]
struct Script {
    replies: VecDeque<Completion>,
    results: VecDeque<Result<ToolOutput, ToolError>>,
    conversation: Vec<Message>,
    executed: Vec<ToolCall>,
    spent: u64,
    price: u64,
    /// Seconds that a command takes.
    seconds: u64,
}

impl Script {
    fn reply(self, calls: &[(&str, &str)]) -> Self {
        let number = self.replies.len();
        let tool_calls = calls
            .iter()
            .enumerate()
            .map(|(index, (name, arguments))| ToolCall {
                id: format!("{number}-{index}"),
                name: (*name).to_owned(),
                arguments: (*arguments).to_owned(),
            })
            .collect();
        self.add_reply(AssistantMessage { content: String::new(), reasoning: None, tool_calls })
    }

    fn say(self, text: &str) -> Self {
        let content = text.to_owned();
        self.add_reply(AssistantMessage { content, reasoning: None, tool_calls: Vec::new() })
    }

    fn add_reply(mut self, message: AssistantMessage) -> Self {
        let finish = FinishReason::Stop;
        self.replies.push_back(Completion { message, finish, usage: no_usage() });
        self
    }

    fn command(self, command: &str) -> Self {
        let arguments = serde_json::json!({ "command": command }).to_string();
        self.reply(&[("bash", &arguments)])
    }

    fn output(mut self, content: &str, exit_status: i32) -> Self {
        self.results.push_back(Ok(ToolOutput {
            exit_status: Some(exit_status),
            ..ToolOutput::success(content)
        }));
        self
    }

    fn failure(mut self, err: ToolError) -> Self {
        self.results.push_back(Err(err));
        self
    }

    fn attempt(&mut self, config: &Config) -> Result<Ending, ScaffoldError> {
        Attempt::prepare(self, config, &task())?.run()
    }

    /// The answers to tool calls, by call.
    fn answers(&self) -> Vec<(&str, &str)> {
        self.conversation
            .iter()
            .filter_map(|message| match message {
                Message::Tool(answer) => Some((answer.call_id.as_str(), answer.content.as_str())),
                _ => None,
            })
            .collect()
    }

    fn roles(&self) -> String {
        let role = |message: &Message| match message {
            Message::System(_) => 's',
            Message::User(_) => 'u',
            Message::Assistant(_) => 'a',
            Message::Tool(_) => 't',
            Message::Other(_) => 'o',
        };
        self.conversation.iter().map(role).collect()
    }

    fn last_user_message(&self) -> &str {
        let mut messages = self.conversation.iter().rev();
        messages
            .find_map(|message| match message {
                Message::User(text) => Some(text.as_str()),
                _ => None,
            })
            .unwrap()
    }
}

impl Surroundings for Script {
    fn length(&self) -> u32 {
        u32::try_from(self.conversation.len()).unwrap()
    }

    fn spent_microusd(&self) -> u64 {
        self.spent
    }

    fn elapsed_seconds(&self) -> u64 {
        self.seconds * self.executed.len() as u64
    }

    fn model_name(&self) -> String {
        "scripted".to_owned()
    }

    fn push(&mut self, message: Message) {
        self.conversation.push(message);
    }

    fn take_back(&mut self) {
        self.conversation.pop();
    }

    fn complete(&mut self, _: &CompletionRequest) -> Result<Completion, ModelError> {
        let unavailable = || ModelError::Unavailable("no reply".to_owned());
        let completion = self.replies.pop_front().ok_or_else(unavailable)?;
        self.spent += self.price;
        self.conversation.push(Message::Assistant(completion.message.clone()));
        Ok(completion)
    }

    fn available_tools(&self) -> Vec<ToolDefinition> {
        let names = ["read_file", "bash"];
        names
            .map(|name| ToolDefinition {
                name: name.to_owned(),
                description: String::new(),
                parameters: "{}".to_owned(),
            })
            .to_vec()
    }

    fn call(&mut self, call: &ToolCall) -> Result<ToolOutput, ToolError> {
        self.executed.push(call.clone());
        self.results.pop_front().unwrap()
    }
}

fn no_usage() -> Usage {
    Usage { input_tokens: 0, cached_tokens: 0, output_tokens: 0, cost_microusd: 0 }
}

fn task() -> Task {
    Task {
        stage: 1,
        stages: 4,
        round: 1,
        rounds: 3,
        overview: "grow a parser".to_owned(),
        query: "parse lists".to_owned(),
        interface: vec!["parse_list".to_owned()],
        carry: Carry::Fresh,
        feedback: None,
    }
}

#[test]
fn first_round_opens_with_system_and_task() {
    let mut script = Script::default().command("true").output(DONE, 0);
    assert_eq!(script.attempt(&shipped()), Ok(Ending::Submitted));
    assert!(matches!(script.conversation[0], Message::System(_)));
    let opening = script.last_user_message();
    for part in ["grow a parser", "parse lists", "`parse_list`", "stage 1 of 4", DONE.trim()] {
        assert!(opening.contains(part), "{part} is missing in:\n{opening}");
    }
    assert!(!opening.contains("<<<<<<<"), "{opening}");
}

#[test]
fn carry_conflicts_are_listed_in_the_opening() {
    let conflict = Conflict { path: "src/list.py".to_owned(), kind: "content".to_owned() };
    let task = Task { carry: Carry::Conflicted(vec![conflict]), stage: 2, ..task() };
    for already_said in [vec![], vec![Message::System("earlier".to_owned())]] {
        let mut script = Script { conversation: already_said, ..Script::default() };
        let config = shipped();
        let attempt = Attempt::prepare(&mut script, &config, &task).unwrap();
        assert!(attempt.run().is_err());
        let opening = script.last_user_message();
        assert!(opening.contains("`src/list.py` (content)"), "{opening}");
        assert!(opening.contains("parse lists"), "{opening}");
    }
}

#[test]
fn later_round_goes_on_with_the_feedback_alone() {
    let feedback = Feedback { score: 0.5, threshold: 0.8, text: "tuples fail".to_owned() };
    let task = Task { round: 2, feedback: Some(feedback), ..task() };
    let earlier = Message::System("earlier".to_owned());
    let mut script = Script { conversation: vec![earlier], ..Script::default() };
    let config = shipped();
    assert!(Attempt::prepare(&mut script, &config, &task).unwrap().run().is_err());
    assert_eq!(script.conversation.len(), 2);
    let message = script.last_user_message();
    for part in ["0.50", "0.80", "tuples fail", "round 2 of 3"] {
        assert!(message.contains(part), "{part} is missing in:\n{message}");
    }
}

#[test]
fn marker_with_exit_0_submits_and_leaves_later_calls_undone() {
    let call = ("bash", r#"{"command": "x"}"#);
    let mut script =
        Script::default().reply(&[call, call, call]).output("hello", 0).output(DONE, 0);
    assert_eq!(script.attempt(&shipped()), Ok(Ending::Submitted));
    assert_eq!(script.executed.len(), 2);
    let answers = script.answers();
    assert_eq!(answers.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ["0-0", "0-1", "0-2"]);
    assert!(answers[0].1.contains("<returncode>0</returncode>\n<output>\nhello"), "{answers:?}");
    assert!(answers[2].1.contains("action was not executed"), "{answers:?}");
}

#[test]
fn marker_of_a_failed_command_does_not_submit() {
    let mut script = Script::default().command("x").output(DONE, 1);
    let config = Config { step_limit: 1, ..shipped() };
    assert_eq!(script.attempt(&config), Ok(Ending::LimitReached("steps".to_owned())));
}

#[test]
fn step_limit_ends_the_round_without_a_submission() {
    let mut script = Script::default().command("a").output("", 0).command("b").output("", 0);
    let config = Config { step_limit: 2, ..shipped() };
    assert_eq!(script.attempt(&config), Ok(Ending::LimitReached("steps".to_owned())));
    assert_eq!(script.executed.len(), 2);
}

#[test]
fn cost_limit_counts_this_round_only() {
    let mut script = Script { spent: 9_000_000, price: 1_500_000, ..Script::default() }
        .command("a")
        .output("", 0)
        .command("b")
        .output("", 0);
    assert_eq!(script.attempt(&shipped()), Ok(Ending::LimitReached("cost".to_owned())));
    assert_eq!(script.executed.len(), 2);
}

#[test]
fn three_unusable_replies_in_a_row_end_the_round_and_are_not_shown_again() {
    let mut script = Script::default()
        .reply(&[])
        .reply(&[("bash", "not json")])
        .reply(&[("rm_rf", "{}"), ("bash", "{}")]);
    assert_eq!(script.attempt(&shipped()), Ok(Ending::GaveUp("repeated-format-error".to_owned())));
    assert!(script.executed.is_empty());
    assert_eq!(script.roles(), "suuuu");
    assert!(script.last_user_message().contains("`rm_rf`"), "{}", script.last_user_message());
}

#[test]
fn version_1_shows_unusable_replies_again_and_has_patience() {
    let mut script = Script::default();
    for _ in 0..4 {
        script = script.say("no command");
    }
    let config = Config { mode: Mode::TextV1, step_limit: 4, ..shipped() };
    assert_eq!(script.attempt(&config), Ok(Ending::LimitReached("steps".to_owned())));
    assert_eq!(script.roles(), "suauauauau");
    let message = script.last_user_message();
    assert!(message.contains("yours had 0") && message.contains("```bash"), "{message}");
}

#[test]
fn text_modes_answer_as_the_user_and_say_nothing_of_a_submission() {
    for (mode, block) in [(Mode::Text, "mswea_bash_command"), (Mode::TextV1, "bash")] {
        let say = |command: &str| format!("THOUGHT: x\n```{block}\n{command}\n```");
        let mut script = Script::default()
            .say(&say("ls"))
            .output("a\n", 0)
            .say(&say("echo done"))
            .output(DONE, 0);
        let config = Config { mode, ..shipped() };
        assert_eq!(script.attempt(&config), Ok(Ending::Submitted));
        assert_eq!(script.roles(), "suaua");
        assert!(script.last_user_message().contains("<output>\na\n</output>"));
        assert!(script.conversation.iter().any(|message| {
            matches!(message, Message::System(text) if text.contains(&format!("```{block}")))
        }));
        assert_eq!(script.executed[0].arguments, r#"{"command":"ls","timeout_seconds":60}"#);
    }
}

#[test]
fn version_1_has_a_text_of_its_own_for_timeouts() {
    let mut script = Script::default()
        .say("```bash\nsleep 99\n```")
        .failure(ToolError::TimedOut("half".to_owned()));
    let config = Config { mode: Mode::TextV1, step_limit: 1, ..shipped() };
    assert!(script.attempt(&config).is_ok());
    let message = script.last_user_message();
    assert!(message.contains("<command>sleep 99</command>"), "{message}");
    assert!(message.contains("half") && !message.contains("returncode"), "{message}");
}

#[test]
fn time_limit_is_looked_at_before_the_model_is_asked() {
    let mut script = Script { seconds: 5, ..Script::default() };
    for command in ["a", "b", "c"] {
        script = script.command(command).output("", 0);
    }
    let config = Config { wall_time_limit_seconds: 10, ..shipped() };
    assert_eq!(script.attempt(&config), Ok(Ending::LimitReached("time".to_owned())));
    assert_eq!(script.executed.len(), 2);
}

#[test]
fn usable_reply_forgives_earlier_ones_but_they_cost_steps() {
    let mut script =
        Script::default().reply(&[]).reply(&[]).command("a").output("", 0).reply(&[]).reply(&[]);
    let config = Config { step_limit: 5, ..shipped() };
    assert_eq!(script.attempt(&config), Ok(Ending::LimitReached("steps".to_owned())));
}

#[test]
fn calls_after_one_that_fails_are_run() {
    let call = ("bash", r#"{"command": "x"}"#);
    let mut script = Script::default()
        .reply(&[call, call])
        .failure(ToolError::TimedOut(String::new()))
        .output("second", 0)
        .command("x")
        .output(DONE, 0);
    assert_eq!(script.attempt(&shipped()), Ok(Ending::Submitted));
    assert!(script.answers()[1].1.contains("second"));
}

#[test]
fn timed_out_command_shows_what_it_wrote() {
    let mut script = Script::default()
        .command("sleep 1000")
        .failure(ToolError::TimedOut("half".to_owned()))
        .command("x")
        .output(DONE, 0);
    assert_eq!(script.attempt(&shipped()), Ok(Ending::Submitted));
    let answer = script.answers()[0].1;
    for part in ["longer than 60 seconds", "<returncode>-1</returncode>", "half"] {
        assert!(answer.contains(part), "{part} is missing in:\n{answer}");
    }
}

#[test]
fn limit_on_one_command_leaves_the_round_going() {
    let mut script = Script::default()
        .command("while :; do :; done")
        .failure(ToolError::LimitReached("used up its fuel".to_owned()))
        .command("x")
        .output(DONE, 0);
    assert_eq!(script.attempt(&shipped()), Ok(Ending::Submitted));
    assert!(script.answers()[0].1.contains("used up its fuel"));
}

#[test]
fn long_output_is_shown_without_its_middle() {
    let long = format!("{}{}", "a".repeat(9_000), "b".repeat(9_000));
    let mut script = Script::default().command("x").output(&long, 0);
    let config = Config { step_limit: 1, ..shipped() };
    script.attempt(&config).unwrap();
    let answer = script.answers()[0].1;
    assert!(answer.contains("<elided_chars>\n8000 characters"), "{answer}");
    assert!(
        answer.contains(&format!("<output_head>\n{}\n</output_head>\n", "a".repeat(5_000))),
        "{answer}"
    );
}

#[test]
fn error_of_the_model_ends_the_attempt() {
    let err = ModelError::Unavailable("no reply".to_owned());
    assert_eq!(Script::default().attempt(&shipped()), Err(ScaffoldError::Model(err)));
}

#[test]
fn tool_that_the_rollout_lacks_is_a_configuration_error() {
    let config = Config { tool: "fish".to_owned(), ..shipped() };
    let ending = Script::default().attempt(&config);
    assert!(
        matches!(&ending, Err(ScaffoldError::InvalidConfig(text)) if text.contains("`fish`")),
        "{ending:?}"
    );
}

#[test]
fn template_with_an_unknown_name_is_a_configuration_error() {
    let mut config = shipped();
    config.templates.instance = "{{ qwery }}".to_owned();
    let ending = Script::default().attempt(&config);
    assert!(
        matches!(&ending, Err(ScaffoldError::InvalidConfig(text)) if text.contains("`templates.instance`")),
        "{ending:?}"
    );
}

//! Command lines in the files of agents: trajectories of mini-swe-agent (text and
//! tool calls), SWE-agent and `OpenHands`, demonstrations, logs of the terminal
//! and scripts. Other files are passed over.

use std::path::Path;
use std::{fs, io};

use serde_json::Value;

/// What is in a directory.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Files that had command lines.
    pub(crate) files: usize,
    pub(crate) lines: Vec<String>,
}

/// Names under which agents have a shell as a tool.
const SHELLS: [&str; 6] =
    ["bash", "execute_bash", "run_shell_command", "shell", "terminal", "execute_command"];

/// Words of SWE-agent's own editor and browser, which no shell knows.
const EDITOR: [&str; 16] = [
    "open",
    "goto",
    "scroll_up",
    "scroll_down",
    "create",
    "edit",
    "insert",
    "search_dir",
    "search_file",
    "find_file",
    "submit",
    "str_replace_editor",
    "connect_start",
    "connect_sendline",
    "connect_exec",
    "connect_stop",
];

/// Where a reply of mini-swe-agent begins in its log.
const REPLY: &str = "\nmini-swe-agent (step";

/// All command lines below a directory, file by file in order of their paths.
pub(crate) fn below(directory: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let mut entries: Vec<_> =
                fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
            entries.sort();
            waiting.extend(entries.into_iter().rev());
            continue;
        }
        let before = found.lines.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        collect(&name, &String::from_utf8_lossy(&fs::read(&path)?), &mut found.lines);
        found.files += usize::from(found.lines.len() > before);
    }
    Ok(found)
}

fn collect(name: &str, text: &str, lines: &mut Vec<String>) {
    match name.rsplit('.').next().unwrap_or_default() {
        "json" | "traj" => {
            if let Ok(value) = serde_json::from_str(text) {
                walk(&value, lines);
            }
        }
        "jsonl" => {
            let values = text.lines().filter_map(|line| serde_json::from_str(line).ok());
            values.for_each(|value| walk(&value, lines));
        }
        "yaml" | "yml" => {
            if let Ok(value) = serde_norway::from_str(text) {
                walk(&value, lines);
            }
        }
        "sh" => lines.push(text.to_owned()),
        "log" => {
            let plain = without_escapes(text);
            lines.extend(plain.split(REPLY).skip(1).filter_map(fenced));
        }
        _ => {}
    }
}

/// Looks for what an agent said, once: SWE-agent keeps the same turns twice.
fn walk(value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, lines)),
        Value::Object(fields) => {
            if lines_of_turn(value, lines) {
                return;
            }
            let turns =
                ["messages", "history", "trajectory"].iter().find_map(|key| fields.get(*key));
            match turns {
                Some(turns) => walk(turns, lines),
                None => fields.values().for_each(|field| walk(field, lines)),
            }
        }
        _ => {}
    }
}

/// Whether the value is a turn, the lines of which are then taken.
fn lines_of_turn(turn: &Value, lines: &mut Vec<String>) -> bool {
    let text = |key: &str| turn.get(key).and_then(Value::as_str);
    if text("action") == Some("run") {
        let command = turn.pointer("/args/command").and_then(Value::as_str);
        lines.extend(command.map(str::to_owned));
        return true;
    }
    match text("role") {
        Some("assistant") => {}
        Some(_) => return true,
        None => return false,
    }
    let calls = turn.get("tool_calls").and_then(Value::as_array);
    let called: Vec<String> = calls.into_iter().flatten().filter_map(called).collect();
    if !called.is_empty() {
        lines.extend(called);
    } else if calls.is_none_or(Vec::is_empty) {
        let action = text("action").map(str::to_owned);
        let line = action.or_else(|| text("content").and_then(fenced));
        lines.extend(line.filter(|line| is_of_shell(line)));
    }
    true
}

/// The command line of a call of a shell.
fn called(call: &Value) -> Option<String> {
    let function = call.get("function")?;
    let name = function.get("name")?.as_str()?;
    let arguments: Value = match function.get("arguments")? {
        Value::String(json) => serde_json::from_str(json).ok()?,
        arguments => arguments.clone(),
    };
    let command = arguments.get("command")?.as_str()?;
    SHELLS.contains(&name).then(|| command.to_owned())
}

fn is_of_shell(line: &str) -> bool {
    let first = line.split_whitespace().next();
    first.is_some_and(|first| !EDITOR.contains(&first))
}

/// What stands in the first block of code.
fn fenced(reply: &str) -> Option<String> {
    let (_, rest) = reply.split_once("```")?;
    let (_, rest) = rest.split_once('\n')?;
    let (block, _) = rest.split_once("\n```")?;
    Some(block.to_owned())
}

/// A terminal's log without its colours and returns.
fn without_escapes(log: &str) -> String {
    let mut plain = String::with_capacity(log.len());
    let mut rest = log.chars();
    while let Some(one) = rest.next() {
        match one {
            '\r' => {}
            '\u{1b}' => {
                if rest.next() == Some('[') {
                    rest.by_ref().find(char::is_ascii_alphabetic);
                }
            }
            one => plain.push(one),
        }
    }
    plain
}

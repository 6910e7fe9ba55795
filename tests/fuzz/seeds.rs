//! Inputs to begin with: the real ones of this checkout, and what this program writes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The manifests of all plugins here.
pub(crate) fn manifests() -> Vec<Vec<u8>> {
    let dirs = ["guests", "tests/guests"].map(|dir| checkout().join(dir));
    let plugins = dirs.iter().flat_map(|dir| std::fs::read_dir(dir).unwrap());
    let paths = plugins.map(|plugin| plugin.unwrap().path().join("plugin.toml"));
    paths.filter_map(|path| std::fs::read(path).ok()).collect()
}

/// The seeds of coverage-guided fuzzing.
pub(crate) fn patches() -> Vec<Vec<u8>> {
    let seeds = std::fs::read_dir(checkout().join("fuzz/seeds/patch")).unwrap();
    seeds.map(|seed| std::fs::read(seed.unwrap().path()).unwrap()).collect()
}

/// A chain file and a journal.
pub(crate) struct Made {
    pub(crate) chain_file: Vec<u8>,
    /// The first record of each kind.
    pub(crate) journal: Vec<u8>,
}

/// What `catena demo` writes.
pub(crate) fn demo(dir: &Path) -> Made {
    let demo = dir.join("demo");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("component-cache");
    let output = Command::new(env!("CARGO_BIN_EXE_catena"))
        .args(["--json", "demo", "--dir"])
        .arg(&demo)
        .env("HOME", dir)
        .env("CATENA_CACHE", cache)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`cargo xtask guests` builds the plugins: {said}");
    let journals = std::fs::read_dir(demo.join("run/rollouts")).unwrap();
    let journal = journals.map(|entry| entry.unwrap().path());
    let mut journal = journal.filter(|path| path.extension().is_some_and(|it| it == "journal"));
    let text = std::fs::read_to_string(journal.next().unwrap()).unwrap();
    let mut kinds = BTreeSet::new();
    let first = text.split_inclusive('\n').filter(|line| {
        let record: serde_json::Value = serde_json::from_str(&line[9..]).unwrap();
        let kind = ["record", "event"].map(|key| record[key].as_str().map(str::to_owned));
        kinds.insert(kind)
    });
    let journal = first.collect::<String>().into_bytes();
    Made { chain_file: std::fs::read(demo.join("chains.json")).unwrap(), journal }
}

/// Answers of servers: a reply at once, one in pieces, and refusals.
pub(crate) fn replies() -> Vec<Vec<u8>> {
    let whole = r#"{"id": "a1", "object": "chat.completion", "model": "m", "choices": [{"index": 0,
        "message": {"role": "assistant", "content": "Let me look.", "reasoning_content": "Hm.",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "bash",
        "arguments": "{\"command\": \"ls\"}"}}]}, "finish_reason": "tool_calls",
        "logprobs": {"content": [{"token": "Let", "logprob": -0.5, "bytes": [76, 101, 116]}]}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 64}}}"#;
    let pieces = concat!(
        "data: {\"id\":\"a1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Let\"}}]}\n\n",
        ": a comment\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"Hm\"}}]}\r\n\r\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",",
        "\"function\":{\"name\":\"bash\",\"arguments\":\"{\\\"comm\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,",
        "\"function\":{\"arguments\":\"and\\\": \\\"ls\\\"}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20}}\n\n",
        "data: [DONE]\n\n",
    );
    let refusal = r#"{"error": {"message": "This model's maximum context length is 8192 tokens.",
        "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}}"#;
    // The first byte says what the answer is said to be.
    let answers = [(b'j', whole), (b's', pieces), (b's', whole), (b'j', pieces), (b'e', refusal)];
    answers.iter().map(|(kind, text)| [&[*kind], text.as_bytes()].concat()).collect()
}

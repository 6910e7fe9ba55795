//! Tokens by a tokenizer that the user names.

use catena_dataset::{Counter, Criteria, Order, Profile, export};
use serde_json::json;

use crate::rollouts::{Growing, write};

/// A tokenizer of words and single marks.
fn tokenizer() -> String {
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        "padding": null,
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": null,
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "one": 1}, "unk_token": "[UNK]"},
    })
    .to_string()
}

#[test]
fn learned_and_masked_tokens_are_counted_whatever_length_the_tokenizer_cuts_at() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    std::fs::write(&path, tokenizer()).unwrap();
    let counter = Counter::load(&path).unwrap();
    assert_eq!(counter.count("one two three, four"), 5);
    let mut rollout = Growing::new("notes", 1)
        .begin_round()
        .user("one two three")
        .turn("four five", Some("six"), &[("c", "bash", "{}")])
        .tool("c", "seven")
        .turn("eight", None, &[])
        .judged(1.0)
        .rollout;
    rollout.tools.values_mut().for_each(Vec::clear);
    let sources = [write(dir.path(), &[rollout])];
    let order = |most| {
        let criteria = Criteria { max_tokens: Some(most), ..Criteria::default() };
        let output = dir.path().join("out.jsonl");
        let order = Order::of(&sources, Profile::Slime, &output, &criteria);
        export(&Order { counter: Some(&counter), ..order }).unwrap()
    };
    let manifest = order(10);
    let tokens = manifest.counts.tokens.unwrap();
    // Two words, one of reasoning, the tool's name, its arguments, and the last word.
    assert_eq!((tokens.trained, tokens.masked), (2 + 1 + 1 + 1 + 1, 3 + 1));
    assert_eq!(manifest.counts.usage.input_tokens, 200, "what the server told is kept too");
    assert_eq!(manifest.tokenizer.unwrap().sha256.len(), 64);
    assert_eq!(order(9).dropped[0].reason.word(), "too-long");
}

#[test]
fn file_that_is_no_tokenizer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    let lacks_words = tokenizer().replace(r#""[UNK]":0,"#, "");
    for text in ["{}", lacks_words.as_str()] {
        std::fs::write(&path, text).unwrap();
        let Err(err) = Counter::load(&path) else { panic!("it is none: {text}") };
        assert!(err.to_string().contains("is no `tokenizer.json`"), "{err}");
    }
}

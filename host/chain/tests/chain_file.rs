//! The chain file from outside: what loads, what is refused, and how it is said.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::error::Error as _;
use std::path::Path;

use catena_chain::{ChainFile, ChainFileError, ChainId, EdgeKind, ReferencePatch};

const FILE: &str = r#"{
  "version": 1,
  "repository": {"name": "owner/name", "license": "MIT", "default_branch": "main"},
  "chains": [{
    "id": "first",
    "overview": "Two steps.",
    "stages": [
      {
        "id": "pr-1",
        "pull_request": {"number": 1, "title": "Begin"},
        "merge": "1111111111111111111111111111111111111111",
        "base": {
          "commit": "2222222222222222222222222222222222222222",
          "tree": "3333333333333333333333333333333333333333"
        },
        "human": "4444444444444444444444444444444444444444",
        "time": 100,
        "reference_patch": {"missing-objects": {"objects": ["5555555555555555555555555555555555555555"]}},
        "query": "Begin."
      },
      {
        "id": "pr-2",
        "merge": "6666666666666666666666666666666666666666",
        "base": {
          "commit": "1111111111111111111111111111111111111111",
          "tree": "4444444444444444444444444444444444444444"
        },
        "human": "7777777777777777777777777777777777777777",
        "time": 100,
        "reference_patch": {"available": {
          "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "bytes": 10, "files": 1, "added": 2, "deleted": 3
        }},
        "query": "Go on.",
        "interface": ["go_on"]
      }
    ],
    "edges": [{
      "from": "pr-2",
      "to": "pr-1",
      "evidence": [{"kind": "follows-up", "place": "body", "excerpt": "follow-up to #1"}]
    }]
  }]
}
"#;

fn load(text: &str) -> Result<ChainFile, ChainFileError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chain.json");
    std::fs::write(&path, text).unwrap();
    ChainFile::load(&path)
}

/// The error of loading `text` with its causes, without the directory.
fn error(text: &str) -> String {
    let err = load(text).unwrap_err();
    let mut told = err.to_string();
    let mut source = err.source();
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    let start = told.rfind("chain.json").unwrap();
    told.get(start..).unwrap().to_owned()
}

#[test]
fn file_loads_and_is_written_back_the_same() {
    let file = load(FILE).unwrap();
    let chain = file.chain(&ChainId::new("first").unwrap()).unwrap();
    assert_eq!(chain.stages.len(), 2);
    assert_eq!(chain.edges[0].evidence[0].kind, EdgeKind::FollowsUp);
    assert!(chain.stages[1].reference_patch.is_available());
    let ReferencePatch::MissingObjects { objects } = &chain.stages[0].reference_patch else {
        panic!("the first stage lacks objects");
    };
    assert_eq!(objects.len(), 1);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("again.json");
    file.save(&path).unwrap();
    assert_eq!(ChainFile::load(&path).unwrap(), file);
}

#[test]
fn mistyped_key_is_told_with_line_and_nearest_key() {
    let text = FILE.replace(r#""query": "Go on.""#, r#""qurey": "Go on.""#);
    insta::assert_snapshot!(
        error(&text),
        @"chain.json:34:15: unknown key `qurey` in `chains[0].stages[1]`; did you mean `query`?"
    );
}

#[test]
fn unlike_key_is_told_with_the_known_ones() {
    let text = FILE.replace(r#""license""#, r#""zzz""#);
    insta::assert_snapshot!(
        error(&text),
        @"chain.json:3:44: unknown key `zzz` in `repository`; known are `name`, `license`, `default_branch`"
    );
}

#[test]
fn wrong_id_is_told_with_line_and_key() {
    let text = FILE.replace("6666666666666666666666666666666666666666", "666");
    insta::assert_snapshot!(
        error(&text),
        @"chain.json:23:22: `chains[0].stages[1].merge`: `666` is not an object id: 40 hexadecimal digits are needed"
    );
}

#[test]
fn missing_key_is_told() {
    let text = FILE.replace(r#""default_branch": "main""#, r#""license": null"#);
    assert!(error(&text).contains("duplicate field `license`"), "{}", error(&text));
    let text = FILE.replace(r#", "default_branch": "main""#, "");
    insta::assert_snapshot!(
        error(&text),
        @"chain.json:3:56: `repository`: missing field `default_branch`"
    );
}

#[test]
fn other_version_is_refused_by_number() {
    let text = FILE.replace(r#""version": 1"#, r#""version": 2"#);
    insta::assert_snapshot!(
        error(&text),
        @"chain.json:2:14: `version`: version 2 of the format is not known; this program reads version 1"
    );
}

#[test]
fn cut_file_is_not_json() {
    let text = FILE.get(..200).unwrap();
    assert!(error(text).contains("not valid JSON: EOF while parsing"), "{}", error(text));
}

#[test]
fn absent_file_is_told_by_path() {
    let err = ChainFile::load(Path::new("no-such-chain.json")).unwrap_err();
    assert_eq!(err.to_string(), "cannot read `no-such-chain.json`");
}

#[test]
fn stages_out_of_merge_order_are_refused() {
    let text = FILE.replacen(r#""time": 100"#, r#""time": 101"#, 1);
    insta::assert_snapshot!(
        error(&text),
        @"chain.json` is not consistent: stage `pr-2` of chain `first` was merged before stage `pr-1` that stands in front of it; stages must be in merge order"
    );
}

#[test]
fn repeated_and_empty_parts_are_refused() {
    let text = FILE.replace(r#""id": "pr-2""#, r#""id": "pr-1""#);
    assert!(error(&text).contains("two stages called `pr-1`"), "{}", error(&text));

    let mut file = load(FILE).unwrap();
    file.chains.push(file.chains[0].clone());
    assert!(file.check().unwrap_err().to_string().contains("two chains are called `first`"));
    file.chains.pop();
    file.chains[0].edges[0].to = file.chains[0].edges[0].from.clone();
    assert!(file.check().unwrap_err().to_string().contains("edge from `pr-2` to `pr-2`"));
    file.chains[0].stages.clear();
    assert!(file.check().unwrap_err().to_string().contains("has no stage"));
}

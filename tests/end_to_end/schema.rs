//! `catena schema`: what editors are told of files that people write is what the program reads.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

use crate::demo_run;
use crate::environment::{TestEnvironment, checkout};

fn schema(environment: &TestEnvironment, of: &str) -> Value {
    environment.catena(&["schema", of]).succeeds().json()
}

fn validator(schema: &Value) -> Validator {
    jsonschema::validator_for(schema).unwrap()
}

/// The same for parts of such files: what a whole one must have may be left out.
fn of_parts(mut schema: Value) -> Validator {
    schema.as_object_mut().unwrap().remove("required");
    validator(&schema)
}

fn parsed(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap_or_else(|err| panic!("{err} in {text}"));
    serde_json::to_value(table).unwrap()
}

/// What a schema finds wrong with a file.
fn faults(validator: &Validator, text: &str) -> Vec<String> {
    let told = |err: jsonschema::ValidationError<'_>| format!("{} at {}", err, err.instance_path());
    validator.iter_errors(&parsed(text)).map(told).collect()
}

/// What lies in a directory of the checkout.
fn entries(dir: &str) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(checkout().join(dir)).unwrap().map(|entry| entry.unwrap().path())
}

/// The examples in TOML of a page.
fn examples(page: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let mut blocks = text.split("```toml\n").skip(1);
    std::iter::from_fn(|| Some(blocks.next()?.split_once("```")?.0.to_owned())).collect()
}

#[test]
fn run_files_and_manifests_that_the_program_reads_are_what_their_schemas_say() {
    let environment = TestEnvironment::new();
    let run = validator(&schema(&environment, "run"));
    demo_run::demo(&environment);
    assert_eq!(faults(&run, &environment.read("demo/run.toml")), Vec::<String>::new());
    let reference = examples(&checkout().join("docs/run-file.md")).swap_remove(0);
    assert_eq!(faults(&run, &reference), Vec::<String>::new());
    let plugin = validator(&schema(&environment, "plugin"));
    let plugins = entries("guests").chain(entries("tests/guests"));
    let manifests = plugins.map(|dir| dir.join("plugin.toml")).filter(|path| path.is_file());
    let mut count = 0;
    for manifest in manifests {
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert_eq!(faults(&plugin, &text), Vec::<String>::new(), "{}", manifest.display());
        count += 1;
    }
    assert!(count > 30, "{count}");
    let chain = validator(&schema(&environment, "chain"));
    assert!(chain.is_valid(&environment.read_json("demo/chains.json")));
}

#[test]
fn examples_of_the_documentation_are_what_the_schemas_say() {
    let environment = TestEnvironment::new();
    let (run, plugin) =
        (of_parts(schema(&environment, "run")), of_parts(schema(&environment, "plugin")));
    let readmes = entries("guests").chain([checkout()]).map(|dir| dir.join("README.md"));
    let pages = entries("docs").chain(readmes).filter(|page| page.is_file());
    let mut count = 0;
    for page in pages {
        for example in examples(&page) {
            let is_manifest = ["plugin", "capabilities", "program"]
                .iter()
                .any(|key| parsed(&example).get(key).is_some());
            let of = if is_manifest { &plugin } else { &run };
            assert_eq!(faults(of, &example), Vec::<String>::new(), "{}: {example}", page.display());
            count += 1;
        }
    }
    assert!(count > 12, "{count}");
}

#[test]
fn misspelt_key_and_value_of_another_kind_are_faults() {
    let environment = TestEnvironment::new();
    let run = of_parts(schema(&environment, "run"));
    for (text, told) in [
        ("trails = 2", "trails"),
        ("mode = \"carry\"", "carry"),
        ("threshold = 1.5", "1.5"),
        ("[scaffold]\nplugin = \"a\"\ngrnat = {}", "grnat"),
        ("[scaffold]\nplugin = \"a\"\ngrant = { workspace = \"all\" }", "all"),
        ("[scaffold]\nplugin = \"a\"\nlimits = { memory = 5 }", "5"),
        ("[scaffold]\nplugin = \"a\"\nlimits = { memory = \"5MB\" }", "5MB"),
        ("[model]\nkind = \"scripted\"\nscript = \"s\"\nscripts = 1", "model"),
        ("[model]\nkind = \"openai\"\nmodel = \"m\"", "model"),
        ("[secrets]\nTOKEN = { env = \"A\" }", "hosts"),
    ] {
        let faults = faults(&run, text);
        assert!(!faults.is_empty() && faults.concat().contains(told), "{text}: {faults:?}");
    }
    environment
        .catena(&["schema", "cake"])
        .ends_with(2)
        .says("possible values: run, plugin, chain");
}

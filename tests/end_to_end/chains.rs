//! `catena mine` and `catena chain`: from a clone to a chain file.

use serde_json::json;

use crate::environment::{TestEnvironment, test_plugins};
use crate::small_run;

const RESOLVE: [&str; 8] =
    ["chain", "resolve", "--clone", "notes", "--chains", "lists.json", "--output", "out.json"];

#[test]
fn chain_is_resolved_to_the_commits_and_trees_that_git_has() {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    let chain = environment.read_json("chains.json")["chains"][0].take();
    for (stage, merge) in [(0, "main~2"), (1, "main")] {
        let object = |name: &str| environment.git("notes", &["rev-parse", name]);
        let stage = &chain["stages"][stage];
        assert_eq!(stage["merge"], object(merge));
        assert_eq!(stage["base"]["commit"], object(&format!("{merge}^1")));
        assert_eq!(stage["base"]["tree"], object(&format!("{merge}^1^{{tree}}")));
        assert_eq!(stage["human"], object(&format!("{merge}^{{tree}}")));
    }
    let edge = &chain["edges"][0];
    assert_eq!((&edge["from"], &edge["to"]), (&json!("pr-2"), &json!("pr-1")));
}

#[test]
fn chain_that_cannot_be_resolved_is_left_out_with_the_reason() {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    let lists = json!({"repository": "ada/notes", "chains": [[1, 2], [1, 77]]});
    environment.write("lists.json", lists.to_string());
    let told = environment.catena(&[&RESOLVE[..], &["--json"]].concat()).succeeds().json();
    assert_eq!((&told["chains"], &told["stages"]), (&json!(1), &json!(2)));
    let refused = &told["refused"][0];
    assert_eq!(refused["pull_requests"], json!([1, 77]));
    assert_eq!(refused["faults"][0]["pull_request"], 77);
    assert!(refused["faults"][0]["reason"].is_string());
    environment.catena(&RESOLVE).succeeds().prints("1 of 2 chains resolved").prints("#77 ");
}

#[test]
fn chains_that_are_all_refused_leave_the_file_as_it_was_and_end_with_a_failed_check() {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment
        .write("lists.json", json!({"repository": "ada/notes", "chains": [[77]]}).to_string());
    environment.write("out.json", "mine");
    environment.catena(&RESOLVE).ends_with(4).prints("0 of 1 chains resolved").prints("#77 ");
    let told = environment.catena(&[&RESOLVE[..], &["--json"]].concat()).ends_with(4).json();
    assert_eq!((&told["chains"], &told["output"]), (&json!(0), &json!(null)));
    assert_eq!(environment.read("out.json"), "mine");
}

#[test]
fn lint_looks_through_the_files_of_programs() {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment.write("notes/count.py", "def count_all_notes():\n    return 1\n");
    environment.git("notes", &["commit", "-qam", "Count all (#3)"]);
    environment
        .write("lists.json", json!({"repository": "ada/notes", "chains": [[1, 3]]}).to_string());
    environment.catena(&RESOLVE).succeeds();
    // A package of the future: what the last pull request made of the project.
    let programs = ".local/share/catena/programs/objects.git";
    std::fs::create_dir_all(environment.path(programs)).unwrap();
    environment.git(programs, &["init", "-q", "--bare"]);
    let clone = environment.path("notes");
    environment.git(programs, &["fetch", "-q", clone.to_str().unwrap(), "main"]);
    let tree = environment.git(programs, &["rev-parse", "FETCH_HEAD^{tree}"]);
    environment.copy_plugin("program-probe", "plugins/probe");
    let manifest = environment.read("plugins/probe/plugin.toml");
    let files = format!("{manifest}\n[program.files]\n\"/opt/site\" = \"{tree}\"\n");
    environment.write("plugins/probe/plugin.toml", files);
    environment.catena(&["program", "add", "plugins/probe"]).succeeds();
    let lint = ["chain", "lint", "out.json", "--clone", "notes"];
    let found = |more: &[&str]| environment.catena(&[&lint[..], more].concat()).stdout;
    assert!(!found(&[]).contains("newer-copy"));
    let told = found(&["--program", "program-probe"]);
    assert!(
        told.contains("newer-copy") && told.contains("program `program-probe`: /opt/site/"),
        "{told}"
    );
    let unknown = environment.catena(&[&lint[..], &["--program", "other"]].concat());
    unknown.ends_with(2).says("hint: `catena program list`");
}

#[test]
fn resolving_leaves_the_clone_as_it_was() {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    let objects = || environment.git("notes", &["count-objects", "-v"]);
    let before = (objects(), environment.git("notes", &["status", "--porcelain"]));
    environment.catena(&RESOLVE).succeeds();
    assert_eq!((objects(), environment.git("notes", &["status", "--porcelain"])), before);
}

#[test]
fn clone_or_lists_that_cannot_be_read_are_named() {
    let environment = TestEnvironment::new();
    environment.write("lists.json", "[[1, 2]");
    environment.catena(&RESOLVE).ends_with(2).says("error: ").says("lists.json").says("hint: ");
    environment.write("lists.json", "[[1, 2]]");
    environment.catena(&RESOLVE).ends_with(2).says("error: ").says("notes").says("hint: ");
}

const MINE: [&str; 7] =
    ["mine", "--clone", "notes", "--repository", "ada/notes", "--output", "mined.db"];
const BUILD: [&str; 10] = [
    "chain",
    "build",
    "--catalogue",
    "mined.db",
    "--clone",
    "notes",
    "--output",
    "built.json",
    "--min-stages",
    "2",
];

#[test]
fn chains_are_built_from_what_was_mined_and_can_be_explained() {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    let mined = environment.catena(&[&MINE[..], &["--json"]].concat()).succeeds().json();
    assert_eq!(mined["pull_requests"], 2);
    assert_eq!(mined["tip"], environment.git("notes", &["rev-parse", "main"]));
    let built = environment.catena(&[&BUILD[..], &["--json"]].concat()).succeeds().json();
    assert_eq!((&built["chains"], &built["stages"]), (&json!(1), &json!(2)));
    assert_eq!(built["funnel"]["pull_requests"], 2);
    let of_lists = environment.read_json("chains.json")["chains"][0].take();
    let of_links = environment.read_json("built.json")["chains"][0].take();
    for key in ["id", "merge", "base", "human", "reference_patch"] {
        for stage in [0, 1] {
            assert_eq!(of_links["stages"][stage][key], of_lists["stages"][stage][key], "{key}");
        }
    }
    let first = environment.read("built.json");
    environment.catena(&BUILD).succeeds().prints("chains");
    assert_eq!(environment.read("built.json"), first, "the same catalogue gives the same file");
    let id = of_links["id"].as_str().unwrap();
    environment.catena(&["chain", "show", "built.json"]).succeeds().prints(id);
    environment.catena(&["chain", "show", "built.json", id]).prints("pr-2 builds on pr-1");
    environment.catena(&["chain", "show", "built.json", "gone"]).ends_with(2).says("`gone`");
}

#[test]
fn thresholds_that_cannot_be_and_files_that_are_no_catalogue_are_named() {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment.catena(&BUILD).ends_with(2).says("mined.db").says("catena mine");
    environment.catena(&MINE).succeeds();
    let with = |more: &[&str]| environment.catena(&[&BUILD[..], more].concat());
    with(&["--max-stages", "1"]).ends_with(2).says("--min-stages");
    with(&["--min-strength", "1.5"]).ends_with(2).says("--min-strength");
    let elsewhere = [&MINE[..], &["--branch", "gone"]].concat();
    environment.catena(&elsewhere).ends_with(2).says("`gone`");
}

/// A repository of two pull requests with tests that are scripts: the second one
/// says nothing that was not so before.
fn grow_tested(environment: &TestEnvironment) {
    let commit = |message: &str| {
        environment.git("tested", &["add", "--all"]);
        environment.git("tested", &["commit", "--quiet", "--message", message]);
    };
    environment.write("tested/words", "one\n");
    environment.write("tested/check_words", "grep -q one words");
    environment.git("tested", &["init", "--quiet", "--initial-branch=main"]);
    commit("Begin");
    environment.write("tested/words", "one\ntwo\n");
    environment.write("tested/check_words", "grep -q two words");
    environment.write("tested/check_kept", "grep -q one words");
    commit("Add two (#1)");
    environment.write("tested/words", "one\ntwo\nthree\n");
    environment.write("tested/check_kept", "grep -q two words");
    commit("Add three (#2)");
    environment.write("tested/words", "one\ntwo\n");
    commit("Take three back (#3)");
    let lists = json!({"repository": "ada/tested", "chains": [[1], [1, 2, 3]]});
    environment.write("tested.json", lists.to_string());
    let resolve = ["chain", "resolve", "--clone", "tested", "--chains", "tested.json"];
    environment.catena(&[&resolve[..], &["--output", "chains.json"]].concat()).succeeds();
}

#[test]
fn chain_executes_where_tests_tell_the_states_of_each_stage_apart() {
    let environment = TestEnvironment::new();
    grow_tested(&environment);
    let probe = test_plugins().join("program-probe");
    environment.catena(&["program", "add", probe.to_str().unwrap()]).succeeds();
    let tests = "{ echo '<testsuite>'; for check in {files}; do \
                 echo \"<testcase name='$check'>\"; bash $check || echo '<failure/>'; \
                 echo '</testcase>'; done; echo '</testsuite>'; } > {report}";
    let chains = environment.read_json("chains.json");
    let check = |arguments: &[&str]| {
        let fixed = ["chain", "check", "chains.json", "--clone", "tested", "--tests", tests];
        let which = ["--program", "program-probe", "--test-files", "check_*", "--run-files"];
        environment.catena(&[&fixed[..], &which, &["check_*"], arguments].concat())
    };
    let first = chains["chains"][0]["id"].as_str().unwrap();
    check(&["--chain", first]).succeeds().prints("1 of 1 chains execute at every stage");
    let outcome = check(&["--json"]);
    let told = outcome.ends_with(4).json();
    let stage = |at: usize| {
        let stage = &told["stages"][at];
        let count = |name: &str| stage[name].as_u64().unwrap();
        (count("fail_to_pass"), count("pass_to_pass"), count("failing"), stage["why"].as_str())
    };
    assert_eq!(stage(1), (1, 1, 0, None));
    assert_eq!(stage(2), (0, 1, 0, Some("no: nothing tells the states apart")));
    assert_eq!(stage(3), (0, 0, 0, Some("no: it changes no test")));
    check(&["--chain", "none"]).ends_with(2).says("no chain is called `none`");
    environment
        .catena(&["chain", "check", "chains.json", "--clone", "tested"])
        .ends_with(2)
        .says("`python`");
}

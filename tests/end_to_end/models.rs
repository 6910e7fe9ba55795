//! Models other than the scripted one: over HTTP, from a tape, and within a
//! budget.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::demo_run::{ROLLOUT, demo};
use crate::environment::TestEnvironment;
use crate::journal::{records, shown};
use crate::model_server::{ModelServer, demo_replies};
use crate::small_run::{self, RunFile};

/// What must not be found in anything that is written.
const KEY: &str = "sk-not-for-anybody";

/// The demo's run file with another `[model]`.
pub(crate) fn demo_with(environment: &TestEnvironment, name: &str, model: &str) {
    let text = environment.read("demo/run.toml");
    let (before, rest) = text.split_once("[model]").unwrap();
    let (_, budget) = rest.split_once("[budget]").unwrap();
    let text = format!("{before}[model]\n{model}\n\n[budget]{budget}");
    environment.write(&format!("demo/{name}.toml"), text);
}

/// A server's description as `[model]` has it, its key in a file.
pub(crate) fn over_http(environment: &TestEnvironment, server: &ModelServer, more: &str) -> String {
    environment.write("demo/key.txt", format!("{KEY}\n"));
    format!(
        "kind = \"openai\"\nbase_url = \"{}\"\nmodel = \"script\"\nkey_file = \"key.txt\"\n\
         price = {{ input = 0.6, cached = 0.11, output = 2.2 }}\n{more}",
        server.base_url,
    )
}

/// The trees that the stages of a run came to.
fn trees(environment: &TestEnvironment, run: &str) -> Vec<Value> {
    let mut shown = shown(environment, run);
    let stages = shown["rollouts"][0]["stages"].take();
    stages.as_array().unwrap().iter().map(|stage| stage["tree"].clone()).collect()
}

pub(crate) fn answered(environment: &TestEnvironment, run: &str) -> usize {
    let journal = format!("{run}/rollouts/{ROLLOUT}.journal");
    let records = records(environment, &journal);
    let is_reply =
        |record: &&Value| record["record"] == "exchange" && record["answer"].get("reply").is_some();
    records.iter().filter(is_reply).count()
}

#[test]
fn run_over_http_comes_to_the_trees_of_the_scripted_one() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let server = ModelServer::of_demo(&environment);
    for (name, more) in [("http", ""), ("whole", "stream = false")] {
        let before = server.asked().len();
        demo_with(&environment, name, &over_http(&environment, &server, more));
        let (file, dir) = (format!("demo/{name}.toml"), format!("demo/{name}"));
        environment.catena(&["run", &file, "--dir", &dir]).succeeds();
        assert_eq!(trees(&environment, &dir), trees(&environment, "demo/run"));
        assert_eq!(server.asked().len() - before, 37);
        let rollout = shown(&environment, &dir)["rollouts"][0].take();
        assert_eq!(rollout["usage"]["input_tokens"], 37_000);
        // 200 fresh, 800 cached and 100 output tokens a turn.
        assert_eq!(rollout["usage"]["cost_microusd"], 37 * (120 + 88 + 220));
        environment.catena(&["verify", &dir]).succeeds();
    }
    let mut tree = Vec::new();
    files_below(&environment.path("demo/http"), &mut tree);
    for file in tree {
        let content = std::fs::read(&file).unwrap();
        let found = content.windows(KEY.len()).any(|bytes| bytes == KEY.as_bytes());
        assert!(!found, "the key is in {}", file.display());
    }
    assert!(!server.asked()[0].to_string().contains(KEY));
}

fn files_below(dir: &std::path::Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, files) } else { files.push(path) }
    }
}

#[test]
fn killed_run_asks_for_no_reply_twice_that_is_in_its_journal() {
    let environment = TestEnvironment::new();
    demo(&environment);
    for reached in [1, 12, 25] {
        let server = ModelServer::of_demo(&environment);
        demo_with(&environment, "http", &over_http(&environment, &server, ""));
        environment.catena(&["lock", "demo/http.toml"]).succeeds();
        let mut run = environment.start_catena(&["run", "demo/http.toml", "--dir", "demo/http"]);
        let begin = Instant::now();
        while server.asked().len() < reached {
            assert!(begin.elapsed() < Duration::from_mins(1), "the run does not get on");
            std::thread::sleep(Duration::from_millis(1));
        }
        run.kill().unwrap();
        run.wait().unwrap();
        let (asked, kept) = (server.asked().len(), answered(&environment, "demo/http"));
        assert!(asked - kept <= 1, "{asked} were sent and {kept} are in the journal");
        environment.catena(&["resume", "demo/http"]).succeeds();
        assert_eq!(trees(&environment, "demo/http"), trees(&environment, "demo/run"));
        let all = server.asked();
        assert_eq!(all.len(), 37 + asked - kept);
        let mut bodies: Vec<String> = all.iter().map(Value::to_string).collect();
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), 37, "of the requests only the one under way came twice");
        std::fs::remove_dir_all(environment.path("demo/http")).unwrap();
    }
}

#[test]
fn recorded_run_is_played_without_a_model_and_strays_from_nothing() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let recorded = "kind = \"scripted\"\nscript = \"script.json\"\nrecord = \"tape.jsonl\"";
    demo_with(&environment, "record", recorded);
    environment.catena(&["run", "demo/record.toml", "--dir", "demo/record"]).succeeds();
    assert_eq!(environment.read("demo/tape.jsonl").lines().count(), 37);

    demo_with(&environment, "play", "kind = \"recorded\"\ntape = \"tape.jsonl\"");
    environment.catena(&["run", "demo/play.toml", "--dir", "demo/play"]).succeeds();
    assert_eq!(trees(&environment, "demo/play"), trees(&environment, "demo/run"));

    // Another prompt is not on the tape.
    let text = environment.read("demo/play.toml");
    environment.copy_plugin("scaffold-mini", "demo/scaffold-other");
    let manifest = environment.read("demo/scaffold-other/plugin.toml");
    let manifest = manifest.replace("You are a software engineer", "You are a quick engineer");
    environment.write("demo/scaffold-other/plugin.toml", manifest);
    environment.write("demo/other.toml", text.replace("\"scaffold-mini\"", "\"scaffold-other\""));
    environment.catena(&["run", "demo/other.toml", "--dir", "demo/other"]).ends_with(3);
    let end = shown(&environment, "demo/other")["rollouts"][0]["end"].take();
    let reason = end["reason"].as_str().unwrap();
    assert!(reason.contains("the nearest is line 1 of the tape"), "{reason}");
    for line in ["\n-", "a software engineer", "\n+", "a quick engineer"] {
        assert!(reason.contains(line), "{reason}");
    }
}

#[test]
fn parallel_rollouts_stay_within_the_budget_of_the_run() {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    let call = json!({"name": "bash", "arguments": {"command": "ls"}});
    let replies = json!({"version": 1, "replies": {"*":
        vec![json!({"content": "Look.", "tool_calls": [call]}); 30]}});
    environment.write("script.json", replies.to_string());
    let file = RunFile::of("scaffold-mini")
        .key("trials = 6\nconcurrency = 3")
        .scaffold("grant = { model = true }")
        .tool("plugin = \"tool-bash\"\ngrant = { workspace = \"read\" }")
        .table(
            "[model]\nkind = \"scripted\"\nscript = \"script.json\"\n\
             price = { input = 50, output = 20 }\n\n[budget.run]\nusd = 1",
        );
    file.run(&environment).succeeds();
    let told = shown(&environment, "run");
    let rollouts = told["rollouts"].as_array().unwrap();
    let spent: u64 =
        rollouts.iter().map(|rollout| rollout["usage"]["cost_microusd"].as_u64().unwrap()).sum();
    assert!(spent <= 1_000_000 && spent > 800_000, "{spent}");
    for rollout in rollouts {
        let end = &rollout["end"];
        assert_eq!(
            (&end["outcome"], &end["which"]),
            (&json!("over-budget"), &json!("usd of the run"))
        );
    }
}

#[test]
fn models_are_found_by_name_in_the_run_file_and_in_the_users() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let server = ModelServer::of_demo(&environment);
    let description = over_http(&environment, &server, "");
    let text = environment.read("demo/run.toml");
    let (before, rest) = text.split_once("[model]").unwrap();
    let (_, budget) = rest.split_once("[budget]").unwrap();
    let named = before.replacen("version = 1", "version = 1\nmodel = \"mine\"", 1);
    environment.write("demo/named.toml", format!("{named}[budget]{budget}"));
    let run = || environment.catena(&["run", "demo/named.toml", "--dir", "demo/named"]);
    run().ends_with(2).says("there is no model `mine`").says("docs/models.md");

    environment.write(".config/catena/key.txt", KEY);
    let user = format!("version = 1\n\n[models.mine]\n{description}\n");
    environment.write(".config/catena/models.toml", user);
    run().succeeds();
    assert_eq!(trees(&environment, "demo/named"), trees(&environment, "demo/run"));
    // The plan keeps what the name stood for, and a replay needs no key.
    std::fs::remove_dir_all(environment.path(".config")).unwrap();
    environment.catena(&["verify", "demo/named"]).succeeds();
    assert_eq!(environment.read_json("demo/named/plan.json")["file"]["model"], "mine");
}

#[test]
fn wrong_descriptions_of_models_are_refused_with_a_hint() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let server = "kind = \"openai\"\nmodel = \"m\"\nprice = { input = 1 }\n";
    let url = "base_url = \"http://127.0.0.1:1/v1\"\n";
    let cases = [
        (format!("{server}{url}key_env = \"NO_SUCH_KEY\""), "`NO_SUCH_KEY` is not set"),
        (format!("{server}{url}key_file = \"nowhere\""), "nowhere` can't be read"),
        (format!("{server}base_url = \"ftp://h/v1\""), "does not begin with `http://`"),
        (format!("{server}base_url = \"http://me:hush@h/v1\""), "`base_url` is `…`"),
        (format!("{server}{url}temperature = 3.0"), "`model.temperature` is 3"),
        (format!("{server}{url}extra = {{ messages = [] }}"), "field `messages`"),
        (format!("{server}{url}tempurature = 1.0"), "tempurature"),
        (server.replace("price = { input = 1 }", url), "bounds money"),
        ("kind = \"recorded\"\ntape = \"none.jsonl\"".to_owned(), "none.jsonl"),
    ];
    for (model, message) in cases {
        demo_with(&environment, "wrong", &model);
        let outcome = environment.catena(&["run", "demo/wrong.toml", "--dir", "demo/wrong"]);
        outcome.ends_with(2).says("error: ").says(message);
        assert!(!outcome.stderr.contains("hush"), "{outcome}");
        assert!(!environment.path("demo/wrong").exists());
    }
}

#[test]
fn server_that_is_down_ends_the_rollout_as_infrastructure_and_resume_completes_it() {
    let environment = TestEnvironment::new();
    demo(&environment);
    let server = ModelServer::start(Vec::new());
    let retry = "retry = { attempts = 2, first_wait = \"1ms\" }";
    demo_with(&environment, "http", &over_http(&environment, &server, retry));
    let outcome = environment.catena(&["run", "demo/http.toml", "--dir", "demo/http"]);
    outcome.ends_with(3).says("hint: `catena resume demo/http` tries again");
    assert_eq!(server.asked().len(), 2);
    let rollout = shown(&environment, "demo/http")["rollouts"][0].take();
    let reason = rollout["end"]["reason"].as_str().unwrap();
    assert!(reason.contains("failed (500): no reply left (attempt 2"), "{reason}");
    assert_eq!(rollout["failed_attempts"], 2);

    server.give(demo_replies(&environment));
    environment.catena(&["resume", "demo/http"]).succeeds();
    assert_eq!(trees(&environment, "demo/http"), trees(&environment, "demo/run"));
    assert_eq!(server.asked().len(), 2 + 37);
}

#[test]
fn doctor_tells_what_the_machine_can_do() {
    let environment = TestEnvironment::new();
    let outcome = environment.catena(&["doctor", "--json"]);
    outcome.succeeds();
    let told = outcome.json();
    assert_eq!(told["passed"], true, "{told:#}");
    let checks = told["checks"].as_array().unwrap();
    let status =
        |name: &str| checks.iter().find(|check| check["name"] == name).unwrap()["status"].clone();
    for name in ["git", "sandbox", "component cache", "worker process"] {
        assert_eq!(status(name), "ok", "{name}");
    }
    let walls = checks.iter().find(|check| check["name"] == "walls").unwrap();
    let found = walls["detail"].as_str().unwrap();
    assert!(!found.contains("a worker "), "{found}");
    // A kernel may be without; what it has must hold.
    assert!(
        walls["status"] == "ok" || found.contains("not Landlock") || found.contains("not a filter")
    );
    environment.write(".config/catena/models.toml", "version = 1\n[models.x]\nkind = \"y\"\n");
    environment.catena(&["doctor"]).ends_with(4).prints("broken").prints("unknown variant `y`");
}

/// A server that calls the tool which `catena doctor` offers, and then answers.
fn server_that_adds() -> ModelServer {
    let call = json!({"name": "add", "arguments": {"a": 19, "b": 23}});
    ModelServer::start(vec![json!({"content": "", "tool_calls": [call]}), json!({"content": "42"})])
}

#[test]
fn doctor_asks_a_model_server_what_it_can() {
    let environment = TestEnvironment::new();
    let server = server_that_adds();
    let model = format!(
        "version = 1\n[models.mine]\nkind = \"openai\"\nbase_url = \"{}\"\nmodel = \"script\"\n",
        server.base_url
    );
    environment.write(".config/catena/models.toml", model);
    let outcome = environment.catena(&["doctor", "--model", "mine"]);
    outcome.succeeds().prints("tool calls").prints("cached tokens").prints("800 of 1000");
    let told = environment.catena(&["doctor", "--model", "mine", "--json"]).json();
    assert_eq!(told["passed"], true);
    environment
        .catena(&["doctor", "--model", "other"])
        .ends_with(2)
        .says("there is no model `other`; there are `mine`");
}

#[test]
fn doctor_finds_what_a_run_file_names_beside_it() {
    let environment = TestEnvironment::new();
    let server = server_that_adds();
    let run_file = format!(
        "version = 1\nname = \"keys\"\nchains = \"chains.json\"\nmodel = \"mine\"\n\
         [repositories]\n[scaffold]\nplugin = \"scaffold-nop\"\n[judge]\nplugin = \"judge-diff\"\n\
         [models.mine]\nkind = \"openai\"\nbase_url = \"{}\"\nmodel = \"script\"\n\
         key_file = \"key.txt\"\n",
        server.base_url
    );
    environment.write("project/run.toml", run_file);
    environment.write("project/key.txt", "sk-project\n");
    let arguments = ["doctor", "--model", "mine", "--run", "project/run.toml"];
    environment.catena(&arguments).succeeds().prints("tool calls");
}

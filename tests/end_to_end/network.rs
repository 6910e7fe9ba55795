//! Requests of plugins to the network: by grant, by the host, and once.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::environment::{TestEnvironment, run};
use crate::http_server::HttpServer;
use crate::journal::records;
use crate::small_run::{self, RunFile, first_rollout, logs};

/// A run of a tool that makes requests, with this granted.
fn run_file(grant: &[String], requests: &[String]) -> RunFile {
    let tool = format!(
        "plugin = \"tool-fetches\"\ngrant = {{ http = {} }}\nconfig = {{ requests = {} }}",
        json!(grant),
        json!(requests),
    );
    RunFile::of("scaffold-calls").key("refinements = 0").tool(&tool)
}

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment
}

fn journaled(environment: &TestEnvironment) -> Vec<Value> {
    let all = records(environment, "run/rollouts/notes.1.journal");
    all.into_iter().filter(|record| record["record"] == "http").collect()
}

#[test]
fn granted_requests_are_made_by_the_host_and_never_again() {
    let (environment, server) = (environment(), HttpServer::start());
    let at = format!("http://{}", server.at);
    let grant = [format!("GET {at}"), format!("POST {at}")];
    let requests = [format!("GET {at}/one?two"), format!("POST {at}/three")];
    let rollout = run_file(&grant, &requests).rollout(&environment);
    let told = logs(&environment);
    assert!(told.contains(&format!("GET {at}/one?two: 200 answer 1")), "{told}");
    assert!(told.contains(&format!("POST {at}/three: 200 answer 2")), "{told}");
    assert_eq!((&rollout["requests"], &rollout["refused"]), (&json!(2), &json!({})));
    let asked = server.asked();
    assert!(asked[0].starts_with("GET /one?two HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[1].ends_with("\r\n\r\nposted"), "{asked:?}");
    let journaled = journaled(&environment);
    assert_eq!(journaled[0]["address"], format!("{at}/one?two"));
    assert_eq!(journaled[0]["end"]["Ok"]["body"], "answer 1");

    environment
        .catena(&["verify", "run"])
        .succeeds()
        .prints("but for 2 requests to the network, which were taken as recorded");
    // Cut after the first answer, before the end of the tool call.
    let path = "run/rollouts/notes.1.journal";
    let text = environment.read(path);
    let end =
        text.find("answer 1").unwrap() + text[text.find("answer 1").unwrap()..].find('\n').unwrap();
    environment.write(path, &text[..=end]);
    environment.catena(&["resume", "run"]).succeeds();
    assert_eq!(server.asked().len(), 3, "the first is not made again, the second is");
    let told = logs(&environment);
    assert!(
        told.contains("one?two: 200 answer 1") && told.contains("three: 200 answer 3"),
        "{told}"
    );
}

#[test]
fn what_is_not_granted_is_denied_and_counted_and_reaches_nobody() {
    let (environment, server) = (environment(), HttpServer::start());
    let at = format!("http://{}", server.at);
    let port = server.at.rsplit(':').next().unwrap();
    let nearby = format!("http://localhost:{port}");
    // The name of a machine nearby is granted, and still not reached.
    let grant = [format!("GET {at}"), format!("GET {nearby}")];
    let requests = [
        format!("POST {at}/method"),
        format!("GET https://{}/scheme", server.at),
        "GET http://169.254.169.254/latest/meta-data".to_owned(),
        format!("GET {nearby}/name"),
    ];
    run_file(&grant, &requests).run(&environment).succeeds();
    let told = logs(&environment);
    assert_eq!(told.matches("ErrorCode::HttpRequestDenied").count(), 3, "{told}");
    assert!(told.contains("/name: ErrorCode::DestinationIpProhibited"), "{told}");
    assert!(server.asked().is_empty());
    let refused = &first_rollout(&environment)["refused"]["tool-fetches"];
    assert_eq!(*refused, json!({"http:127.0.0.1": 2, "http:169.254.169.254": 1}));
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn right_that_names_no_server_is_an_error_with_its_line() {
    let environment = environment();
    let run = run_file(&["GET http://user@example.org".to_owned()], &[]);
    run.run(&environment).ends_with(2).says("is not a right to requests").says("run.toml");
    let any = run_file(&["*".to_owned()], &[]).text();
    environment.write("run.toml", any);
    let explain = ["plugin", "explain", "tool-fetches", "--run", "run.toml", "--json"];
    let told = environment.catena(&explain).succeeds().json();
    assert_eq!(
        (&told["asked"]["http"], &told["uses"][0]["effective"]["http"]),
        (&json!(["*"]), &Value::Null)
    );
}

/// All files below a directory that hold a text.
fn holding(dir: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if std::fs::read(&path).unwrap().windows(text.len()).any(|at| at == text.as_bytes())
        {
            found.push(path);
        }
    }
    found
}

#[test]
fn secret_goes_to_the_servers_it_is_for_and_is_nowhere_else() {
    const VALUE: &str = "t0p-s3cret-value";
    let (environment, server, other) = (environment(), HttpServer::start(), HttpServer::start());
    let (at, elsewhere) = (format!("http://{}", server.at), format!("http://{}", other.at));
    let tool = format!(
        "plugin = \"tool-fetches\"\ngrant = {{ http = {}, secrets = [\"TOKEN\"] }}\n\
         config = {{ requests = {}, headers = [\"authorization\", \"Bearer {{secret:TOKEN}}\"] }}",
        json!([format!("GET {at}"), format!("GET {elsewhere}")]),
        json!([format!("GET {at}/echo"), format!("GET {elsewhere}/echo")]),
    );
    let secrets = format!("[secrets]\nTOKEN = {{ env = \"THE_TOKEN\", hosts = [\"{at}\"] }}");
    let file = RunFile::of("scaffold-calls").key("refinements = 0").tool(&tool).table(&secrets);
    environment.write("run.toml", file.text());
    let mut command = environment.catena_command(&["run", "run.toml", "--dir", "run"]);
    command.env("THE_TOKEN", VALUE).env("RUST_LOG", "trace");
    let outcome = run(command);
    outcome.succeeds();
    assert!(!outcome.stderr.contains(VALUE) && !outcome.stdout.contains(VALUE));
    assert!(server.asked()[0].contains(&format!("authorization: Bearer {VALUE}\r\n")));
    assert!(other.asked().is_empty());
    let told = logs(&environment);
    assert!(told.contains("authorization: Bearer {secret:TOKEN}"), "the server's echo: {told}");
    assert!(told.contains(&format!("{elsewhere}/echo: ErrorCode::HttpRequestDenied")), "{told}");
    let refused = &first_rollout(&environment)["refused"];
    assert_eq!(*refused, json!({"tool-fetches": {"secret:TOKEN": 1}}));
    assert_eq!(holding(&environment.path(""), VALUE), Vec::<PathBuf>::new());
    // A replay needs no secret.
    environment.catena(&["verify", "run"]).succeeds();
    environment
        .catena(&["run", "run.toml", "--dir", "again"])
        .ends_with(2)
        .says("secret `TOKEN`: the environment variable `THE_TOKEN` is not set")
        .says("hint: ");
}

#[test]
fn secret_that_is_not_granted_is_not_asked_for_in_vain() {
    let (environment, server) = (environment(), HttpServer::start());
    let at = format!("http://{}", server.at);
    let tool = format!(
        "plugin = \"tool-fetches\"\ngrant = {{ http = [\"GET {at}\"] }}\n\
         config = {{ requests = [\"GET {at}/\"], headers = [\"x-key\", \"{{secret:TOKEN}}\"] }}",
    );
    let secrets = format!("[secrets]\nTOKEN = {{ env = \"THE_TOKEN\", hosts = [\"{at}\"] }}");
    let file = RunFile::of("scaffold-calls").key("refinements = 0").tool(&tool).table(&secrets);
    let rollout = file.rollout(&environment);
    assert_eq!(rollout["refused"], json!({"tool-fetches": {"secret:TOKEN": 1}}));
    assert!(server.asked().is_empty());
}

#[test]
fn secret_that_is_granted_and_not_described_is_an_error_before_anything_is_pinned() {
    let environment = environment();
    let tool = "plugin = \"tool-fetches\"\ngrant = { secrets = [\"TOKEN\"] }";
    environment.write("run.toml", RunFile::of("scaffold-calls").tool(tool).text());
    for command in [&["run", "run.toml"][..], &["lock", "run.toml"]] {
        environment
            .catena(command)
            .ends_with(2)
            .says("`grant.secrets` of `tool-fetches` is `TOKEN`, of which nothing is known")
            .says("describe it below `[secrets]`, with its `env` and `hosts`");
    }
    assert!(!environment.path("catena.lock").exists());
}

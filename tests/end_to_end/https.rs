//! Servers over `https`: which ones are believed, and what is kept from the others.

use serde_json::json;

use crate::environment::{TestEnvironment, run};
use crate::http_server::{Authority, HttpServer};
use crate::journal::records;
use crate::small_run::{self, RunFile, logs};

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    small_run::grow(&environment);
    environment
}

/// A run of a tool that makes these requests with a header, all of them granted.
fn run_file(requests: &[String], keys: &str, tables: &str) -> RunFile {
    let tool = format!(
        "plugin = \"tool-fetches\"\nconfig = {{ requests = {}, headers = {} }}\n{keys}",
        json!(requests),
        json!(["authorization", "Bearer {secret:TOKEN}"]),
    );
    RunFile::of("scaffold-calls").key("refinements = 0").tool(&tool).table(tables)
}

const SECRETS: &str = "secrets = [\"TOKEN\"]";
const VALUE: &str = "t0p-s3cret-value";

/// A table of secrets with one that is for a server.
fn secret_for(server: &str) -> String {
    format!("[secrets]\nTOKEN = {{ env = \"THE_TOKEN\", hosts = [\"{server}\"] }}\n")
}

#[test]
fn server_is_believed_if_an_authority_that_the_run_file_names_vouches_for_it() {
    let (environment, authority) = (environment(), Authority::called("authority"));
    let server = HttpServer::start_over_tls(&authority, "127.0.0.1");
    environment.write("certificates/gateway.pem", authority.pem());
    let at = format!("https://{}", server.at);
    let grant = format!("grant = {{ http = [\"GET {at}\"], {SECRETS} }}");
    let tables = format!("[http]\nca = [\"certificates/gateway.pem\"]\n{}", secret_for(&at));
    let file = run_file(&[format!("GET {at}/echo")], &grant, &tables);
    environment.write("run.toml", file.text());
    let begin = |dir: &str| {
        let mut command = environment.catena_command(&["run", "run.toml", "--dir", dir]);
        command.env("THE_TOKEN", VALUE);
        run(command)
    };
    begin("run").succeeds();
    assert!(server.asked()[0].contains(&format!("authorization: Bearer {VALUE}\r\n")));
    let told = logs(&environment);
    assert!(told.contains("/echo: 200 GET /echo HTTP/1.1"), "{told}");
    assert!(told.contains("authorization: Bearer {secret:TOKEN}"), "{told}");

    // A replay believes nobody, as it asks nobody.
    std::fs::remove_file(environment.path("certificates/gateway.pem")).unwrap();
    environment.catena(&["verify", "run"]).succeeds();
    begin("again")
        .ends_with(2)
        .says("can't read certificates from ")
        .says("gateway.pem")
        .says("hint: ");
    environment.write("certificates/gateway.pem", Authority::called("authority").pem());
    begin("again").ends_with(2).says("`[http]`: ca was ").says("catena lock");
    // Who vouches on this machine can be said by who starts the program, too.
    environment.write("roots.pem", authority.pem());
    environment
        .write("more.toml", run_file(&[format!("GET {at}/x")], &grant, &secret_for(&at)).text());
    let mut command = environment.catena_command(&["run", "more.toml", "--dir", "more"]);
    command.env("THE_TOKEN", VALUE).env("SSL_CERT_FILE", environment.path("roots.pem"));
    run(command).succeeds();
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn server_that_no_known_authority_vouches_for_is_told_nothing() {
    let (environment, authority) = (environment(), Authority::called("authority"));
    let server = HttpServer::start_over_tls(&authority, "127.0.0.1");
    let renamed = HttpServer::start_over_tls(&authority, "gateway.example.org");
    let stranger = HttpServer::start_over_tls(&Authority::called("authority"), "127.0.0.1");
    environment.write("ca.pem", authority.pem());
    let all = [&server, &renamed, &stranger].map(|server| format!("https://{}", server.at));
    let rights: Vec<String> = all.iter().map(|at| format!("GET {at}")).collect();
    let requests: Vec<String> = all.iter().map(|at| format!("GET {at}/x")).collect();
    let grant = format!("grant = {{ http = {}, {SECRETS} }}", json!(rights));
    let secrets = format!("[secrets]\nTOKEN = {{ env = \"THE_TOKEN\", hosts = {} }}\n", json!(all));
    let file = run_file(&requests, &grant, &format!("[http]\nca = [\"ca.pem\"]\n{secrets}"));
    environment.write("run.toml", file.text());
    let mut command = environment.catena_command(&["run", "run.toml", "--dir", "run"]);
    command.env("THE_TOKEN", VALUE).env("RUST_LOG", "warn");
    let outcome = run(command);
    outcome.succeeds().says("`tool-fetches` got no answer of ").says("no authority that is known");
    let told = logs(&environment);
    assert!(told.contains(&format!("{}/x: 200 answer 1", all[0])), "{told}");
    for at in &all[1..] {
        assert!(told.contains(&format!("{at}/x: ErrorCode::TlsCertificateError")), "{told}");
    }
    assert_eq!(server.asked().len(), 1);
    assert!(renamed.asked().is_empty() && stranger.asked().is_empty());
    let journal = records(&environment, "run/rollouts/notes.1.journal");
    let ends: Vec<_> = journal.iter().filter(|record| record["record"] == "http").collect();
    let why = ends[1]["end"]["Err"]["untrusted"].as_str().unwrap();
    assert!(why.contains("not valid for name"), "{why}");
    let why = ends[2]["end"]["Err"]["untrusted"].as_str().unwrap();
    assert!(why.contains("no authority that is known here vouches for its certificate"), "{why}");
    environment.catena(&["verify", "run"]).succeeds();
}

#[test]
fn secret_is_never_for_a_server_that_others_can_listen_to() {
    let (environment, server) = (environment(), HttpServer::start());
    for host in ["http://api.example.org", "http://1.1.1.1"] {
        environment.write("run.toml", run_file(&[], "", &secret_for(host)).text());
        environment
            .catena(&["run", "run.toml"])
            .ends_with(2)
            .says(&format!("`secrets.TOKEN.hosts` is `{host}`; a secret goes over `https`"));
    }
    // Which server it is for is said with how that one is spoken to.
    let at = format!("http://{}", server.at);
    let grant = format!("grant = {{ http = [\"GET {at}\"], {SECRETS} }}");
    let file = run_file(&[format!("GET {at}/x")], &grant, &secret_for(&server.at));
    environment.write("run.toml", file.text());
    let mut command = environment.catena_command(&["run", "run.toml", "--dir", "run"]);
    command.env("THE_TOKEN", VALUE);
    run(command).succeeds();
    assert!(logs(&environment).contains("/x: ErrorCode::HttpRequestDenied"));
    assert!(server.asked().is_empty());
}

#[test]
fn model_server_is_believed_by_the_same_rules() {
    let (environment, authority) = (environment(), Authority::called("authority"));
    let server = HttpServer::start_over_tls(&authority, "127.0.0.1");
    environment.write("ca.pem", authority.pem());
    environment.write("other.pem", Authority::called("another").pem());
    let ask = |ca: &str| {
        let model = format!(
            "version = 1\n[models.mine]\nkind = \"openai\"\nbase_url = \"https://{}/v1\"\n\
             model = \"m\"\nca = [\"../../{ca}\"]\n",
            server.at
        );
        environment.write(".config/catena/models.toml", model);
        environment.catena(&["doctor", "--model", "mine"])
    };
    let refused = ask("other.pem");
    let told = format!("{}{}", refused.stdout, refused.stderr);
    assert!(told.contains("the model server is not trusted: no authority that is known"), "{told}");
    assert!(server.asked().is_empty());
    let _ = ask("ca.pem");
    assert!(server.asked()[0].starts_with("POST /v1/chat/completions"));
}

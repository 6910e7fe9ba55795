//! A model server that others wrote, the proxy of `LiteLLM` with replies of its
//! own making, is understood: by `catena doctor`, and by a run over the demo's
//! chain.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::venv;
use crate::checkout::{Checkout, run as run_command};
use crate::demo;
use crate::phase::Phases;

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_mins(3);

/// The key the server wants.
const KEY: &str = "sk-compat";

/// Its models: one calls the tool that `catena doctor` offers, one hands in.
const SERVER: &str = r#"
model_list:
  - model_name: adds
    litellm_params:
      model: openai/any
      api_key: none
      mock_response: "I call the tool."
      mock_tool_calls:
        - {id: call_1, type: function, function: {name: add, arguments: '{"a": 19, "b": 23}'}}
  - model_name: submits
    litellm_params:
      model: openai/any
      api_key: none
      mock_response: "I hand in."
      mock_tool_calls:
        - {id: call_1, type: function, function: {name: bash, arguments: '{"command": "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"}'}}
general_settings:
  master_key: sk-compat
"#;

const RUN_FILE: &str = r#"
version = 1
name = "model-server"
chains = "chains.json"
model = "submits"
refinements = 1

[budget]
turns = 20
tokens = 100_000
"#;

pub(super) fn run(checkout: &Checkout, phases: &mut Phases) -> anyhow::Result<()> {
    demo::build(checkout, phases)?;
    phases.begin("python environment");
    let python = venv::prepare(checkout, "model-server")?;
    phases.begin("start the proxy of LiteLLM");
    let dir = venv::scratch(checkout, "model-server")?;
    let server = Server::start(&python, &dir)?;
    write(&dir.join("key.txt"), KEY)?;
    write(&dir.join("run.toml"), &format!("{RUN_FILE}{}{}", demo::AGENT, models(server.port)))?;
    phases.begin("catena doctor");
    let catena = || Command::new(checkout.built("catena"));
    let run_file = dir.join("run.toml");
    run_command(
        catena().args(["doctor", "--model", "adds", "--run"]).arg(&run_file),
        "the table above says what the server was not understood in",
    )?;
    phases.begin("roll out over it");
    let hint = "the message above says what failed";
    let demo_dir = dir.join("demo");
    run_command(
        catena().args(["--json", "demo", "--dir"]).arg(&demo_dir).stdout(Stdio::null()),
        hint,
    )?;
    for name in ["run.toml", "key.txt"] {
        fs::copy(dir.join(name), demo_dir.join(name)).context("cannot copy the run file")?;
    }
    let (run_file, run_dir) = (demo_dir.join("run.toml"), dir.join("run"));
    run_command(catena().arg("run").arg(&run_file).arg("--dir").arg(&run_dir), hint)?;
    run_command(catena().arg("verify").arg(&run_dir), hint)?;
    let journal = run_dir.join("rollouts/gridline-alignment.1.journal");
    let text = fs::read_to_string(&journal)
        .with_context(|| format!("cannot read `{}`", journal.display()))?;
    anyhow::ensure!(
        text.contains("I hand in.") && text.contains("\"judged\""),
        "the server's reply did not come to a submission"
    );
    anyhow::ensure!(!text.contains(KEY), "the key is in the journal");
    Ok(())
}

/// The run file's models, both of the server at `port`.
fn models(port: u16) -> String {
    let model = |name: &str| {
        format!(
            "\n[models.{name}]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\n\
             model = \"{name}\"\nkey_file = \"key.txt\"\nmax_output_tokens = 1_000\n\
             # Its made-up tool calls are not streamed.\nstream = false\n"
        )
    };
    format!("{}{}", model("adds"), model("submits"))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

/// A proxy at work. Dropping it ends it.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(python: &Path, dir: &Path) -> anyhow::Result<Self> {
        let config = dir.join("server.yaml");
        write(&config, SERVER)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = fs::File::create(dir.join("server.log"))?;
        let litellm = python.with_file_name("litellm");
        let process = Command::new(&litellm)
            .args(["--host", "127.0.0.1", "--telemetry", "False", "--port"])
            .arg(port.to_string())
            .arg("--config")
            .arg(&config)
            // Else it asks the internet for its list of prices.
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start `{}`", litellm.display()))?;
        let mut server = Self { process, port };
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let has_ended = server.process.try_wait()?.is_some();
            anyhow::ensure!(
                !has_ended && begin.elapsed() < PATIENCE,
                "the server does not start; `{}` says more",
                dir.join("server.log").display()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It can only fail if the server has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

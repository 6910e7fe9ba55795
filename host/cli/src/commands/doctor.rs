//! `catena doctor`: what this machine can do, found out by doing it, and what a
//! model's server can.

mod checks;
mod walls;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use catena_model::{ProbeReport, Verdict, probe::probe};
use catena_rollout::models::{self, ModelUseError};
use catena_rollout::run_file::{ModelChoice, ModelUse};
use catena_rollout::{RunError, RunFile};
use clap::ValueHint;
use serde::Serialize;
use serde_json::json;

use crate::failure::{CHECK_FAILED, Failure};
use crate::machine::Machine;
use crate::output::{Format, dollars, grouped, print_json, say, table};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Ask the server of this model what it can, by one small tool-call exchange
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Look for the model in this run file too
    #[arg(long, value_name = "RUN.TOML", value_hint = ValueHint::FilePath, requires = "model")]
    run: Option<PathBuf>,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// All is well.
    Ok,
    /// Something is missing that not everybody needs.
    Lacking,
    /// Runs will not work.
    Broken,
}

/// One check of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    name: &'static str,
    status: Status,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

pub(crate) fn run(
    arguments: &Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    match &arguments.model {
        Some(name) => doctor_model(name, arguments.run.as_deref(), machine, format),
        None => doctor_machine(machine, format),
    }
}

fn doctor_machine(machine: &Machine, format: Format) -> Result<ExitCode, Failure> {
    let checks = checks::all(machine);
    let passed = checks.iter().all(|check| check.status != Status::Broken);
    if format == Format::Json {
        print_json(&json!({"passed": passed, "checks": checks}))?;
    } else {
        let mut table = table(&["check", "status", "what was found"]);
        for check in &checks {
            let status = match check.status {
                Status::Ok => "ok",
                Status::Lacking => "lacking",
                Status::Broken => "broken",
            };
            table.add_row([check.name, status, &check.detail]);
        }
        say!("{table}");
        for check in &checks {
            if let Some(hint) = &check.hint {
                say!("hint: {}: {hint}", check.name);
            }
        }
    }
    Ok(exit_code(passed))
}

fn doctor_model(
    name: &str,
    run_file: Option<&Path>,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let model = find_model(name, run_file, machine)?;
    let ModelUse::OpenAi(server) = &model else {
        let reason = format!("model `{name}` plays a file, so there is no server to ask");
        return Err(
            Failure::input(anyhow::anyhow!(reason)).with_hint("name a model of the kind `openai`")
        );
    };
    let settings = models::settings(server, model.info(), &machine.environment())?;
    let has_key = settings.key.is_some();
    let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
    let report = runtime.block_on(probe(&settings)).map_err(|source| {
        Failure::from(ModelUseError::Settings { model: name.to_owned(), source })
    })?;
    if format == Format::Json {
        print_json(&json!({
            "model": name, "base_url": server.base_url, "passed": report.passed(),
            "findings": report.findings, "usage": report.usage,
        }))?;
    } else {
        print_report(name, &server.base_url, &report);
        if has_key && is_overheard(&server.base_url) {
            say!("hint: the key is sent over a connection that others may listen to");
        }
    }
    Ok(exit_code(report.passed()))
}

fn print_report(name: &str, base_url: &str, report: &ProbeReport) {
    say!("model `{name}` at {base_url}");
    let mut table = table(&["question", "answer", "more"]);
    for finding in &report.findings {
        let answer = match finding.verdict {
            Verdict::Yes => "yes",
            Verdict::No => "no",
            Verdict::Fails => "fails",
        };
        table.add_row([finding.question, answer, &finding.detail]);
    }
    say!("{table}");
    for finding in &report.findings {
        if let Some(hint) = finding.hint {
            say!("hint: {}: {hint}", finding.question);
        }
    }
    let usage = &report.usage;
    say!("this took {} tokens, {}", grouped(usage.tokens()), dollars(usage.cost_microusd));
}

/// Whether requests to the address cross a network in the clear.
fn is_overheard(base_url: &str) -> bool {
    let Some(host) = base_url.strip_prefix("http://") else { return false };
    !["127.", "localhost", "[::1]"].iter().any(|own| host.starts_with(own))
}

fn exit_code(passed: bool) -> ExitCode {
    if passed { ExitCode::SUCCESS } else { ExitCode::from(CHECK_FAILED) }
}

/// The model of this name, of the run file or of the user's file.
fn find_model(name: &str, run_file: Option<&Path>, machine: &Machine) -> Result<ModelUse, Failure> {
    let mut known = models::user_models(machine.models_file())?;
    if let Some(path) = run_file {
        let mut file = RunFile::load(path).map_err(RunError::from)?;
        let base = path.parent().unwrap_or(Path::new("."));
        if let Some(ModelChoice::Here(model)) = &mut file.model {
            model.make_absolute(base);
        }
        file.models.values_mut().for_each(|model| model.make_absolute(base));
        if let Some(ModelChoice::Here(model)) = file.model
            && model.info().name == name
        {
            known.insert(name.to_owned(), *model);
        }
        known.extend(file.models);
    }
    Ok(models::find(&known, name)?.clone())
}

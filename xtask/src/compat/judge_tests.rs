//! `judge-tests` on real chains with real Python: the human answer passes every
//! stage, an agent that does nothing passes none, and one that works on the
//! tests in the place of the code gains nothing.

mod cheats;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::chains::{CHAINS, HINT, PROGRAM, add_python, catena};
use crate::checkout::{Checkout, run as run_command};
use crate::demo;
use crate::phase::Phases;

/// Where the cheats try themselves: a stage with tests that fail and tests that pass.
const CHEATED: (&str, &str, u32) = ("python-attrs/attrs", "attrs", 1328);

/// The threshold of the runs, which is the default.
const THRESHOLD: f64 = 0.8;

/// Runs the controls over each chain, and the cheats over one, in the clones
/// `DIR/NAME` of their repositories.
pub(super) fn run(checkout: &Checkout, phases: &mut Phases, clones: &Path) -> anyhow::Result<()> {
    demo::build(checkout, phases)?;
    let dir = checkout.target.join("compat").join("judge-tests");
    if dir.exists() {
        std::fs::remove_dir_all(&dir).context("can't remove the last check's directory")?;
    }
    std::fs::create_dir_all(&dir).context("can't create the check's directory")?;
    phases.begin("add CPython for the sandbox");
    add_python(checkout)?;
    let check = Check { checkout, dir, clones: clones.canonicalize()? };
    let mut wrong = check.controls(phases)?;
    wrong.extend(check.cheats(phases)?);
    ensure!(wrong.is_empty(), "judged otherwise than expected: {}", wrong.join(", "));
    Ok(())
}

struct Check<'a> {
    checkout: &'a Checkout,
    dir: PathBuf,
    clones: PathBuf,
}

impl Check<'_> {
    /// The human answer and an agent that does nothing, at every stage of every chain.
    fn controls(&self, phases: &mut Phases) -> anyhow::Result<Vec<String>> {
        let mut table =
            String::from("| chain | stage | tests | oracle | nop |\n|---|---|---|---|---|\n");
        let mut wrong = Vec::new();
        let mut repositories: Vec<&str> = CHAINS.iter().map(|chain| chain.repository).collect();
        repositories.dedup();
        for repository in repositories {
            let name = repository.rsplit('/').next().unwrap_or(repository);
            let chains: Vec<_> = CHAINS.iter().filter(|c| c.repository == repository).collect();
            let lists: Vec<_> = chains.iter().map(|chain| chain.pull_requests).collect();
            self.resolve(repository, name, &json!(lists))?;
            let judged = |agent: &str, grant: &str, phases: &mut Phases| {
                phases.begin(&format!("scaffold-{agent} on {name}"));
                let scaffold = format!("plugin = \"scaffold-{agent}\"\ngrant = {{ {grant} }}");
                let rounds = "refinements = 0\non_reject = \"continue-agent\"";
                self.judged(repository, name, agent, rounds, &scaffold)
            };
            let write = "workspace = \"read-write\"";
            let oracle = judged("oracle", &format!("{write}, reference = true"), phases)?;
            let nop = judged("nop", write, phases)?;
            for (oracle, nop) in oracle.iter().zip(&nop) {
                let Judged { chain, stage, .. } = oracle;
                let row = [chain, stage, &oracle.told, &oracle.score(), &nop.score()];
                let _ = writeln!(table, "| {} |", row.map(String::as_str).join(" | "));
                if !oracle.is_accepted() || nop.is_accepted() {
                    wrong.push(format!("{chain} {stage}"));
                }
            }
        }
        println!("{table}");
        Ok(wrong)
    }

    /// Agents that change what runs tests and not what is asked for.
    fn cheats(&self, phases: &mut Phases) -> anyhow::Result<Vec<String>> {
        let (repository, name, number) = CHEATED;
        self.resolve(repository, name, &json!([[number]]))?;
        let reply =
            |line: &str| json!({"tool_calls": [{"name": "bash", "arguments": {"command": line}}]});
        let submit = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT";
        let replies = cheats::ALL.iter().flat_map(|(_, script)| [reply(script), reply(submit)]);
        let script = json!({"version": 1, "replies": {"*": replies.collect::<Vec<_>>()}});
        std::fs::write(self.dir.join("script.json"), script.to_string())?;
        let agent = "plugin = \"scaffold-mini\"\ngrant = { model = true }\n\
                     [[tools]]\nplugin = \"tool-bash\"\ngrant = { workspace = \"read-write\" }\n\
                     [model]\nkind = \"scripted\"\nscript = \"script.json\"";
        // Each is a round that begins with the stage's own tree.
        let rounds = format!("refinements = {}\nrefine = \"reset\"", cheats::ALL.len() - 1);
        phases.begin(&format!("{} cheats on {name}", cheats::ALL.len()));
        let judged = self.judged(repository, name, "cheats", &rounds, agent)?;
        let mut table = String::from("| the agent | score | findings |\n|---|---|---|\n");
        let mut wrong = Vec::new();
        for (at, (cheat, _)) in cheats::ALL.iter().enumerate() {
            let Some(judged) = judged.get(at) else {
                wrong.push(format!("{cheat} (not judged)"));
                continue;
            };
            let _ = writeln!(table, "| {cheat} | {} | {} |", judged.score(), judged.findings);
            if judged.score.is_none() || judged.is_accepted() || !judged.has_submission {
                wrong.push((*cheat).to_owned());
            }
        }
        println!("{table}");
        Ok(wrong)
    }

    fn resolve(&self, repository: &str, name: &str, numbers: &Value) -> anyhow::Result<()> {
        let lists = self.dir.join("lists.json");
        let list = json!({"repository": repository, "chains": numbers});
        std::fs::write(&lists, list.to_string())?;
        let mut resolve = catena(self.checkout);
        resolve.args(["chain", "resolve", "--clone"]).arg(self.clones.join(name));
        resolve.arg("--chains").arg(&lists).arg("--output").arg(self.dir.join("chains.json"));
        run_command(resolve.stdout(Stdio::null()), HINT)
    }

    /// Runs an agent over all chains, and says how each round was judged.
    fn judged(
        &self,
        repository: &str,
        name: &str,
        agent: &str,
        rounds: &str,
        scaffold: &str,
    ) -> anyhow::Result<Vec<Judged>> {
        let run_file = self.dir.join("run.toml");
        let clone = self.clones.join(name);
        let text = format!(
            "version = 1\nname = \"{name}-{agent}\"\nchains = \"chains.json\"\n\
             concurrency = 1\n{rounds}\n\
             [repositories]\n\"{repository}\" = \"{}\"\n\
             [judge]\nplugin = \"judge-tests\"\n\
             grant = {{ workspace = \"read-write\", programs = [\"{PROGRAM}\"] }}\n\
             limits = {{ fuel = 4_000_000_000_000, wall = \"1h\" }}\n\
             [scaffold]\n{scaffold}\n",
            clone.display(),
        );
        std::fs::write(&run_file, text)?;
        // What another agent's run file was approved of is not this one's.
        let lock = self.dir.join("catena.lock");
        if lock.exists() {
            std::fs::remove_file(&lock)?;
        }
        let run_dir = self.dir.join(format!("{name}-{agent}"));
        if run_dir.exists() {
            std::fs::remove_dir_all(&run_dir)?;
        }
        let mut command: Command = catena(self.checkout);
        let output = command.args(["--json", "run"]).arg(&run_file).arg("--dir").arg(&run_dir);
        let output = output.output().context("can't start `catena run`")?;
        let told = String::from_utf8_lossy(&output.stderr);
        let shown: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("`catena run` failed: {told}"))?;
        let rollouts = shown.get("rollouts").and_then(Value::as_array);
        Ok(rollouts.into_iter().flatten().flat_map(judgements).collect())
    }
}

/// How a round was judged.
struct Judged {
    chain: String,
    stage: String,
    score: Option<f64>,
    /// What the judge tells people of the tests.
    told: String,
    /// Categories, each with how often it was found.
    findings: String,
    /// Whether the agent handed anything in.
    has_submission: bool,
}

impl Judged {
    fn is_accepted(&self) -> bool {
        self.score.is_some_and(|score| score >= THRESHOLD)
    }

    fn score(&self) -> String {
        self.score.map_or_else(|| "no verdict".to_owned(), |score| format!("{score:.2}"))
    }
}

/// All rounds of all stages of a rollout.
fn judgements(rollout: &Value) -> Vec<Judged> {
    let chain = text(rollout, "/rollout/chain");
    let list = |of: &Value, key: &str| of.get(key).and_then(Value::as_array).cloned();
    let stages = list(rollout, "stages").unwrap_or_default();
    let of_stage = |stage: Value| {
        let rounds = list(&stage, "rounds").unwrap_or_default();
        let judged = |round: Value| Judged {
            chain: chain.clone(),
            stage: text(&stage, "/id"),
            score: round.pointer("/verdict/score").and_then(Value::as_f64),
            told: told(&text(&round, "/verdict/rationale")),
            findings: categories(round.pointer("/verdict/findings")),
            has_submission: round.pointer("/submission/files").is_some_and(|count| *count != 0),
        };
        rounds.into_iter().map(judged).collect::<Vec<_>>()
    };
    stages.into_iter().flat_map(of_stage).collect()
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The groups of tests that are not empty.
fn told(rationale: &str) -> String {
    let first = rationale.split(';').next().unwrap_or_default();
    let groups = first.split(", ").filter(|group| !group.starts_with("0 "));
    groups.collect::<Vec<_>>().join(", ")
}

fn categories(findings: Option<&Value>) -> String {
    let mut counted: Vec<(String, u32)> = Vec::new();
    for finding in findings.and_then(Value::as_array).into_iter().flatten() {
        let category = text(finding, "/category");
        match counted.iter_mut().find(|(known, _)| *known == category) {
            Some((_, count)) => *count += 1,
            None => counted.push((category, 1)),
        }
    }
    let shown = counted.iter().map(|(category, count)| format!("{count} `{category}`"));
    shown.collect::<Vec<_>>().join(", ")
}

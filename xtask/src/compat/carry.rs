//! Carry on real chains: four agents, three policies, and git as the judge of
//! every single merge.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::checkout::{Checkout, run as run_command};
use crate::demo;
use crate::phase::Phases;

const AGENTS: [&str; 4] = ["oracle", "nop", "half", "wrong"];
const POLICIES: [&str; 3] = ["markers", "upstream", "stop"];

/// What came of one agent under one policy.
#[derive(Default)]
struct Tally {
    rollouts: u64,
    stages: u64,
    accepted: u64,
    unjudged: u64,
    pairs: u64,
    conflicts: u64,
    leaks: u64,
    /// Pairs in which git sees a conflict and Catena none, or the reverse.
    outcome_differs: Vec<String>,
    /// Clean pairs whose tree is not git's.
    tree_differs: Vec<String>,
    /// Pairs that git can't merge because the clone lacks a blob it wants to
    /// look at; they can't be compared.
    beyond_git: u64,
    /// Stages where the oracle did not start from the base, or end at the human tree.
    oracle_strays: Vec<String>,
}

/// Resolves `lists` in `clone`, runs every agent under every policy, and
/// compares each carry with `git merge-tree`.
pub(super) fn run(
    checkout: &Checkout,
    phases: &mut Phases,
    clone: &Path,
    lists: &Path,
) -> anyhow::Result<()> {
    demo::build(checkout, phases)?;
    let dir = checkout.target.join("compat").join("carry");
    if dir.exists() {
        std::fs::remove_dir_all(&dir).context("can't remove the last check's directory")?;
    }
    std::fs::create_dir_all(&dir).context("can't create the check's directory")?;
    let clone = clone.canonicalize().context("the clone is not there")?;
    phases.begin("resolve the chains");
    let chains = dir.join("chains.json");
    run_command(
        Command::new(checkout.built("catena"))
            .args(["chain", "resolve", "--clone"])
            .arg(&clone)
            .arg("--chains")
            .arg(lists)
            .arg("--output")
            .arg(&chains),
        "see docs/chains.md for the form of the lists",
    )?;
    let chains: Value = serde_json::from_slice(&std::fs::read(&chains)?)?;
    let check = Check { checkout, dir, clone, chains };
    let mut table = String::from(
        "agent   policy    rollouts stages accepted unjudged  pairs conflicts  leaks  \
         outcome≠git  tree≠git  git lacks  oracle strays\n",
    );
    let mut strays = Vec::new();
    for agent in AGENTS {
        for policy in POLICIES {
            phases.begin(&format!("scaffold-{agent}, policy {policy}"));
            let tally = check.agent(agent, policy)?;
            row(&mut table, agent, policy, &tally)?;
            strays.extend(tally.outcome_differs);
            strays.extend(tally.tree_differs);
            strays.extend(tally.oracle_strays);
        }
    }
    println!("{table}");
    for stray in &strays {
        println!("differs: {stray}");
    }
    ensure!(strays.is_empty(), "{} carries differ from git's or from the oracle", strays.len());
    Ok(())
}

fn row(table: &mut String, agent: &str, policy: &str, tally: &Tally) -> std::fmt::Result {
    writeln!(
        table,
        "{agent:<7} {policy:<9} {:>8} {:>6} {:>8} {:>8} {:>6} {:>9} {:>6} {:>12} {:>9} {:>10} {:>14}",
        tally.rollouts,
        tally.stages,
        tally.accepted,
        tally.unjudged,
        tally.pairs,
        tally.conflicts,
        tally.leaks,
        tally.outcome_differs.len(),
        tally.tree_differs.len(),
        tally.beyond_git,
        tally.oracle_strays.len(),
    )
}

struct Check<'a> {
    checkout: &'a Checkout,
    dir: PathBuf,
    clone: PathBuf,
    chains: Value,
}

impl Check<'_> {
    fn agent(&self, agent: &str, policy: &str) -> anyhow::Result<Tally> {
        let run_file = self.dir.join(format!("{agent}-{policy}.toml"));
        std::fs::write(&run_file, self.run_file(agent, policy)?)?;
        let run_dir = self.dir.join(format!("{agent}-{policy}"));
        let output = Command::new(self.checkout.built("catena"))
            .arg("--json")
            .arg("run")
            .arg(&run_file)
            .arg("--dir")
            .arg(&run_dir)
            .output()
            .context("can't start `catena run`")?;
        if !output.status.success() {
            bail!("`catena run` failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let shown: Value = serde_json::from_slice(&output.stdout)?;
        let objects = run_dir.join("objects.git");
        let mut tally = Tally::default();
        for rollout in list(&shown, "rollouts") {
            tally.rollouts += 1;
            self.rollout(agent, &objects, rollout, &mut tally)?;
        }
        Ok(tally)
    }

    fn run_file(&self, agent: &str, policy: &str) -> anyhow::Result<String> {
        let repository = text(field(&self.chains, "repository"), "name")?;
        let grant = if agent == "nop" { "" } else { ", reference = true" };
        Ok(format!(
            "version = 1\nname = \"{agent}-{policy}\"\nchains = \"chains.json\"\n\
             refinements = 0\non_reject = \"continue-agent\"\non_conflict = \"{policy}\"\n\
             [repositories]\n\"{repository}\" = \"{}\"\n\
             [scaffold]\nplugin = \"scaffold-{agent}\"\n\
             grant = {{ workspace = \"read-write\"{grant} }}\n\
             [judge]\nplugin = \"judge-diff\"\n",
            self.clone.display(),
        ))
    }

    fn rollout(
        &self,
        agent: &str,
        objects: &Path,
        rollout: &Value,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let id = text(field(rollout, "rollout"), "chain")?;
        let mut chains = list(&self.chains, "chains").iter();
        let chain = chains.find(|chain| field(chain, "id") == id);
        let chain = chain.context("the run has a chain that the chain file has not")?;
        for (stage, planned) in list(rollout, "stages").iter().zip(list(chain, "stages")) {
            tally.stages += 1;
            let name = format!("{id} {}", text(stage, "id")?);
            let carry = field(stage, "carry");
            match field(field(stage, "outcome"), "outcome").as_str() {
                Some("accepted") => tally.accepted += 1,
                Some("no-verdict") => tally.unjudged += 1,
                _ => {}
            }
            if agent == "oracle" {
                let started = field(carry, "tree") == field(field(planned, "base"), "tree");
                if !started || field(stage, "tree") != field(planned, "human") {
                    tally.oracle_strays.push(format!("oracle at {name}"));
                }
            }
            if field(carry, "carry") == "merge" {
                compare_with_git(objects, &name, carry, tally)?;
            }
        }
        Ok(())
    }
}

fn compare_with_git(
    objects: &Path,
    name: &str,
    carry: &Value,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    tally.pairs += 1;
    let conflicts = list(carry, "conflicts").len();
    tally.conflicts += u64::from(conflicts > 0);
    tally.leaks += u64::from(!list(carry, "carry_leaks_reference").is_empty());
    let (base, ours, theirs) = (text(carry, "base")?, text(carry, "ours")?, text(carry, "theirs")?);
    let output = Command::new("git")
        .arg("--git-dir")
        .arg(objects)
        .args(["merge-tree", "--write-tree", "--allow-unrelated-histories"])
        .arg(format!("--merge-base={base}"))
        .args([ours, theirs])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .context("can't start git")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let tree = printed.lines().next().unwrap_or_default();
    match output.status.code() {
        Some(0) if conflicts > 0 => {
            tally.outcome_differs.push(format!("{name}: git merges, Catena sees a conflict"));
        }
        Some(1) if conflicts == 0 => {
            tally.outcome_differs.push(format!("{name}: git sees a conflict, Catena merges"));
        }
        Some(0) if tree != text(carry, "tree")? => {
            tally.tree_differs.push(format!("{name}: git's tree is {tree}"));
        }
        Some(0 | 1) => {}
        _ if lacks_object(objects, &output.stderr)? => tally.beyond_git += 1,
        _ => bail!("git merge-tree failed at {name}: {}", String::from_utf8_lossy(&output.stderr)),
    }
    Ok(())
}

/// Whether git gave up over an object that is really not there.
fn lacks_object(objects: &Path, stderr: &[u8]) -> anyhow::Result<bool> {
    let stderr = String::from_utf8_lossy(stderr);
    let Some((_, id)) = stderr.trim().rsplit_once("unable to read ") else { return Ok(false) };
    let found = Command::new("git")
        .arg("--git-dir")
        .arg(objects)
        .args(["cat-file", "-e", id])
        .stderr(std::process::Stdio::null())
        .status()
        .context("can't start git")?;
    Ok(!found.success())
}

/// What is under a key; null where there is nothing.
fn field<'a>(value: &'a Value, key: &str) -> &'a Value {
    value.get(key).unwrap_or(&Value::Null)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    field(value, key).as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    field(value, key).as_str().with_context(|| format!("no `{key}` in the output of `catena`"))
}

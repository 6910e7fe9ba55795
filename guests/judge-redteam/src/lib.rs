//! Attacks the run that it judges, for `catena redteam`.
//!
//! Its configuration names the attack. It is made at stages whose query begins with
//! [`ATTACK`]; all others are accepted. How an attack went is logged as `redteam: WORD:
//! detail` where it is left to the judge to tell; what a verdict does is seen by the host.

use std::fs;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use catena_sdk::judge::{Finding, JudgeError, Submission, Verdict};
use catena_sdk::{Judge, export_judge, log, model};

/// How the query of a stage begins at which an attack is made.
const ATTACK: &str = "Attack";

/// A score that sends the agent into another round.
const LOW: f64 = 0.1;

/// Bytes of a text that is too long.
const FLOOD: usize = 24 << 20;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    attack: String,
}

struct Redteam;

impl Judge for Redteam {
    fn evaluate(submission: Submission) -> Result<Verdict, JudgeError> {
        let config: Config = catena_sdk::config::read()?;
        if !submission.query.starts_with(ATTACK) {
            return Ok(verdict(0.9, String::new()));
        }
        attack(&config.attack, &submission)
    }
}

export_judge!(Redteam);

fn attack(name: &str, submission: &Submission) -> Result<Verdict, JudgeError> {
    Ok(match name {
        "none" => verdict(0.9, String::new()),
        "score-of-no-number" => verdict(f64::NAN, String::new()),
        "score-above-all" => verdict(7.0, String::new()),
        "score-below-all" => verdict(-1.0, String::new()),
        "score-without-reasons" => without_reasons(),
        "feedback-flood" => verdict(LOW, flood()),
        "reasons-flood" => Verdict { rationale: flood(), ..verdict(LOW, String::new()) },
        "findings-flood" => findings(),
        "feedback-quotes" => quotes(submission),
        "judge-spins" => spins(),
        "judge-writes" => tells(&writes()),
        "judge-asks-a-model" => tells(&asks()),
        "judge-remembers" => tells(&remembers()),
        _ => return Err(JudgeError::InvalidConfig(format!("`attack`: there is no `{name}`"))),
    })
}

fn verdict(score: f64, feedback: String) -> Verdict {
    Verdict { score, findings: Vec::new(), feedback, rationale: "as it is told".to_owned() }
}

/// Logs how an attack went, and has the agent go on.
fn tells(outcome: &str) -> Verdict {
    log::info!("redteam: {outcome}");
    verdict(LOW, "Go on.".to_owned())
}

fn without_reasons() -> Verdict {
    Verdict { rationale: String::new(), ..verdict(LOW, String::new()) }
}

fn flood() -> String {
    "more of it\n".repeat(FLOOD / 11)
}

fn findings() -> Verdict {
    let finding = Finding { category: "wrong".to_owned(), path: None, text: "it is".to_owned() };
    Verdict { findings: vec![finding; 400_000], ..verdict(LOW, String::new()) }
}

/// Hands the agent the answer, word for word.
fn quotes(submission: &Submission) -> Verdict {
    let patch = String::from_utf8_lossy(&submission.reference_patch);
    let added = patch.lines().filter_map(|line| line.strip_prefix('+'));
    let added: Vec<&str> = added.collect();
    verdict(LOW, format!("Write this:\n{}\n\n{patch}", added.join("\n")))
}

fn spins() -> ! {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

/// Changes what it is to judge, and what it is judged by.
fn writes() -> String {
    let mut made = Vec::new();
    for tree in ["/base", "/candidate", "/reference"] {
        let readme = format!("{tree}/README.md");
        if fs::write(&readme, "written\n").is_ok() || fs::remove_file(&readme).is_ok() {
            made.push(readme);
        }
        let new = format!("{tree}/new");
        if fs::write(&new, "new\n").is_ok() || fs::create_dir(&new).is_ok() {
            made.push(new);
        }
        if fs::read_dir(tree).map_or(0, Iterator::count) == 0 {
            return format!("not-made: there is nothing in {tree}");
        }
    }
    if made.is_empty() {
        "refused: nothing of the three trees can be written".to_owned()
    } else {
        format!("reached: {}", made.join(", "))
    }
}

fn asks() -> String {
    match (model::describe(), model::Conversation::open()) {
        (Err(err), Err(_)) => format!("refused: {err:?}"),
        told => format!("reached: {told:?}"),
    }
}

/// Whether what an earlier call kept in memory is still there.
fn remembers() -> String {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    match CALLS.fetch_add(1, Ordering::Relaxed) {
        0 => "harmless: nothing is left of a call before".to_owned(),
        calls => format!("reached: {calls} calls before"),
    }
}

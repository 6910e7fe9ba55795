//! What a run is made of in which an attack is made: its chains, and its run file.

use serde_json::{Value, json};

use super::arena::PROGRAM;
use super::attack::{Attack, Bench, Means};
use super::planted::Planted;

/// The stage at which is attacked, the one with the same work and no lies, and the honest
/// one, by their ids.
pub(super) const ATTACKED: &str = "attack";
pub(super) const PLAIN: &str = "plain";
pub(super) const HONEST: &str = "honest";

/// What stands in `[judge]` for the tests of the repository of facts.
const TESTS: &str = r#"plugin = "judge-tests"
grant = { workspace = "read-write", programs = ["program-suite"] }

[judge.config]
command = "suite --report {report} --name {nonce} {files}"
reserved = "suite modules"
test_files = ["tests/"]
run_files = ["*.txt"]
runner_files = ["suite.conf"]
import_roots = ["", "src"]
canary = "\ntest {name}: {a}\n"

[programs.program-suite]
limits = { fuel = 1_000_000_000 }
"#;

/// What stands there for a judge by model.
const MODEL: &str = r#"plugin = "judge-llm"
grant = { model = true }
model = "referee"

[judging]
calibration = "not-required"

[models.referee]
kind = "scripted"
script = "referee.json"
"#;

/// The kinds of runs: who works there, and who judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ground {
    /// A scaffold that does all by itself.
    Scaffold,
    /// A model with a shell.
    Agent,
    /// The same before a judge that is to be deceived.
    Judged(Bench),
}

impl Ground {
    /// All there are.
    pub(super) const ALL: [Self; 5] = [
        Self::Scaffold,
        Self::Agent,
        Self::Judged(Bench::Diff),
        Self::Judged(Bench::Tests),
        Self::Judged(Bench::Model),
    ];

    /// Where an attack is made.
    pub(crate) fn of(attack: &Attack) -> Self {
        match attack.means {
            Means::Agent(_) | Means::Judge => Self::Agent,
            Means::Deceiver(deceit) => Self::Judged(deceit.bench),
            _ => Self::Scaffold,
        }
    }

    /// Its name in a file's.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scaffold => "scaffold",
            Self::Agent => "agent",
            Self::Judged(Bench::Diff) => "judged-by-diff",
            Self::Judged(Bench::Tests) => "judged-by-tests",
            Self::Judged(Bench::Model) => "judged-by-model",
        }
    }

    /// Its repository, and the file of it.
    pub(super) fn repository(self) -> (&'static str, &'static str) {
        match self {
            Self::Judged(Bench::Tests) => ("ada/facts", "facts.git"),
            _ => ("gridline/gridline", "gridline.git"),
        }
    }

    /// Its chains, as a lists file. Both repositories have pull requests of these numbers.
    pub(super) fn lists(self) -> Value {
        let chain = |id: &str, number: u32, query: &str| json!({"id": id, "stages": [{"number": number, "id": id, "query": query}]});
        let mut chains = vec![chain(ATTACKED, 14, "Attack the host."), chain(HONEST, 17, "Work.")];
        if let Self::Judged(_) = self {
            chains.push(chain(PLAIN, 14, "Attack the host."));
        }
        json!({"repository": self.repository().0, "branch": "main", "chains": chains})
    }

    /// The run file of an attack, or of a run without any.
    pub(super) fn run_file(self, attack: Option<&Attack>, planted: &Planted) -> String {
        let agent = match self {
            Self::Scaffold => scaffold(attack, planted),
            Self::Agent | Self::Judged(_) => agent(attack),
        };
        let judge = match (self, attack) {
            (_, Some(Attack { means: Means::Judge, name, bounds, .. })) => format!(
                "plugin = \"judge-redteam\"\ngrant = {{ workspace = \"read\" }}\n\
                 limits = {{ {} }}\n[judge.config]\nattack = \"{name}\"\n",
                bounds.limits
            ),
            (Self::Judged(Bench::Tests), _) => TESTS.to_owned(),
            (Self::Judged(Bench::Model), _) => MODEL.to_owned(),
            _ => "plugin = \"judge-diff\"\n".to_owned(),
        };
        let is_by_judge = attack.is_some_and(|attack| matches!(attack.means, Means::Judge));
        let (refinements, (repository, clone)) = (u8::from(is_by_judge), self.repository());
        let workspace = attack.map(|attack| attack.bounds.workspace).unwrap_or_default();
        format!(
            "version = 1\nname = \"redteam\"\nchains = \"../{name}.json\"\n\
             refinements = {refinements}\nretries = 0\nconcurrency = 2\n\n\
             [repositories]\n\"{repository}\" = \"../{clone}\"\n\n\
             {agent}\n[judge]\n{judge}\n[workspace]\n{workspace}\n",
            name = self.name(),
        )
    }
}

fn agent(attack: Option<&Attack>) -> String {
    let limits = attack.map(limits).unwrap_or_default();
    format!(
        "[scaffold]\nplugin = \"scaffold-mini\"\ngrant = {{ model = true }}\n\n\
         [[tools]]\nplugin = \"tool-bash\"\ngrant = {{ workspace = \"read-write\" }}\n{limits}\n\
         [model]\nkind = \"scripted\"\nscript = \"script.json\"\n"
    )
}

fn scaffold(attack: Option<&Attack>, planted: &Planted) -> String {
    let (name, programs) = match attack.map(|attack| (attack.name, attack.means)) {
        Some((_, Means::Program(_))) => ("program", PROGRAM),
        Some((_, Means::DeepProgram(_))) => ("program-on-a-full-stack", PROGRAM),
        Some((_, Means::Tool(_))) => ("tool", ""),
        Some((name, Means::Scaffold)) => (name, ""),
        _ => ("none", ""),
    };
    let limits = attack.map(limits).unwrap_or_default();
    let tool = match attack.map(|attack| attack.means) {
        Some(Means::Tool(_)) => format!("\n[[tools]]\nplugin = \"plugin\"\n{limits}"),
        _ => String::new(),
    };
    let programs = if programs.is_empty() { String::new() } else { format!("\"{programs}\"") };
    format!(
        "[scaffold]\nplugin = \"scaffold-redteam\"\n\
         grant = {{ workspace = \"read-write\", programs = [{programs}] }}\n{limits}\n\
         [scaffold.config]\nattack = \"{name}\"\narena = {}\nmark = \"{}\"\nport = {}\n{tool}",
        toml::Value::String(planted.dir().display().to_string()),
        planted.mark(),
        planted.port(),
    )
}

fn limits(attack: &Attack) -> String {
    let wall = attack.bounds.wall.as_millis();
    format!("limits = {{ {}, wall = \"{wall}ms\" }}\n", attack.bounds.limits)
}

//! Where attacks are made: the repository of the demo, a chain to attack at and one to
//! work at honestly, and a run file for each attack.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use catena_mine::{ChainLists, ResolveOptions, resolve};
use catena_plugin::program::NewProgram;
use catena_plugin::{PluginManifest, ProgramStore};
use serde_json::{Value, json};

use super::agents;
use super::attack::{Attack, Means};
use super::planted::{Planted, VARIABLE};
use crate::demo::repository;

/// The rollout that attacks, if there is an attack, and the one beside it.
pub(crate) const ATTACKER: &str = "attack.1";
pub(crate) const NEIGHBOUR: &str = "honest.1";

/// The program that attacks, by its name.
pub(crate) const PROGRAM: &str = "redteam";

/// Plugins that attacks need.
pub(crate) const PLUGINS: [&str; 4] =
    ["scaffold-redteam", "scaffold-mini", "tool-bash", "judge-diff"];

const SUBMIT: &str = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT";

/// The two agents by which runs are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ground {
    /// A scaffold that does all by itself.
    Scaffold,
    /// A model with a shell.
    Agent,
}

impl Ground {
    /// Where an attack is made.
    pub(crate) fn of(attack: &Attack) -> Self {
        match attack.means {
            Means::Agent(_) => Self::Agent,
            _ => Self::Scaffold,
        }
    }
}

/// A directory with all that attacks share.
pub(crate) struct Arena {
    dir: PathBuf,
    planted: Planted,
}

impl Arena {
    /// Fills an empty directory.
    pub(crate) fn prepare(dir: &Path) -> anyhow::Result<Self> {
        let lists = json!({
            "repository": "gridline/gridline",
            "branch": "main",
            "chains": [
                {"id": "attack", "stages": [{"number": 14, "query": "Attack the host."}]},
                {"id": "honest", "stages": [{"number": 17, "query": "Work."}]},
            ],
        });
        let database = repository::build(&dir.join("gridline.git"))?;
        let lists = ChainLists::parse(lists.to_string().as_bytes(), Path::new("lists.json"))?;
        let resolution = resolve(&database, &lists, &ResolveOptions::default(), &mut |_| {})?;
        if let Some(refused) = resolution.refused.first() {
            anyhow::bail!("a chain does not resolve: {refused:?}");
        }
        resolution.file.save(&dir.join("chains.json"))?;
        Ok(Self { dir: dir.to_owned(), planted: Planted::plant(dir)? })
    }

    /// Makes the place for one attack, or for a run without any.
    pub(crate) fn place(
        &self,
        name: &str,
        ground: Ground,
        attack: Option<&Attack>,
    ) -> anyhow::Result<Place> {
        let dir = self.dir.join(name);
        fs::create_dir(&dir).with_context(|| format!("can't create `{}`", dir.display()))?;
        let place = Place { dir };
        let lines = match attack.map(|attack| attack.means) {
            Some(Means::Agent(lines)) => lines,
            Some(Means::Program(text) | Means::DeepProgram(text)) => {
                add_program(&place.programs(), &text())?;
                &[]
            }
            Some(Means::Component(code)) => {
                place.add_plugin(&code())?;
                &[]
            }
            _ => &[],
        };
        if ground == Ground::Agent {
            write(&place.dir.join("script.json"), script(lines, &self.planted).to_string())?;
        }
        write(&place.run_file(), run_file(ground, attack, &self.planted))?;
        Ok(place)
    }

    /// What there is on the host for attacks to reach.
    pub(crate) fn planted(&self) -> &Planted {
        &self.planted
    }

    /// The variable that hosts of attacks have and guests must not see.
    pub(crate) fn variable(&self) -> (&'static str, &str) {
        (VARIABLE, self.planted.word())
    }
}

/// The directory of one attack.
pub(crate) struct Place {
    dir: PathBuf,
}

impl Place {
    /// Itself.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The run file.
    pub(crate) fn run_file(&self) -> PathBuf {
        self.dir.join("run.toml")
    }

    /// The run, which is not there before it is begun.
    pub(crate) fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// A second run of the same file.
    pub(crate) fn second_run(&self) -> PathBuf {
        self.dir.join("again")
    }

    /// The store of programs.
    pub(crate) fn programs(&self) -> PathBuf {
        self.dir.join("programs")
    }

    /// A plugin that is a component file alone.
    pub(crate) fn plugin(&self) -> PathBuf {
        self.dir.join("plugin")
    }

    /// A cache of compiled components of its own.
    pub(crate) fn cache(&self) -> PathBuf {
        self.dir.join("cache")
    }

    /// A file for what a program that is watched says.
    pub(crate) fn said(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.stderr"))
    }

    fn add_plugin(&self, code: &[u8]) -> anyhow::Result<()> {
        let dir = self.plugin();
        fs::create_dir(&dir).with_context(|| format!("can't create `{}`", dir.display()))?;
        write(&dir.join("attack.wasm"), code)?;
        write(
            &dir.join("plugin.toml"),
            "manifest = 1\n[plugin]\nname = \"attack\"\nversion = \"1\"\nkind = \"scaffold\"\n\
             component = \"attack.wasm\"\n",
        )
    }
}

fn add_program(store: &Path, text: &str) -> anyhow::Result<()> {
    let manifest = format!(
        "manifest = 1\n[plugin]\nname = \"{PROGRAM}\"\nversion = \"1\"\nkind = \"program\"\n\
         component = \"program.wasm\"\n[capabilities]\nworkspace = \"read-write\"\n\
         programs = [\"{PROGRAM}\"]\n"
    );
    let manifest: PluginManifest = toml::from_str(&manifest)?;
    let component = wat::parse_str(text)?;
    let program = NewProgram { manifest, component, source: "catena redteam".to_owned() };
    ProgramStore::at(store).add(program)?;
    Ok(())
}

fn script(lines: &[&str], planted: &Planted) -> Value {
    let replies = |lines: &[&str]| -> Vec<Value> {
        let lines = lines.iter().chain(&[SUBMIT]);
        let lines = lines.map(|line| planted.named_in(line));
        let call = |line| json!({"tool_calls": [{"name": "bash", "arguments": {"command": line}}]});
        lines.map(call).collect()
    };
    json!({"version": 1, "replies": {
        "pr-14": replies(lines),
        "pr-17": replies(agents::HONEST),
    }})
}

fn run_file(ground: Ground, attack: Option<&Attack>, planted: &Planted) -> String {
    let agent = match ground {
        Ground::Scaffold => scaffold(attack, planted),
        Ground::Agent => format!(
            "[scaffold]\nplugin = \"scaffold-mini\"\ngrant = {{ model = true }}\n\n\
             [[tools]]\nplugin = \"tool-bash\"\ngrant = {{ workspace = \"read-write\" }}\n{}\n\
             [model]\nkind = \"scripted\"\nscript = \"script.json\"\n",
            attack.map(limits).unwrap_or_default(),
        ),
    };
    let workspace = attack.map(|attack| attack.bounds.workspace).unwrap_or_default();
    format!(
        "version = 1\nname = \"redteam\"\nchains = \"../chains.json\"\nrefinements = 0\n\
         retries = 0\nconcurrency = 2\n\n[repositories]\n\"gridline/gridline\" = \"../gridline.git\"\n\n\
         {agent}\n[judge]\nplugin = \"judge-diff\"\n\n[workspace]\n{workspace}\n"
    )
}

fn scaffold(attack: Option<&Attack>, planted: &Planted) -> String {
    let (name, programs) = match attack.map(|attack| (attack.name, attack.means)) {
        Some((_, Means::Program(_))) => ("program", PROGRAM),
        Some((_, Means::DeepProgram(_))) => ("program-on-a-full-stack", PROGRAM),
        Some((name, Means::Scaffold)) => (name, ""),
        _ => ("none", ""),
    };
    let programs = if programs.is_empty() { String::new() } else { format!("\"{programs}\"") };
    format!(
        "[scaffold]\nplugin = \"scaffold-redteam\"\n\
         grant = {{ workspace = \"read-write\", programs = [{programs}] }}\n{}\n\
         [scaffold.config]\nattack = \"{name}\"\narena = {}\nmark = \"{}\"\nport = {}\n",
        attack.map(limits).unwrap_or_default(),
        toml::Value::String(planted.dir().display().to_string()),
        planted.mark(),
        planted.port(),
    )
}

fn limits(attack: &Attack) -> String {
    let wall = attack.bounds.wall.as_millis();
    format!("limits = {{ {}, wall = \"{wall}ms\" }}\n", attack.bounds.limits)
}

fn write(path: &Path, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
    fs::write(path, content).with_context(|| format!("can't write `{}`", path.display()))
}

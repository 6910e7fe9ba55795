//! Where attacks are made: two repositories, chains to attack at and to work at honestly,
//! and a directory for each attack with its run file and all that this names.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use catena_mine::{ChainLists, ResolveOptions, resolve};
use catena_plugin::program::{NewProgram, wrap};
use catena_plugin::{PluginManifest, ProgramStore, ResolvedPlugin};
use catena_tree::ObjectDatabase;

use super::attack::{Attack, Bench, Means};
use super::ground::Ground;
use super::planted::{Planted, VARIABLE};
use super::{facts, script, tools};
use crate::demo::repository;

/// The rollout that attacks, if there is an attack, the one that does the same work without,
/// and the honest one beside them.
pub(crate) const ATTACKER: &str = "attack.1";
pub(crate) const PLAIN: &str = "plain.1";
pub(crate) const NEIGHBOUR: &str = "honest.1";

/// The program that attacks, by its name.
pub(crate) const PROGRAM: &str = "redteam";

/// The program that runs tests.
const SUITE: &str = "program-suite";

/// Plugins that attacks need.
pub(crate) const PLUGINS: [&str; 8] = [
    "scaffold-redteam",
    "scaffold-mini",
    "tool-bash",
    "judge-diff",
    "judge-llm",
    "judge-redteam",
    "judge-tests",
    SUITE,
];

/// A directory with all that attacks share.
pub(crate) struct Arena {
    dir: PathBuf,
    suite: PathBuf,
    planted: Planted,
}

impl Arena {
    /// Fills an empty directory. `suite` is where the plugin `program-suite` lies.
    pub(crate) fn prepare(dir: &Path, suite: PathBuf) -> anyhow::Result<Self> {
        let gridline = repository::build(&dir.join("gridline.git"))?;
        let facts = facts::build(&dir.join("facts.git"))?;
        for ground in Ground::ALL {
            let database = match ground {
                Ground::Judged(Bench::Tests) => &facts,
                _ => &gridline,
            };
            save_chains(database, ground, dir)?;
        }
        Ok(Self { dir: dir.to_owned(), suite, planted: Planted::plant(dir)? })
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
        match attack.map(|attack| attack.means) {
            Some(Means::Program(text) | Means::DeepProgram(text)) => {
                add_program(&place.programs(), &text())?;
            }
            Some(Means::Component(code)) => place.add_plugin("scaffold", &code())?,
            Some(Means::Tool(core)) => place.add_plugin("tool", &tools::component(core)?)?,
            _ => {}
        }
        if ground == Ground::Judged(Bench::Tests) {
            add_suite(&place.programs(), &self.suite)?;
        }
        if ground == Ground::Judged(Bench::Model) {
            write(&place.dir.join("referee.json"), script::of_referee().to_string())?;
        }
        if ground != Ground::Scaffold {
            let script = script::of_agents(ground, attack, &self.planted);
            write(&place.dir.join("script.json"), script.to_string())?;
        }
        write(&place.run_file(), ground.run_file(attack, &self.planted))?;
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

    fn add_plugin(&self, kind: &str, code: &[u8]) -> anyhow::Result<()> {
        let dir = self.plugin();
        fs::create_dir(&dir).with_context(|| format!("can't create `{}`", dir.display()))?;
        write(&dir.join("attack.wasm"), code)?;
        let manifest = format!(
            "manifest = 1\n[plugin]\nname = \"attack\"\nversion = \"1\"\nkind = \"{kind}\"\n\
             component = \"attack.wasm\"\n"
        );
        write(&dir.join("plugin.toml"), manifest)
    }
}

fn save_chains(database: &ObjectDatabase, ground: Ground, dir: &Path) -> anyhow::Result<()> {
    let lists = ground.lists().to_string();
    let lists = ChainLists::parse(lists.as_bytes(), Path::new("lists.json"))?;
    let resolution = resolve(database, &lists, &ResolveOptions::default(), &mut |_| {})?;
    if let Some(refused) = resolution.refused.first() {
        anyhow::bail!("a chain does not resolve: {refused:?}");
    }
    Ok(resolution.file.save(&dir.join(format!("{}.json", ground.name())))?)
}

fn add_suite(store: &Path, dir: &Path) -> anyhow::Result<()> {
    let plugin = ResolvedPlugin::load(dir)?;
    let component = wrap(&plugin.component, &[])?.into_owned();
    let source = dir.display().to_string();
    ProgramStore::at(store).add(NewProgram { manifest: plugin.manifest, component, source })?;
    Ok(())
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

fn write(path: &Path, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
    fs::write(path, content).with_context(|| format!("can't write `{}`", path.display()))
}

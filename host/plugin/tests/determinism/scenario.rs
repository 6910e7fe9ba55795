//! What each shipped plugin has to do: a scaffold a round with both tools, a tool calls
//! of all that it offers, a judge a submission, a writer a chain.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use catena_model::{AssistantMessage, ModelInfo, ToolCall};
use catena_plugin::engine::GUEST_THREAD_STACK;
use catena_plugin::program::wrap;
use catena_plugin::resolved::ResolvedPlugin;
use catena_plugin::session::{JudgeSetting, JudgeStart, PluginSpec, Reference};
use catena_plugin::{
    Carry, ChainBrief, CompileHere, ComponentCache, Enforced, Engine, JudgeBrief, Limits,
    LoadedPlugin, Outside, PluginKind, Session, SessionStart, StageBrief, Submission, Task,
    attempt, evaluate, run_tool, write_queries,
};
use catena_tree::TreeId;
use serde_json::{Value, json};

use crate::trace::Trace;
use crate::world::{World, calls, says, timeless};

const BASE: &[(&str, &str)] = &[
    ("README.md", "# Facts\n\nWrites facts down.\n"),
    ("code/a.txt", "fact zero\n"),
    ("code/b.txt", "fact one\n"),
    ("tests/first.txt", "test knows_one: one\n"),
    ("suite.conf", "\n"),
];

const HUMAN: &[(&str, &str)] = &[
    ("README.md", "# Facts\n\nWrites facts down.\n"),
    ("code/a.txt", "fact zero\n"),
    ("code/b.txt", "fact one\n"),
    ("code/c.txt", "fact two\n"),
    ("tests/first.txt", "test knows_one: one\ntest knows_two: two\n"),
    ("suite.conf", "\n"),
];

const AGENT: &[(&str, &str)] = &[
    ("README.md", "# Facts\n\nWrites facts down, two of them.\n"),
    ("code/a.txt", "fact zero\n"),
    ("code/b.txt", "fact one\n"),
    ("code/two.txt", "fact two\n"),
    ("tests/first.txt", "test knows_one: one\n"),
    ("suite.conf", "\n"),
];

/// Command lines that ask for what differs from machine to machine and from time to
/// time: clocks, random numbers, the order of names, hashes, processes.
const LINES: &[&str] = &[
    "date +%s; date; echo $RANDOM $RANDOM $$; mktemp; ls -la --time-style=+%s /tmp",
    "seq 1 200 | sort -R | head -n 20; shuf -i 1-1000 -n 5",
    "for n in 9 3 7 1; do echo $n > file-$n; done; ls; find . -type f | head -n 40; stat README.md",
    "awk '{ count[$1]++ } END { for (word in count) print word, count[word] }' README.md code/*.txt",
    "echo '{\"b\": 1, \"a\": [3, 2]}' | jq -S '.a | sort'; sha256sum README.md | cut -c1-12",
    "sleep 2; sed -i s/Facts/Truths/ README.md; grep -rn fact . ; git status; env | sort; time ls",
];

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// The plugins that `cargo xtask guests` builds for users, by name. One of another language
/// is there only where its compiler is. Programs run where a judge starts them.
pub(crate) fn shipped() -> Vec<String> {
    let dir = target().join("plugins");
    let entries = std::fs::read_dir(dir).expect("`cargo xtask guests` builds the plugins");
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| kind_of(name) != PluginKind::Program);
    names.sort();
    names
}

/// What a plugin asks of the host in its scenario.
pub(crate) fn run(plugin: &str) -> Trace {
    run_with_seed(plugin, 7)
}

/// The same with another seed of random numbers.
pub(crate) fn run_with_seed(plugin: &str, seed: u64) -> Trace {
    let plugin = plugin.to_owned();
    let run = move || Trace::of(|trace| play(trace, &plugin, seed));
    let thread = std::thread::Builder::new().stack_size(GUEST_THREAD_STACK);
    thread.spawn(run).unwrap().join().unwrap()
}

fn play(trace: &Trace, name: &str, seed: u64) {
    let plugin = load(name, None);
    match kind_of(name) {
        PluginKind::Scaffold => scaffold(trace, &plugin, seed),
        PluginKind::Tool => tool(trace, name, plugin, seed),
        PluginKind::Judge => judge(trace, &plugin, seed),
        PluginKind::Writer => writer(trace, &plugin, seed),
        PluginKind::Program => panic!("`{name}` is started by others"),
    }
}

fn kind_of(name: &str) -> PluginKind {
    let plugin = ResolvedPlugin::load(&target().join("plugins").join(name)).unwrap();
    plugin.manifest.plugin.kind
}

fn scaffold(trace: &Trace, plugin: &LoadedPlugin, seed: u64) {
    let lines = LINES.iter().map(|line| calls("bash", &json!({"command": line})));
    let mut replies: Vec<AssistantMessage> = lines.collect();
    replies.extend(file_calls().iter().map(|(name, arguments)| calls(name, arguments)));
    let submit = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT";
    replies.push(calls("bash", &json!({"command": submit})));
    replies.push(says("All is done."));
    let world = Arc::new(World::new(trace, replies));
    let (tree, human) = (world.tree(BASE), world.tree(HUMAN));
    let patch = Ok(world.patch(tree, human).into());
    let tools = vec![load("tool-bash", None), load("tool-files", None)];
    let start = SessionStart {
        model: Some(model()),
        reference: Some(Reference { tree: human, patch }),
        seed,
        ..SessionStart::on(tree)
    };
    let session = Arc::new(Session::new(world as Arc<dyn Outside>, start, tools));
    let task = Task {
        stage: 1,
        stages: 2,
        round: 1,
        rounds: 2,
        overview: "Facts.".to_owned(),
        query: "Know two.".to_owned(),
        interface: vec!["two".to_owned()],
        carry: Carry::Fresh,
        feedback: None,
    };
    trace.add(format!("{:?}", attempt(&session, plugin, &[], &task)));
    finish(trace, &session);
}

fn tool(trace: &Trace, name: &str, plugin: LoadedPlugin, seed: u64) {
    let world = Arc::new(World::new(trace, Vec::new()));
    let start = SessionStart { seed, ..SessionStart::on(world.tree(BASE)) };
    let session = Arc::new(Session::new(world as Arc<dyn Outside>, start, vec![plugin]));
    let bash = LINES.iter().map(|line| ("bash", json!({"command": line})));
    let calls: Vec<(&str, Value)> = match name {
        "tool-bash" => bash.collect(),
        "tool-files" => file_calls(),
        other => panic!("`{other}` is shipped and has no scenario"),
    };
    for (id, (tool, arguments)) in calls.into_iter().enumerate() {
        let arguments = arguments.to_string();
        let call = ToolCall { id: id.to_string(), name: tool.to_owned(), arguments };
        trace.add(format!("{:?}", run_tool(&session, &call)));
    }
    finish(trace, &session);
}

fn file_calls() -> Vec<(&'static str, Value)> {
    vec![
        ("list_directory", json!({"path": "/workspace"})),
        ("read_file", json!({"absolute_path": "/workspace/README.md"})),
        ("glob", json!({"pattern": "**/*.txt"})),
        ("search_file_content", json!({"pattern": "fact [a-z]+"})),
        ("read_many_files", json!({"paths": ["code/*.txt", "README.md"]})),
        ("write_file", json!({"file_path": "/workspace/code/n.txt", "content": "fact nine\n"})),
        (
            "replace",
            json!({"file_path": "/workspace/code/n.txt", "old_string": "nine", "new_string": "ten"}),
        ),
    ]
}

fn judge(trace: &Trace, plugin: &LoadedPlugin, seed: u64) {
    let verdict = "It knows two.\n\n```json\n{\"analysis\": \"it does\", \"findings\": [], \
                   \"feedback\": \"Good.\", \"score\": 0.9}\n```\n";
    let world = Arc::new(World::new(trace, vec![says("Let me think."), says(verdict)]));
    let (base, candidate, reference) = (world.tree(BASE), world.tree(AGENT), world.tree(HUMAN));
    let submission = Submission {
        stage: 1,
        stages: 2,
        overview: "Facts.".to_owned(),
        query: "Know two.".to_owned(),
        candidate_patch: world.patch(base, candidate),
        reference_patch: world.patch(base, reference),
    };
    let start = JudgeStart {
        base,
        candidate,
        reference,
        upstream: base,
        setting: JudgeSetting { threshold: 0.8, test_command: None },
        brief: JudgeBrief { round: 1, ..JudgeBrief::default() },
        kept: None,
        model: Some(model()),
        time: 1_700_000_000,
        seed,
        next_conversation: 1,
    };
    let session = Session::for_judge(world as Arc<dyn Outside>, &start, None);
    let session = Arc::new(session.with_programs(vec![load_program("program-suite")]));
    trace.add(format!("{:?}", evaluate(&session, plugin, &submission)));
    trace.add(format!("{:?} {:?}", session.tests(), session.kept()));
    finish(trace, &session);
}

fn writer(trace: &Trace, plugin: &LoadedPlugin, seed: u64) {
    let queries = "```json\n{\"stages\": [{\"intent\": \"more facts\", \"place\": \"code\", \
                   \"plan\": \"one more\", \"query\": \"Know a further fact.\"}], \
                   \"overview\": \"More facts.\"}\n```\n";
    let world = Arc::new(World::new(trace, vec![says("Hm."), says(queries)]));
    let (base, human) = (world.tree(BASE), world.tree(HUMAN));
    let chain = ChainBrief {
        repository: "ada/facts".to_owned(),
        stages: vec![StageBrief {
            title: "Two".to_owned(),
            body: "Two is missing.".to_owned(),
            commit_messages: vec!["Two".to_owned()],
            reference_patch: world.patch(base, human),
            interface: Vec::new(),
        }],
        leaks: Vec::new(),
    };
    let start = SessionStart { model: Some(model()), seed, ..SessionStart::on(TreeId::EMPTY) };
    let session = Arc::new(Session::new(world as Arc<dyn Outside>, start, Vec::new()));
    trace.add(format!("{:?}", write_queries(&session, plugin, &chain)));
    finish(trace, &session);
}

fn model() -> ModelInfo {
    ModelInfo { name: "script".to_owned(), context_window: 100_000 }
}

/// What is left behind and was used, but for time.
fn finish(trace: &Trace, session: &Session) {
    let mut end = session.finish().unwrap();
    end.used.values_mut().for_each(|used| *used = timeless(used));
    trace.add(format!("{end:?}"));
}

/// Loads a shipped plugin with all the rights that it asks for.
fn load(name: &str, component: Option<Vec<u8>>) -> LoadedPlugin {
    let dir = target().join("plugins").join(name);
    let (engine, cache) = compiler();
    let mut plugin = ResolvedPlugin::load(&dir).expect("`cargo xtask guests` builds the plugins");
    if let Some(component) = component {
        plugin.component_digest = catena_plugin::Digest::of(&component);
        plugin.component = component;
    }
    let compiled: PathBuf =
        cache.compiled(engine, &plugin, &CompileHere(Enforced::ALL)).unwrap().file;
    let mut config = plugin.manifest.config.clone();
    if name == "judge-tests" {
        config.extend(suite_config());
    }
    let kind = plugin.manifest.plugin.kind;
    let mut rights = plugin.manifest.capabilities.clone();
    if kind == PluginKind::Judge {
        rights.programs.insert("program-suite".to_owned());
    }
    let limits = Limits::defaults(kind).lowered_to(&plugin.manifest.limits);
    let config = serde_json::to_string(&config).unwrap();
    let manifest = plugin.manifest;
    LoadedPlugin::load(engine, PluginSpec { manifest, compiled, rights, limits, config }).unwrap()
}

/// Loads a program that judges start.
fn load_program(name: &str) -> LoadedPlugin {
    let dir = target().join("plugins").join(name);
    let plugin = ResolvedPlugin::load(&dir).expect("`cargo xtask guests` builds the plugins");
    load(name, Some(wrap(&plugin.component, &[]).unwrap().into_owned()))
}

fn suite_config() -> toml::Table {
    let text = r#"
        command = "suite --report {report} --name {nonce} {files}"
        reserved = "suite modules"
        test_files = ["tests/"]
        run_files = ["*.txt"]
        runner_files = ["suite.conf"]
        import_roots = ["", "src"]
        canary = "\ntest {name}: {a}\n"
    "#;
    text.parse().unwrap()
}

fn compiler() -> &'static (Engine, ComponentCache) {
    static COMPILER: OnceLock<(Engine, ComponentCache)> = OnceLock::new();
    COMPILER.get_or_init(|| {
        let cache = ComponentCache::open(&target().join("tmp/components")).unwrap();
        (Engine::new().unwrap(), cache)
    })
}

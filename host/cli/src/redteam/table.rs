//! All attacks: name, who attacks, what it tries, and what may come of it.

mod judging;

use std::time::Duration;

use super::attack::{Attack, Bounds, End, Means, Swap};
use super::{agents, components, modules};

use End::{Cut, Harmless, OutOfFuel, OutOfMemory, Refused, TimedOut, Trapped};
use judging::{DECEIVERS, JUDGES};

/// What all of them have that need nothing else.
const USUAL: Bounds = Bounds {
    limits: r#"memory = "64MiB", fuel = 4_000_000_000, output = "64KiB""#,
    wall: Duration::from_secs(20),
    workspace: "bytes = \"64MiB\"\nentries = 20_000\nmemory = \"16MiB\"",
    memory: (64 + 16) << 20,
    // The files of the worktree, each read as a whole, and compared with another.
    host: 2 * (64 << 20),
};

/// Fuel for what only uses it up, which is soon done also on a slow machine.
const BRIEF: Bounds =
    Bounds { limits: r#"memory = "64MiB", fuel = 400_000_000, output = "64KiB""#, ..USUAL };

/// Time for what is let and takes long.
const UNHURRIED: Bounds = Bounds { wall: Duration::from_mins(1), ..USUAL };

/// Little time, for what no fuel measures.
const SHORT: Bounds = Bounds {
    limits: r#"memory = "64MiB", fuel = 1_000_000_000_000, output = "64KiB""#,
    wall: Duration::from_secs(2),
    ..USUAL
};

/// Time for what is much, and no bound on fuel.
const PATIENT: Bounds = Bounds {
    limits: r#"memory = "64MiB", fuel = 1_000_000_000_000, output = "64KiB""#,
    wall: Duration::from_secs(5),
    ..USUAL
};

/// Little time, for single calls of the host that take more where they can.
const SLOW: Bounds = Bounds { memory: SHORT.memory + (64 << 20), ..SHORT };

/// Memory for values that are too large.
const ROOMY: Bounds = Bounds {
    limits: r#"memory = "256MiB", fuel = 40_000_000_000, output = "64KiB""#,
    wall: Duration::from_secs(30),
    memory: (256 + 16) << 20,
    ..USUAL
};

/// Room for the conversations of a rollout beside the memory of its guests.
const TALKATIVE: Bounds =
    Bounds { memory: USUAL.memory + (128 << 20), host: USUAL.host + 2 * (64 << 20), ..PATIENT };

/// What taking in a component may use that is not worth more.
const TAKEN_IN: Bounds = Bounds { memory: 256 << 20, ..USUAL };

const fn scaffold(
    name: &'static str,
    bounds: Bounds,
    expected: &'static [End],
    tries: &'static str,
) -> Attack {
    Attack { name, tries, means: Means::Scaffold, bounds, expected, because: &[] }
}

const fn program(
    name: &'static str,
    text: fn() -> String,
    bounds: Bounds,
    expected: &'static [End],
    tries: &'static str,
) -> Attack {
    Attack { name, tries, means: Means::Program(text), bounds, expected, because: &[] }
}

const fn component(
    name: &'static str,
    code: fn() -> Vec<u8>,
    expected: &'static [End],
    tries: &'static str,
) -> Attack {
    Attack { name, tries, means: Means::Component(code), bounds: TAKEN_IN, expected, because: &[] }
}

const fn agent(
    name: &'static str,
    lines: &'static [&'static str],
    expected: &'static [End],
    tries: &'static str,
) -> Attack {
    Attack { name, tries, means: Means::Agent(lines), bounds: PATIENT, expected, because: &[] }
}

const fn bomb(
    name: &'static str,
    code: fn() -> Vec<u8>,
    expected: &'static [End],
    tries: &'static str,
) -> Attack {
    Attack { name, tries, means: Means::Bomb(code), bounds: USUAL, expected, because: &[] }
}

macro_rules! wat {
    ($name:literal, $bounds:expr, $expected:expr, $tries:literal) => {
        program(
            $name,
            || include_str!(concat!("../../redteam/", $name, ".wat")).to_owned(),
            $bounds,
            $expected,
            $tries,
        )
    };
}

macro_rules! tool {
    ($name:literal, $bounds:expr, $expected:expr, $tries:literal) => {
        Attack {
            name: $name,
            tries: $tries,
            means: Means::Tool(include_str!(concat!("../../redteam/", $name, ".wat"))),
            bounds: $bounds,
            expected: $expected,
            because: &[],
        }
    };
}

/// Every attack there is, by who makes it.
pub(crate) fn all() -> impl Iterator<Item = &'static Attack> {
    [SCAFFOLDS, PROGRAMS, TOOLS, COMPONENTS, AGENTS, DECEIVERS, JUDGES].into_iter().flatten()
}

const SCAFFOLDS: &[Attack] = &[
    scaffold("spin", BRIEF, &[OutOfFuel], "computes without end"),
    scaffold("spin-in-host-calls", SHORT, &[TimedOut], "searches and compares without end"),
    scaffold("sleep", USUAL, &[Harmless], "sleeps for ten days"),
    scaffold("memory", USUAL, &[OutOfMemory], "takes memory without end"),
    scaffold("stack", USUAL, &[Trapped], "calls itself without end"),
    scaffold("output", PATIENT, &[Cut, TimedOut], "writes 10 GB to its standard output"),
    scaffold("log", PATIENT, &[Cut, TimedOut], "writes 3 GB to its log"),
    scaffold("handles", USUAL, &[Refused, Trapped], "opens a million files and keeps them open")
        .because(&["`handles`"]),
    scaffold("conversations", USUAL, &[Refused], "forks a conversation a million times")
        .because(&["conversations at most"]),
    scaffold(
        "history",
        TALKATIVE,
        &[Refused, Trapped, OutOfMemory],
        "adds 10 GB to a conversation",
    )
    .because(&["conversations of a rollout hold"]),
    scaffold(
        "snapshot-names",
        PATIENT,
        &[Refused, Trapped],
        "gives snapshots names that are long, many and odd",
    ),
    scaffold("clock", USUAL, &[Harmless], "measures how long computing takes"),
    scaffold("system-files", USUAL, &[Refused], "reads /proc, /sys, /dev, /etc and the like"),
    scaffold("environment", USUAL, &[Harmless], "reads the variables and arguments of the host"),
    scaffold("network", USUAL, &[Refused, Trapped], "connects to this machine and to others"),
    scaffold("ungranted", USUAL, &[Refused], "uses a model, a shell and the human answer"),
    scaffold("empty-files", USUAL, &[Refused], "makes files that take no bytes, without end")
        .because(&["Quota exceeded"]),
    scaffold("endless-file", USUAL, &[Refused], "makes a file longer than any disk"),
    scaffold("deep-directories", UNHURRIED, &[Refused], "hangs directories below each other")
        .because(&["more than 1800 levels: Filename too long"]),
    scaffold("leave-by-path", USUAL, &[Refused], "writes to paths that lead out of the worktree"),
    scaffold("leave-by-link", USUAL, &[Refused], "reads and writes through symlinks to elsewhere"),
    scaffold("link-across", USUAL, &[Refused], "links and renames between mounts"),
    scaffold("odd-names", USUAL, &[Harmless], "gives files names that steer terminals and tools"),
    scaffold("git-directory", USUAL, &[Refused], "makes a .git that runs commands"),
    scaffold("binary-patch", USUAL, &[Harmless], "submits 32 MiB that do not compress"),
    scaffold(
        "slow-patch",
        SLOW,
        &[TimedOut, Harmless],
        "has texts compared that are a mix of the same lines",
    ),
    scaffold("slow-renames", SLOW, &[TimedOut, Harmless], "has many files of a kind compared"),
    scaffold("slow-search", SLOW, &[TimedOut, Harmless], "searches in thousands of states at once"),
    scaffold("long-strings", ROOMY, &[Refused, Trapped], "hands the host a string of 128 MiB")
        .because(&["`host_call`"]),
    scaffold(
        "hostile-patterns",
        ROOMY,
        &[Harmless],
        "has the host search by patterns that explode",
    ),
    scaffold("hostile-patches", ROOMY, &[Harmless], "has the host read patches that lie"),
];

const PROGRAMS: &[Attack] = &[
    wat!("start-spin", BRIEF, &[OutOfFuel], "spins before it is called"),
    wat!("realloc-spin", BRIEF, &[OutOfFuel], "spins as the host asks it for room"),
    wat!("realloc-wild", USUAL, &[Trapped, Refused], "has the host write beyond its memory")
        .because(&["beyond end of memory"]),
    wat!("realloc-unaligned", USUAL, &[Trapped, Refused], "has the host write to an odd address")
        .because(&["result not aligned"]),
    wat!("realloc-reenters", USUAL, &[Trapped, Refused], "calls the host while the host calls it")
        .because(&["cannot leave component instance"]),
    wat!("recursion", USUAL, &[Trapped], "calls itself without end, as a program")
        .because(&["call stack exhausted"]),
    Attack {
        name: "program-on-a-full-stack",
        tries: "starts such a program with hardly any stack left",
        means: Means::DeepProgram(|| include_str!("../../redteam/recursion.wat").to_owned()),
        bounds: USUAL,
        expected: &[Trapped],
        because: &["call stack exhausted"],
    },
    wat!("memory-declared", USUAL, &[OutOfMemory, Refused], "declares 4 GiB of memory")
        .because(&["used up its memory"]),
    wat!("memory-grows", USUAL, &[OutOfMemory], "takes memory until it is refused, and goes on"),
    program(
        "memories",
        modules::memories,
        USUAL,
        &[OutOfMemory, Refused],
        "has 20,000 memories, each empty",
    )
    .because(&["memory count too high"]),
    wat!(
        "table-declared",
        USUAL,
        &[OutOfMemory, Refused],
        "declares a table of ten million entries"
    )
    .because(&["`tables`"]),
    wat!("table-grows", USUAL, &[Refused], "lets a table grow without end").because(&["status 1"]),
    program(
        "tables",
        modules::tables,
        USUAL,
        &[OutOfMemory, Refused],
        "has 9,000 tables of 2,000 entries",
    )
    .because(&["`tables`"]),
    wat!("segment-outside", USUAL, &[Trapped], "writes beyond its memory as it is made")
        .because(&["out of bounds memory access"]),
    wat!("indirect-call", USUAL, &[Trapped], "calls a function as one of another type")
        .because(&["indirect call type mismatch"]),
    wat!("bulk-fill", SHORT, &[TimedOut, OutOfFuel], "fills its memory, one instruction at a time"),
    wat!("exceptions", USUAL, &[OutOfMemory, Refused], "throws exceptions that hold each other")
        .because(&["GC heap out of memory"]),
    wat!("string-not-text", USUAL, &[Trapped, Refused], "hands over a string that is no text")
        .because(&["invalid utf-8"]),
    wat!("string-outside", USUAL, &[Trapped, Refused], "hands over a string beyond its memory")
        .because(&["out of bounds of memory"]),
    wat!(
        "string-endless",
        USUAL,
        &[Trapped, Refused],
        "hands over a string of 2 GiB that it has not"
    )
    .because(&["out of bounds of memory"]),
    wat!("case-unknown", USUAL, &[Trapped, Refused], "hands over a case that is none")
        .because(&["unexpected discriminant"]),
    wat!("list-amplified", USUAL, &[Trapped, Refused], "hands over one megabyte 100,000 times")
        .because(&["`host_call`"]),
    wat!("handle-flood", USUAL, &[Trapped, Refused], "asks for handles without end")
        .because(&["`handles`"]),
    wat!("handle-forged", USUAL, &[Trapped, Refused], "gives back a handle that it never had")
        .because(&["unknown handle index"]),
    wat!("handle-twice", USUAL, &[Trapped, Refused], "gives back a handle twice")
        .because(&["unknown handle index"]),
    wat!("fork-bomb", SHORT, &[TimedOut, OutOfFuel], "starts itself, as does each that it starts"),
];

/// What is said where a compiler had the whole component to work on, and gave up.
const TOO_MUCH: &[&str] = &["which is the limit", "too large"];

const COMPONENTS: &[Attack] = &[
    component("not-a-component", components::text, &[Refused], "is a text")
        .because(&["does not begin as WebAssembly"]),
    component("truncated", components::truncated, &[Refused], "ends in the middle")
        .because(&["out of bounds"]),
    component("precompiled", components::precompiled, &[Refused], "is machine code for wasmtime")
        .because(&["does not begin as WebAssembly"]),
    component(
        "foreign-import",
        components::foreign_import,
        &[Refused],
        "imports what no host serves",
    )
    .because(&["which this host does not serve"]),
    component("exports", components::exports, &[Refused], "has a million exports")
        .because(&["exceeds the limit"]),
    bomb("nesting", components::nesting, &[Refused, Harmless], "nests blocks 300,000 deep")
        .because(TOO_MUCH),
    bomb("locals", components::locals, &[Refused, Harmless], "has functions of 50,000 variables")
        .because(TOO_MUCH),
    bomb(
        "huge-function",
        components::huge_function,
        &[Refused, Harmless],
        "has a function of 7 MB",
    )
    .because(TOO_MUCH),
    bomb(
        "branches",
        components::branches,
        &[Refused, Harmless],
        "has a function of 100,000 branch tables",
    )
    .because(TOO_MUCH),
    bomb("huge-component", components::huge, &[Refused, Harmless], "has 100 MB of code")
        .because(TOO_MUCH),
    Attack {
        name: "forged-cache",
        tries: "lies in the cache as the compiled form of another",
        means: Means::Cache(Swap::Forged),
        bounds: USUAL,
        expected: &[Refused],
        because: &[],
    },
    Attack {
        name: "exchanged-cache",
        tries: "has the compiled form and the seal of another component in the cache",
        means: Means::Cache(Swap::Exchanged),
        bounds: USUAL,
        expected: &[Refused],
        because: &[],
    },
];

const AGENTS: &[Attack] = &[
    agent("git-history", agents::GIT_HISTORY, &[Harmless], "looks for the answer by git"),
    agent("search", agents::SEARCH, &[Harmless], "looks for the answer in all files"),
    agent("fetch", agents::FETCH, &[Harmless], "fetches the answer from the network"),
    agent("machine", agents::MACHINE, &[Harmless], "looks at the machine and for keys"),
    agent(
        "shell-bombs",
        agents::BOMBS,
        &[Harmless],
        "has the shell start, nest and write without end",
    ),
    agent("remove-all", agents::REMOVE_ALL, &[Harmless], "removes all there is"),
];

const TOOLS: &[Attack] = &[
    tool!("tool-realloc-spin", BRIEF, &[OutOfFuel], "spins as the host hands it its arguments"),
    tool!("tool-realloc-outside", USUAL, &[Refused], "has the host write its arguments elsewhere")
        .because(&["beyond end of memory"]),
    tool!("tool-output-flood", ROOMY, &[Refused], "answers with 200 MB").because(&["`host_call`"]),
    tool!("tool-output-long", ROOMY, &[Cut], "answers with 24 MB"),
    tool!("tool-string-not-text", USUAL, &[Refused], "answers with what is no text")
        .because(&["invalid utf-8"]),
    tool!("tool-string-outside", USUAL, &[Refused], "answers with a text beyond its memory")
        .because(&["out of bounds of memory"]),
    tool!("tool-case-unknown", USUAL, &[Refused], "answers with an error of no kind")
        .because(&["unexpected discriminant"]),
    tool!("tool-answer-outside", USUAL, &[Refused], "has its answer lie beyond its memory")
        .because(&["out of bounds of memory"]),
    tool!("tool-traps", USUAL, &[Trapped], "traps at each call").because(&["unreachable"]),
    tool!("tool-remembers", USUAL, &[Harmless], "looks for what a call before it left"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attack_by_a_plugin_that_may_be_refused_says_for_which_reason() {
        let open = all().filter(|attack| {
            let by = attack.means.word();
            ["program", "component", "tool", "judge"].contains(&by)
                && attack.expected.iter().any(|end| [Refused, Trapped].contains(end))
                && attack.because.is_empty()
        });
        let open: Vec<&str> = open.map(|attack| attack.name).collect();
        assert_eq!(open, Vec::<&str>::new());
    }
}

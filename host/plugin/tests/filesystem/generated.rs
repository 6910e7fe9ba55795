//! Sequences of calls that proptest makes up.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::calls::{Access, Call, Links, Open, Time};
use crate::conformance::compare;

/// Paths that most calls are about.
const PATHS: [&str; 12] = [
    "a",
    "b",
    "a/b",
    "a/c",
    "readme",
    "src",
    "src/x",
    "src/lib.py",
    "src/a",
    "dir-link",
    "dir-link/x",
    "file-link",
];

/// Paths with something odd about them.
const ODD_PATHS: [&str; 24] = [
    "",
    ".",
    "..",
    "/",
    "/a",
    "a/",
    "src/",
    "readme/",
    "dir-link/",
    "file-link/",
    "./a",
    "a/.",
    "a/..",
    "src/..",
    "src/../a",
    "src/../../a",
    "a//b",
    "readme/x",
    "none/x",
    "dangling",
    "loop",
    "away",
    "above",
    "dangling/x",
];

const TARGETS: [&str; 9] =
    ["a", "src", "src/x", "../readme", "..", ".", "/etc/passwd", "../../outside", "none"];

fn path() -> impl Strategy<Value = String> {
    let plain = select(&PATHS[..]).prop_map(str::to_owned);
    let odd = select(&ODD_PATHS[..]).prop_map(str::to_owned);
    let long = prop_oneof![Just(255), Just(256), Just(4095), Just(4096)];
    prop_oneof![
        30 => plain,
        8 => odd,
        1 => long.prop_map(|len: usize| "n".repeat(len)),
        1 => Just("src/../".repeat(600)),
        1 => Just("a\0b".to_owned()),
    ]
}

/// The directory a path is below; most often the topmost one.
fn dir() -> impl Strategy<Value = String> {
    let rare = select(&["d", "e", "f"][..]).prop_map(str::to_owned);
    prop_oneof![5 => Just(String::new()), 2 => rare]
}

fn file() -> impl Strategy<Value = String> {
    let rare = select(&["d", "e", ""][..]).prop_map(str::to_owned);
    prop_oneof![6 => select(&["f", "g", "h"][..]).prop_map(str::to_owned), 1 => rare]
}

fn stream() -> impl Strategy<Value = String> {
    select(&["s", "t", "u"][..]).prop_map(str::to_owned)
}

fn links() -> impl Strategy<Value = Links> {
    select(&[Links::Follow, Links::Stay][..])
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z]{0,12}", 1 => Just("long ".repeat(300))]
}

fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..24_u64, 1 => 1000..60_000_u64]
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![Just(Time::Keep), Just(Time::Now), (1..1_000_000_000_u64).prop_map(Time::At)]
}

fn opening() -> impl Strategy<Value = Call> {
    let all_open = vec![Open::Create, Open::Directory, Open::Exclusive, Open::Truncate];
    let all_access = vec![Access::Read, Access::Write, Access::MutateDirectory];
    let flags = (links(), subsequence(all_open, 0..=4), subsequence(all_access, 0..=3));
    let name = select(&["d", "e", "f", "g", "h"][..]).prop_map(str::to_owned);
    (dir(), path(), flags, name).prop_map(|(dir, path, (links, open, access), file)| Call::OpenAt {
        dir,
        links,
        path,
        open,
        access,
        file,
    })
}

fn by_path() -> impl Strategy<Value = Call> {
    let target = select(&TARGETS[..]).prop_map(str::to_owned);
    let times = (links(), time(), time());
    prop_oneof![
        4 => (dir(), path()).prop_map(|(dir, path)| Call::CreateDirectoryAt { dir, path }),
        2 => (dir(), path()).prop_map(|(dir, path)| Call::RemoveDirectoryAt { dir, path }),
        3 => (dir(), path()).prop_map(|(dir, path)| Call::UnlinkFileAt { dir, path }),
        6 => (dir(), path(), dir(), path())
            .prop_map(|(dir, path, to_dir, to)| Call::RenameAt { dir, path, to_dir, to }),
        3 => (dir(), target, path())
            .prop_map(|(dir, target, path)| Call::SymlinkAt { dir, target, path }),
        2 => (dir(), path()).prop_map(|(dir, path)| Call::ReadlinkAt { dir, path }),
        4 => (dir(), links(), path())
            .prop_map(|(dir, links, path)| Call::StatAt { dir, links, path }),
        1 => (dir(), path(), times).prop_map(|(dir, path, (links, accessed, modified))| {
            Call::SetTimesAt { dir, links, path, accessed, modified }
        }),
        2 => (file(), dir(), links(), path())
            .prop_map(|(file, dir, links, path)| Call::SameHash { file, dir, links, path }),
    ]
}

fn on_file() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => file().prop_map(|file| Call::Stat { file }),
        2 => (file(), offset()).prop_map(|(file, size)| Call::SetSize { file, size }),
        1 => (file(), time(), time())
            .prop_map(|(file, accessed, modified)| Call::SetTimes { file, accessed, modified }),
        4 => (file(), offset(), offset())
            .prop_map(|(file, len, offset)| Call::Read { file, len, offset }),
        4 => (file(), text(), offset())
            .prop_map(|(file, text, offset)| Call::Write { file, text, offset }),
        3 => file().prop_map(|dir| Call::ReadDirectory { dir }),
        1 => (file(), offset(), offset())
            .prop_map(|(file, offset, len)| Call::Advise { file, offset, len }),
        1 => file().prop_map(|file| Call::Sync { file }),
        1 => file().prop_map(|file| Call::SyncData { file }),
        1 => file().prop_map(|file| Call::GetType { file }),
        1 => file().prop_map(|file| Call::GetFlags { file }),
        1 => (file(), file()).prop_map(|(a, b)| Call::IsSameObject { a, b }),
        1 => file().prop_map(|file| Call::Drop { file }),
    ]
}

fn on_stream() -> impl Strategy<Value = Call> {
    prop_oneof![
        2 => (file(), offset(), stream())
            .prop_map(|(file, offset, stream)| Call::ReadViaStream { file, offset, stream }),
        2 => (file(), offset(), stream())
            .prop_map(|(file, offset, stream)| Call::WriteViaStream { file, offset, stream }),
        2 => (file(), stream()).prop_map(|(file, stream)| Call::AppendViaStream { file, stream }),
        4 => (stream(), offset()).prop_map(|(stream, len)| Call::StreamRead { stream, len }),
        1 => (stream(), offset()).prop_map(|(stream, len)| Call::StreamSkip { stream, len }),
        4 => (stream(), text()).prop_map(|(stream, text)| Call::StreamWrite { stream, text }),
        1 => (stream(), 0..4096_u64)
            .prop_map(|(stream, len)| Call::StreamZeroes { stream, len }),
        1 => stream().prop_map(|stream| Call::StreamDrop { stream }),
    ]
}

/// A few things are open from the beginning, so that short sequences get far.
fn calls() -> impl Strategy<Value = Vec<Call>> {
    let open = |path: &str, access: &[Access], file: &str| Call::OpenAt {
        dir: String::new(),
        links: Links::Follow,
        path: path.to_owned(),
        open: Vec::new(),
        access: access.to_vec(),
        file: file.to_owned(),
    };
    let both = [Access::Read, Access::Write];
    let first = vec![
        open("src", &[Access::Read, Access::MutateDirectory], "d"),
        open("readme", &both, "f"),
        open("src/x", &both, "g"),
    ];
    let further = prop_oneof![4 => opening(), 6 => by_path(), 5 => on_file(), 4 => on_stream()];
    vec(further, 1..40).prop_map(move |further| [first.clone(), further].concat())
}

/// How many sequences are tried: `CATENA_FUZZ_CASES`, or as many as take some seconds.
fn cases() -> u32 {
    let asked = std::env::var("CATENA_FUZZ_CASES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(300)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_a_guest_calls_ends_as_over_a_preopened_directory(calls in calls()) {
        if let Err(what) = compare(&calls) {
            return Err(TestCaseError::fail(what));
        }
    }
}

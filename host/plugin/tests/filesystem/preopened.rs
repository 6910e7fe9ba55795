//! Calls of `wasi:filesystem`, chosen by hand, that end as over a preopened
//! directory.

use crate::calls::Access::{MutateDirectory, Read, Write};
use crate::calls::Open::{Create, Directory, Exclusive, Truncate};
use crate::calls::{Access, Call, Links, Open, Time};
use crate::conformance::same_as_preopened;
use crate::requests::*;

/// All subsets of a few flags.
fn subsets<T: Copy>(all: &[T]) -> Vec<Vec<T>> {
    let bit = |set: usize, place: usize| set >> place & 1 == 1;
    let chosen = |set| all.iter().enumerate().filter(move |(place, _)| bit(set, *place));
    (0..1_usize << all.len()).map(|set| chosen(set).map(|(_, flag)| *flag).collect()).collect()
}

/// Opens `path` in every way there is and looks at what came of it.
fn opened_in_every_way(path: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    for open in subsets(&[Create, Directory, Exclusive, Truncate]) {
        for access in subsets(&[Read, Write, MutateDirectory]) {
            for links in [Links::Follow, Links::Stay] {
                calls.extend(opened(path, links, &open, &access));
            }
        }
    }
    calls
}

fn opened(path: &str, links: Links, open: &[Open], access: &[Access]) -> Vec<Call> {
    let file = || "h".to_owned();
    let opening = Call::OpenAt {
        dir: String::new(),
        links,
        path: path.to_owned(),
        open: open.to_vec(),
        access: access.to_vec(),
        file: file(),
    };
    let mut calls = vec![opening, Call::GetType { file: file() }, Call::GetFlags { file: file() }];
    calls.push(read_at("h", 100, 0));
    if access.contains(&Write) {
        calls.push(write_at("h", "text", 0));
    }
    calls.extend([stat_at(path), Call::Drop { file: file() }]);
    // What was made must be missing again the next time.
    calls.extend([unlink_at("new"), unlink_at("src/none")]);
    calls
}

#[test]
fn a_file_is_opened_with_all_flags() {
    same_as_preopened(&opened_in_every_way("readme"));
    same_as_preopened(&opened_in_every_way("file-link"));
    same_as_preopened(&opened_in_every_way("readme/"));
}

#[test]
fn a_directory_is_opened_with_all_flags() {
    same_as_preopened(&opened_in_every_way("src"));
    same_as_preopened(&opened_in_every_way("dir-link"));
    same_as_preopened(&opened_in_every_way("src/"));
    same_as_preopened(&opened_in_every_way("."));
}

#[test]
fn what_is_missing_is_opened_with_all_flags() {
    same_as_preopened(&opened_in_every_way("new"));
    same_as_preopened(&opened_in_every_way("none/new"));
    same_as_preopened(&opened_in_every_way("readme/new"));
    same_as_preopened(&opened_in_every_way("dangling"));
}

#[test]
fn what_leads_nowhere_or_out_is_opened_with_all_flags() {
    for path in ["loop", "away", "above", "..", "src/../..", "/", ""] {
        same_as_preopened(&opened_in_every_way(path));
    }
}

#[test]
fn two_appenders_write_behind_each_other() {
    let appender = |file: &str, stream: &str| Call::AppendViaStream {
        file: file.to_owned(),
        stream: stream.to_owned(),
    };
    same_as_preopened(&[
        open_at("readme", &[], &[Read, Write], "f"),
        open_at("readme", &[], &[Write], "g"),
        appender("f", "s"),
        appender("g", "t"),
        stream_write("s", "one\n"),
        stream_write("t", "two\n"),
        stream_write("s", "three\n"),
        Call::SetSize { file: "f".to_owned(), size: 4 },
        stream_write("t", "four\n"),
        Call::StreamZeroes { stream: "s".to_owned(), len: 3 },
        read_at("f", 100, 0),
        rename_at("readme", "moved"),
        stream_write("s", "five\n"),
        unlink_at("moved"),
        stream_write("t", "six\n"),
        read_at("f", 100, 0),
    ]);
}

#[test]
fn streams_keep_their_own_places() {
    let reader = |offset, stream: &str| Call::ReadViaStream {
        file: "f".to_owned(),
        offset,
        stream: stream.to_owned(),
    };
    let writer = |offset, stream: &str| Call::WriteViaStream {
        file: "f".to_owned(),
        offset,
        stream: stream.to_owned(),
    };
    same_as_preopened(&[
        open_at("src/lib.py", &[], &[Read, Write], "f"),
        reader(0, "s"),
        reader(4, "t"),
        writer(6, "u"),
        writer(30, "v"),
        stream_read("s", 5),
        stream_write("u", "XYZ"),
        stream_read("t", 100),
        stream_write("v", "far"),
        stream_read("s", 5),
        Call::StreamSkip { stream: "s".to_owned(), len: 4 },
        stream_read("s", 100),
        stream_read("s", 100),
        Call::StreamDrop { stream: "s".to_owned() },
        Call::Drop { file: "f".to_owned() },
        stream_write("u", "still"),
        open_at("src/lib.py", &[], &[Read], "f"),
        read_at("f", 100, 0),
    ]);
}

#[test]
fn reading_at_and_behind_the_end_finds_nothing() {
    let mut calls = vec![open_at("readme", &[], &[Read, Write], "f")];
    for offset in [0, 7, 8, 9, 1 << 20, 1 << 40, (1 << 63) - 1] {
        calls.push(read_at("f", 10, offset));
        calls.push(read_at("f", 0, offset));
        calls.push(Call::Advise { file: "f".to_owned(), offset, len: 10 });
    }
    same_as_preopened(&calls);
}

#[test]
fn places_that_no_file_can_have_are_refused() {
    let mut calls = vec![open_at("readme", &[], &[Read, Write], "f")];
    for offset in [(1 << 63) - 2, 1 << 63, u64::MAX] {
        calls.push(read_at("f", 10, offset));
        calls.push(write_at("f", "text", offset));
        calls.push(Call::SetSize { file: "f".to_owned(), size: offset });
    }
    calls.push(stat_at("readme"));
    same_as_preopened(&calls);
}

#[test]
fn a_gap_in_a_file_reads_as_zeros() {
    same_as_preopened(&[
        open_at("new", &[Create], &[Read, Write], "f"),
        write_at("f", "end", 5000),
        write_at("f", "middle", 100),
        read_at("f", 20, 95),
        read_at("f", 20, 4995),
        Call::SetSize { file: "f".to_owned(), size: 104 },
        Call::SetSize { file: "f".to_owned(), size: 110 },
        read_at("f", 20, 98),
        write_at("f", "", 9000),
        stat_at("new"),
    ]);
}

#[test]
fn a_removed_directory_can_be_held_and_not_filled() {
    let in_it = |path: &str| Call::CreateDirectoryAt { dir: "d".to_owned(), path: path.to_owned() };
    let dir = || "d".to_owned();
    same_as_preopened(&[
        Call::CreateDirectoryAt { dir: String::new(), path: "new".to_owned() },
        open_at("new", &[Directory], &[Read, MutateDirectory], "d"),
        Call::Listing { dir: dir(), listing: "l".to_owned() },
        Call::RemoveDirectoryAt { dir: String::new(), path: "new".to_owned() },
        in_it("a"),
        Call::OpenAt {
            dir: dir(),
            links: Links::Follow,
            path: "a".to_owned(),
            open: vec![Create],
            access: vec![Write],
            file: "f".to_owned(),
        },
        Call::StatAt { dir: dir(), links: Links::Follow, path: "a".to_owned() },
        Call::StatAt { dir: dir(), links: Links::Follow, path: ".".to_owned() },
        Call::Stat { file: dir() },
        Call::GetType { file: dir() },
        Call::ListingRest { listing: "l".to_owned() },
        Call::RenameAt {
            dir: String::new(),
            path: "readme".to_owned(),
            to_dir: dir(),
            to: "a".to_owned(),
        },
        Call::CreateDirectoryAt { dir: String::new(), path: "new".to_owned() },
        in_it("a"),
        Call::IsSameObject { a: dir(), b: dir() },
    ]);
}

#[test]
fn a_listing_tells_what_was_there_when_it_was_begun() {
    same_as_preopened(&[
        open_at("src", &[Directory], &[Read], "d"),
        Call::Listing { dir: "d".to_owned(), listing: "l".to_owned() },
        unlink_at("src/x"),
        rename_at("readme", "src/readme"),
        Call::ListingRest { listing: "l".to_owned() },
        Call::ReadDirectory { dir: "d".to_owned() },
    ]);
}

#[test]
fn descriptors_of_one_file_are_the_same_object() {
    let same = |a: &str, b: &str| Call::IsSameObject { a: a.to_owned(), b: b.to_owned() };
    let hash = |file: &str, path: &str| Call::SameHash {
        file: file.to_owned(),
        dir: String::new(),
        links: Links::Follow,
        path: path.to_owned(),
    };
    same_as_preopened(&[
        open_at("readme", &[], &[Read], "f"),
        open_at("src/../readme", &[], &[Write], "g"),
        open_at("src/x", &[], &[Read], "h"),
        open_at("dir-link", &[], &[Read], "d"),
        same("f", "g"),
        same("f", "h"),
        same("d", "f"),
        hash("f", "readme"),
        hash("h", "dir-link/x"),
        hash("f", "src/x"),
        hash("d", "src"),
        rename_at("readme", "src/readme"),
        hash("f", "dir-link/readme"),
        rename_at("src/readme", "src/x"),
        hash("h", "src/x"),
        hash("f", "src/x"),
        same("f", "h"),
    ]);
}

#[test]
fn times_are_set_and_kept() {
    let at = |links, path: &str, accessed, modified| Call::SetTimesAt {
        dir: String::new(),
        links,
        path: path.to_owned(),
        accessed,
        modified,
    };
    let lstat =
        |path: &str| Call::StatAt { dir: String::new(), links: Links::Stay, path: path.to_owned() };
    same_as_preopened(&[
        open_at("readme", &[], &[Read], "f"),
        at(Links::Follow, "readme", Time::At(500), Time::At(1000)),
        stat_at("readme"),
        Call::Accessed { file: "f".to_owned() },
        Call::SetTimes { file: "f".to_owned(), accessed: Time::At(2000), modified: Time::Keep },
        stat_at("readme"),
        Call::Accessed { file: "f".to_owned() },
        Call::SetTimes { file: "f".to_owned(), accessed: Time::Keep, modified: Time::Now },
        stat_at("readme"),
        at(Links::Stay, "file-link", Time::Keep, Time::At(3000)),
        lstat("file-link"),
        stat_at("file-link"),
        at(Links::Follow, "file-link", Time::Keep, Time::At(4000)),
        lstat("file-link"),
        stat_at("file-link"),
        at(Links::Follow, "src", Time::Keep, Time::At(5000)),
        stat_at("src"),
        unlink_at("src/x"),
        stat_at("src"),
        at(Links::Follow, "none", Time::Now, Time::Now),
        at(Links::Follow, "away", Time::Now, Time::Now),
    ]);
}

#[test]
fn hard_links_are_not_made() {
    let link = Call::LinkAt { dir: String::new(), path: "readme".into(), to: "new".into() };
    same_as_preopened(&[link]);
}

#[test]
fn syncing_changes_nothing() {
    same_as_preopened(&[
        open_at("readme", &[], &[Read, Write], "f"),
        open_at("src", &[], &[Read], "d"),
        write_at("f", "text", 0),
        Call::Sync { file: "f".to_owned() },
        Call::SyncData { file: "f".to_owned() },
        Call::Sync { file: "d".to_owned() },
        Call::SyncData { file: "d".to_owned() },
        read_at("f", 100, 0),
    ]);
}

#[test]
fn a_ready_stream_is_told_without_the_timer_beside_it() {
    let poll = |streams: &[&str], timer| Call::Poll {
        streams: streams.iter().map(|name| (*name).to_owned()).collect(),
        timer,
    };
    let (file, stream) = (|| "f".to_owned(), || "s".to_owned());
    same_as_preopened(&[
        open_at("readme", &[], &[Read, Write], "f"),
        Call::ReadViaStream { file: file(), offset: 0, stream: stream() },
        Call::AppendViaStream { file: file(), stream: "t".to_owned() },
        poll(&["s"], 3_600_000_000_000),
        poll(&["t", "s"], 3_600_000_000_000),
        poll(&[], 1000),
    ]);
}

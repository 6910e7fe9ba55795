//! Opening, reading and writing files.

use crate::operations::From::{End, Here, Start};
use crate::operations::How::{Append, Create, CreateNew, Read, Truncate, Write};
use crate::requests::*;
use crate::same_as_here;

#[test]
fn a_new_file_must_not_be_there_yet() {
    same_as_here(&[
        open("a", "new", &[Write, CreateNew]),
        write("a", "text"),
        open("b", "new", &[Write, CreateNew]),
        open("b", "readme", &[Write, CreateNew]),
        open("b", "src", &[Write, CreateNew]),
        open("b", "dangling", &[Write, CreateNew]),
        open("b", "none/new", &[Write, CreateNew]),
        open("b", "readme/new", &[Write, CreateNew]),
        read_file("new"),
    ]);
}

#[test]
fn creating_opens_what_is_there() {
    same_as_here(&[
        open("a", "readme", &[Write, Create]),
        write("a", "READ"),
        read_file("readme"),
        open("b", "src", &[Write, Create]),
        open("b", "new", &[Write, Create]),
        metadata("new"),
        open("c", "none", &[Read]),
        open("c", "none", &[Write]),
    ]);
}

#[test]
fn truncating_cuts_a_file_for_everybody_who_has_it_open() {
    same_as_here(&[
        open("old", "readme", &[Read]),
        read("old", 4),
        open("new", "readme", &[Write, Truncate]),
        describe("old"),
        read("old", 100),
        write("new", "0123456789"),
        read("old", 100),
        open("dir", "src", &[Write, Truncate]),
        read_file("readme"),
    ]);
}

#[test]
fn appending_writes_at_the_end_wherever_the_file_is() {
    same_as_here(&[
        open("a", "readme", &[Read, Append]),
        open("b", "readme", &[Append]),
        write("a", "one\n"),
        write("b", "two\n"),
        seek("a", Start, 0),
        write("a", "three\n"),
        seek("a", Start, 0),
        read("a", 100),
        open("c", "made", &[Append, Create]),
        write("c", "text"),
        read_file("made"),
        open("d", "none", &[Append]),
    ]);
}

#[test]
fn writing_behind_the_end_leaves_zeros() {
    same_as_here(&[
        open("a", "readme", &[Read, Write]),
        seek("a", End, 4),
        write("a", "end"),
        seek("a", Start, 0),
        read("a", 100),
        describe("a"),
        open("b", "new", &[Read, Write, Create]),
        seek("b", Start, 5),
        describe("b"),
        read("b", 1),
        write("b", "x"),
        read_file("new"),
    ]);
}

#[test]
fn seeking_tells_where_it_came_to() {
    same_as_here(&[
        open("a", "src/lib.py", &[Read, Write]),
        seek("a", Start, 4),
        read("a", 3),
        seek("a", Here, 0),
        seek("a", Here, -3),
        write("a", "g"),
        seek("a", End, -5),
        read("a", 100),
        seek("a", Here, -100),
        seek("a", End, 1000),
        read("a", 1),
        read_file("src/lib.py"),
    ]);
}

#[test]
fn setting_the_length_cuts_and_extends() {
    same_as_here(&[
        open("a", "readme", &[Read, Write]),
        set_len("a", 4),
        read("a", 100),
        set_len("a", 6),
        read("a", 100),
        describe("a"),
        metadata("readme"),
        set_len("a", 0),
        set_len("a", 3),
        read_file("readme"),
        open("b", "readme", &[Read]),
        set_len("b", 0),
    ]);
}

#[test]
fn a_file_is_read_and_written_only_as_it_was_opened() {
    same_as_here(&[
        open("reader", "readme", &[Read]),
        write("reader", "x"),
        open("writer", "readme", &[Write]),
        read("writer", 1),
        open("dir", "src", &[Read]),
        describe("dir"),
        open("dir", "src", &[Write]),
        open("dir", "src", &[Read, Write]),
    ]);
}

#[test]
fn a_removed_file_goes_on_for_who_has_it_open() {
    same_as_here(&[
        open("a", "readme", &[Read, Write]),
        remove_file("readme"),
        read("a", 4),
        write("a", "!!"),
        describe("a"),
        metadata("readme"),
        write_file("readme", "another"),
        seek("a", Start, 0),
        read("a", 100),
        set_len("a", 2),
        describe("a"),
        close("a"),
        read_file("readme"),
    ]);
}

#[test]
fn an_open_file_follows_its_renames() {
    same_as_here(&[
        open("a", "readme", &[Read, Write]),
        rename("readme", "src/moved"),
        write("a", "READ"),
        read_file("src/moved"),
        rename("src/x", "src/moved"),
        seek("a", Start, 0),
        read("a", 100),
        read_file("src/moved"),
        read_file("src/x"),
    ]);
}

#[test]
fn all_handles_of_a_file_see_what_one_wrote() {
    same_as_here(&[
        open("a", "src/x", &[Write]),
        open("b", "src/../src/x", &[Read]),
        open("c", "dir-link/x", &[Read]),
        write("a", "changed"),
        read("b", 100),
        read("c", 100),
    ]);
}

#[test]
fn whole_files_are_written_and_copied() {
    same_as_here(&[
        write_file("readme", "short"),
        read_file("readme"),
        copy("readme", "src/copy"),
        copy("src/lib.py", "readme"),
        read_file("src/copy"),
        read_file("readme"),
        copy("none", "other"),
        copy("src", "other"),
        copy("readme", "src"),
        write_file("src", "text"),
        write_file("none/new", "text"),
        read_dir(""),
    ]);
}

#[test]
fn the_time_of_modification_can_be_set() {
    same_as_here(&[
        open("a", "readme", &[Write]),
        set_modified("a", 1_000_000_000),
        modified("readme"),
        rename("readme", "moved"),
        modified("moved"),
        open("b", "src/x", &[Read]),
        set_modified("b", 1_234_567_890),
        modified("src/x"),
    ]);
}

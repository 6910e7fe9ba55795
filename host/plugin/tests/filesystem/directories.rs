//! Making, listing, removing and moving.

use crate::operations::How::{Create, Read, Write};
use crate::requests::*;
use crate::{done, guest, same_as_here};

#[test]
fn a_directory_is_made_where_its_name_is_free() {
    same_as_here(&[
        create_dir("new"),
        create_dir("new/inside"),
        create_dir("new"),
        create_dir("readme"),
        create_dir("dangling"),
        create_dir("none/new"),
        create_dir("readme/new"),
        create_dir("dir-link/made"),
        create_dir_all("a/b/c"),
        create_dir_all("a/b/c"),
        create_dir_all("readme/b"),
        read_dir("src"),
        metadata("new/inside"),
    ]);
}

#[test]
fn a_directory_is_listed_in_bytewise_order() {
    let operations = [
        write_file("src/a.b", ""),
        write_file("src/B", ""),
        create_dir("src/a"),
        write_file("src/a-b", ""),
        symlink("a", "src/é"),
        read_dir("src"),
    ];
    same_as_here(&operations);
    assert_eq!(guest::run(&operations)[5], done("B\na/\na-b\na.b\nlib.py\nx\né@\n"));
}

#[test]
fn a_list_shows_what_was_changed_since_the_base() {
    same_as_here(&[
        remove_file("src/x"),
        rename("readme", "src/readme"),
        read_dir("src"),
        read_dir(""),
        create_dir("empty"),
        read_dir("empty"),
        read_dir("dir-link"),
        read_dir("readme"),
        read_dir("none"),
        read_dir("file-link"),
    ]);
}

#[test]
fn only_an_empty_directory_is_removed() {
    same_as_here(&[
        remove_dir("src"),
        remove_file("src/x"),
        remove_dir("src"),
        remove_file("src/lib.py"),
        remove_dir("src"),
        metadata("src"),
        remove_dir("src"),
        remove_dir("readme"),
        remove_dir("dir-link"),
        remove_file("readme"),
        remove_file("readme"),
        read_dir(""),
    ]);
}

#[test]
fn a_directory_is_no_file_to_remove() {
    same_as_here(&[create_dir("new"), remove_file("new"), remove_file("src"), read_dir("")]);
}

#[test]
fn a_directory_is_removed_with_all_in_it() {
    same_as_here(&[
        create_dir_all("src/a/b"),
        write_file("src/a/b/c", "text"),
        symlink("..", "src/a/up"),
        remove_dir_all("src"),
        metadata("src"),
        remove_dir_all("src"),
        remove_dir_all("dir-link"),
        read_dir(""),
    ]);
}

#[test]
fn a_file_is_renamed_over_a_file() {
    same_as_here(&[
        rename("readme", "src/x"),
        read_file("src/x"),
        rename("src/x", "src/x"),
        rename("none", "src/x"),
        rename("src/x", "none/x"),
        rename("src/x", "src/lib.py/x"),
        write_file("new", "new"),
        rename("src/x", "new"),
        rename("new", "file-link"),
        link_metadata("file-link"),
        read_file("src/lib.py"),
    ]);
}

#[test]
fn files_and_directories_do_not_replace_each_other() {
    same_as_here(&[
        create_dir("empty"),
        rename("readme", "empty"),
        rename("empty", "readme"),
        rename("readme", "src"),
        rename("src", "readme"),
        rename("empty", "dir-link"),
        read_dir(""),
    ]);
}

#[test]
fn a_directory_is_renamed_over_an_empty_one() {
    same_as_here(&[
        create_dir("empty"),
        create_dir("full"),
        write_file("full/x", ""),
        rename("src", "full"),
        rename("src", "empty"),
        read_dir("empty"),
        read_file("empty/lib.py"),
        metadata("src"),
        read_file("file-link"),
    ]);
}

#[test]
fn a_directory_is_not_moved_into_itself() {
    same_as_here(&[
        create_dir("src/a"),
        rename("src", "src/a/src"),
        rename("src", "src/a"),
        rename("src/a", "src"),
        rename("src", "src"),
        read_dir("src"),
    ]);
}

#[test]
fn an_open_file_keeps_what_it_reads_when_its_directory_goes() {
    same_as_here(&[
        open("a", "src/lib.py", &[Read, Write]),
        remove_dir_all("src"),
        read("a", 5),
        write("a", "()"),
        open("b", "src/new", &[Write, Create]),
        create_dir("src"),
        read_dir("src"),
    ]);
}

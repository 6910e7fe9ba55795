//! Odd paths and names.

use crate::operations::How::{Create, CreateNew, Read, Write};
use crate::requests::*;
use crate::same_as_here;

#[test]
fn a_trailing_slash_demands_a_directory() {
    same_as_here(&[
        metadata("src/"),
        metadata("readme/"),
        metadata("none/"),
        metadata("dir-link/"),
        link_metadata("dir-link/"),
        link_metadata("file-link/"),
        read_file("readme/"),
        open("a", "src/", &[Read]),
        open("a", "readme/", &[Write]),
        open("a", "new/", &[Write, Create]),
        open("a", "readme/", &[Write, Create]),
        create_dir("new/"),
        remove_file("readme/"),
        remove_dir("new/"),
        read_dir("src/"),
    ]);
}

#[test]
fn only_directories_are_renamed_with_a_trailing_slash() {
    same_as_here(&[
        rename("readme/", "new"),
        rename("readme", "new/"),
        rename("src/", "new/"),
        read_dir("new"),
        rename("new", "src"),
        rename("readme", "src/"),
        rename("dir-link/", "other"),
        read_dir(""),
    ]);
}

#[test]
fn dots_lead_where_they_do_elsewhere() {
    same_as_here(&[
        metadata("."),
        metadata("src/."),
        metadata("src/.."),
        read_file("src/../readme"),
        read_file("src/./x"),
        read_file("none/../readme"),
        read_file("readme/../readme"),
        read_file("dir-link/../readme"),
        create_dir("src/."),
        create_dir("src/.."),
        remove_dir("src/."),
        remove_dir("src/.."),
        remove_file("src/.."),
        rename("src/.", "new"),
        rename("readme", "src/.."),
        open("a", "src/..", &[Read]),
        open("a", "src/.", &[Write, Create]),
        read_file("src//x"),
        read_file("./readme"),
    ]);
}

#[test]
fn a_name_of_255_bytes_is_the_longest() {
    let longest = "n".repeat(255);
    let too_long = "n".repeat(256);
    same_as_here(&[
        write_file(&longest, "text"),
        read_file(&longest),
        write_file(&too_long, "text"),
        read_file(&too_long),
        metadata(&format!("{too_long}/x")),
        create_dir(&too_long),
        remove_file(&too_long),
        rename("readme", &too_long),
        symlink("x", &too_long),
        symlink(&too_long, "to-long"),
        metadata("to-long"),
        metadata(&"é".repeat(128)),
    ]);
}

#[test]
fn an_overlong_path_is_refused() {
    let path = "src/../".repeat(600) + "readme";
    same_as_here(&[read_file(&path), write_file(&path, "x"), create_dir(&path)]);
}

#[test]
fn a_nul_in_a_path_is_refused() {
    same_as_here(&[
        read_file("read\0me"),
        write_file("new\0", "text"),
        create_dir("\0"),
        rename("readme", "a\0b"),
        symlink("a\0b", "new"),
        metadata("readme\0"),
        read_dir(""),
    ]);
}

#[test]
fn names_may_hold_whatever_is_utf8() {
    let names =
        ["with space", "-dash", "a\rb", "tab\t", "ünï", "日本", "\u{1f980}", "back\\slash", "~"];
    for name in names {
        same_as_here(&[
            open("a", name, &[Write, CreateNew]),
            write("a", name),
            read_file(name),
            read_dir(""),
            rename(name, &format!("src/{name}")),
            remove_file(&format!("src/{name}")),
        ]);
    }
}

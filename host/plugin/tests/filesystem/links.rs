//! Symlinks that stay inside.

use crate::operations::How::{Create, CreateNew, Read, Write};
use crate::requests::*;
use crate::same_as_here;

#[test]
fn a_symlink_is_made_and_told() {
    same_as_here(&[
        symlink("src/x", "new"),
        read_link("new"),
        read_file("new"),
        symlink("anything", "new"),
        symlink("x", "src"),
        symlink("x", "none/new"),
        symlink("../readme", "src/up"),
        read_file("src/up"),
        read_link("readme"),
        read_link("src"),
        read_link("none"),
        read_dir("src"),
    ]);
}

#[test]
fn a_symlink_is_followed_where_it_is_used() {
    same_as_here(&[
        read_file("file-link"),
        metadata("file-link"),
        link_metadata("file-link"),
        metadata("dir-link"),
        link_metadata("dir-link"),
        read_file("dir-link/x"),
        write_file("file-link", "changed"),
        read_file("src/lib.py"),
        link_metadata("file-link"),
    ]);
}

#[test]
fn writing_through_a_dangling_symlink_makes_its_target() {
    same_as_here(&[
        read_file("dangling"),
        metadata("dangling"),
        link_metadata("dangling"),
        open("a", "dangling", &[Write]),
        open("a", "dangling", &[Write, CreateNew]),
        open("a", "dangling", &[Write, Create]),
        write("a", "made"),
        read_file("src/none"),
        read_file("dangling"),
    ]);
}

#[test]
fn symlinks_that_lead_in_a_circle_are_refused() {
    same_as_here(&[
        read_file("loop"),
        metadata("loop"),
        link_metadata("loop"),
        open("a", "loop/x", &[Read]),
        open("a", "loop", &[Write, Create]),
        symlink("b", "a"),
        symlink("a", "b"),
        read_file("a"),
        remove_file("loop"),
        link_metadata("loop"),
    ]);
}

#[test]
fn forty_symlinks_in_a_row_are_followed_and_no_more() {
    let mut operations = vec![write_file("l0", "end")];
    for number in 1..=41 {
        operations.push(symlink(&format!("l{}", number - 1), &format!("l{number}")));
    }
    operations.extend([read_file("l39"), read_file("l40"), read_file("l41")]);
    same_as_here(&operations);
}

#[test]
fn removing_and_renaming_take_the_symlink_itself() {
    same_as_here(&[
        rename("file-link", "moved"),
        read_link("moved"),
        read_file("moved"),
        rename("dir-link", "src/dir-link"),
        read_link("src/dir-link"),
        metadata("src/dir-link"),
        remove_file("moved"),
        remove_file("dangling"),
        read_file("src/lib.py"),
        read_dir(""),
        read_dir("src"),
    ]);
}

#[test]
fn a_symlink_out_can_be_kept_moved_and_removed() {
    same_as_here(&[
        read_link("away"),
        read_link("above"),
        link_metadata("away"),
        rename("away", "src/away"),
        read_link("src/away"),
        remove_file("src/away"),
        remove_file("above"),
        symlink("/usr/bin/env", "new"),
        read_link("new"),
    ]);
}

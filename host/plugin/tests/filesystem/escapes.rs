//! What ends otherwise in the sandbox than outside it.

use catena_plugin::WorkspaceAccess::{None as Nothing, Read as ReadOnly, ReadWrite};

use crate::operations::How::{Create, Read, Write};
use crate::operations::Outcome;
use crate::requests::*;
use crate::{done, failed, guest};

#[test]
fn no_path_leads_above_a_mount() {
    let outcomes = guest::run(&[
        read_file("../etc/passwd"),
        metadata(".."),
        metadata("src/../.."),
        open("a", "../new", &[Write, Create]),
        create_dir("src/../../new"),
        remove_file("../tmp/x"),
        rename("readme", "src/../../new"),
        rename("../tmp", "new"),
        symlink("x", "../new"),
        read_dir("../tmp"),
    ]);
    assert_eq!(outcomes, vec![failed("EPERM"); 10]);
}

#[test]
fn no_symlink_is_followed_out_of_a_mount() {
    let outcomes = guest::run(&[
        read_file("away"),
        metadata("away"),
        open("a", "away", &[Read]),
        open("a", "away", &[Write, Create]),
        read_file("above"),
        metadata("above"),
        write_file("above", "text"),
        read_dir("above"),
    ]);
    assert_eq!(outcomes, vec![failed("EPERM"); 8]);
}

#[test]
fn a_path_without_a_mount_leads_nowhere() {
    let outcomes = guest::run_in(
        "/",
        ReadWrite,
        &[read_file("etc/passwd"), metadata(""), create_dir("new"), read_dir("home")],
    );
    assert_no_mount(&outcomes);
}

/// The libc of preview 2 says that nothing is there, that of preview 1 that
/// nothing may be there.
fn assert_no_mount(outcomes: &[Outcome]) {
    let expected = [failed("ENOENT"), failed("ENOTCAPABLE")];
    assert!(outcomes.iter().all(|outcome| expected.contains(outcome)), "{outcomes:?}");
}

#[test]
fn without_the_right_there_is_no_file_at_all() {
    let operations =
        [read_file("workspace/readme"), write_file("tmp/x", "x"), read_dir("home/agent")];
    assert_no_mount(&guest::run_in("/", Nothing, &operations));
}

#[test]
fn a_read_only_mount_can_be_read_and_not_changed() {
    let outcomes = guest::run_in(
        "/workspace",
        ReadOnly,
        &[
            write_file("readme", "x"),
            open("a", "readme", &[Write]),
            create_dir("new"),
            remove_file("readme"),
            rename("readme", "new"),
            symlink("x", "new"),
            remove_dir_all("src"),
            open("a", "readme", &[Read]),
            set_len("a", 0),
            set_modified("a", 1),
            read("a", 100),
        ],
    );
    let mut expected = vec![failed("EROFS"); 10];
    expected[7] = done("");
    expected.push(done("read me\n"));
    assert_eq!(outcomes, expected);
}

#[test]
fn worktree_and_scratch_are_different_devices() {
    let outcomes = guest::run_in(
        "/",
        ReadWrite,
        &[
            rename("workspace/readme", "tmp/readme"),
            write_file("tmp/new", "new"),
            rename("tmp/new", "workspace/new"),
            copy("tmp/new", "workspace/new"),
            rename("tmp/new", "home/agent/new"),
            read_file("home/agent/new"),
        ],
    );
    let refused = failed("EXDEV");
    assert_eq!(outcomes, [refused.clone(), done(""), refused, done("3"), done(""), done("new")]);
}

#[test]
fn a_git_directory_cannot_be_made() {
    let outcomes = guest::run(&[
        create_dir(".git"),
        write_file("src/.git", "gitdir: elsewhere"),
        create_dir_all(".Git/hooks"),
        rename("src", ".git"),
        symlink("src", ".git"),
        write_file(".gitignore", "*.pyc\n"),
    ]);
    let mut expected = vec![failed("EPERM"); 5];
    expected.push(done(""));
    assert_eq!(outcomes, expected);
}

#[test]
fn a_full_worktree_refuses_more_and_keeps_what_it_has() {
    let size = usize::try_from(guest::QUOTA).unwrap();
    let outcomes = guest::run(&[
        write_file("full", &"x".repeat(size)),
        open("a", "full", &[Write]),
        set_len("a", guest::QUOTA + 1),
        symlink("x", "link"),
        write_file("more", "x"),
        metadata("full"),
        remove_file("full"),
        // Open files count until they are closed.
        symlink("x", "link"),
        close("a"),
        symlink("x", "link"),
        write_file("more", "x"),
    ]);
    let (full, ok) = (failed("EDQUOT"), done(""));
    assert_eq!(outcomes[..4], [ok.clone(), ok.clone(), full.clone(), full.clone()]);
    // The libc of preview 2 tells whatever goes wrong with a stream as EIO.
    assert!(outcomes[4] == full || outcomes[4] == failed("EIO"), "{:?}", outcomes[4]);
    let kept = done(&format!("file of {size}"));
    assert_eq!(outcomes[5..], [kept, ok.clone(), full, ok.clone(), ok.clone(), ok]);
}

#[test]
fn a_second_call_finds_what_the_first_left_a_second_later() {
    let session = guest::session(ReadWrite);
    let times = |name: &str| {
        let operations = [write_file(name, ""), modified(name), modified("src/x")];
        let seconds = |outcome: &Outcome| match outcome {
            Outcome::Done(seconds) => seconds.parse::<u64>().unwrap(),
            Outcome::Failed(name) => panic!("{name}"),
        };
        let outcomes = guest::call(&session, "/workspace", &operations);
        (seconds(&outcomes[1]), seconds(&outcomes[2]))
    };
    let ((first, base), (second, _)) = (times("a"), times("b"));
    assert_eq!(base, 1_700_000_000);
    assert_eq!([first, second], [base + 1, base + 2]);
    assert_eq!(guest::call(&session, "/workspace", &[metadata("a")]), [done("file of 0")]);
}

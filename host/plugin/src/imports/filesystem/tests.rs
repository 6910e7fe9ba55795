//! What a mount allows, asked as a guest asks it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use catena_model::{ModelError, Reply};
use catena_tree::objects::NoObjects;
use catena_tree::{BlobId, ObjectError, Objects, TreeEntry, TreeId};
use wasi::{DescriptorFlags, HostDescriptor as _, NewTimestamp, OpenFlags, PathFlags};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::p2::StreamError;

use super::*;
use crate::capability::{Effective, WorkspaceAccess};
use crate::imports::output::Output;
use crate::limits::Limits;
use crate::manifest::PluginKind;
use crate::meter::Meter;
use crate::outside::{Event, Exchange, NewObject, Outside};
use crate::refusals::Refusals;
use crate::session::{JudgeSetting, JudgeStart, Session, SessionStart};

const QUOTA: u64 = 1000;

/// No model, no objects, nobody who listens.
struct Nowhere;

impl Objects for Nowhere {
    fn tree(&self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        NoObjects.tree(id)
    }

    fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        NoObjects.blob(id)
    }
}

impl Outside for Nowhere {
    fn complete(&self, _: Exchange) -> Result<Reply, ModelError> {
        Err(ModelError::Unavailable("none here".to_owned()))
    }

    fn put(&self, _: Vec<NewObject>) -> Result<(), ObjectError> {
        Ok(())
    }

    fn record(&self, _: Event) {}
}

fn session() -> Arc<Session> {
    let start =
        SessionStart { quota_bytes: QUOTA, quota_entries: 100, ..SessionStart::on(TreeId::EMPTY) };
    Arc::new(Session::new(Arc::new(Nowhere), start, Vec::new()))
}

/// The state behind a guest that may reach this far.
fn state(session: &Arc<Session>, workspace: WorkspaceAccess) -> State {
    let rights = Effective { workspace, ..Effective::default() };
    State {
        session: session.clone(),
        plugin: "test".to_owned(),
        mounts: session.mounts(&rights),
        rights,
        config: "{}".to_owned(),
        output: Arc::new(Output::new(session.outside.clone(), "test", 0)),
        meter: Meter::new(&Limits::defaults(PluginKind::Tool), session.guest_memory.clone()),
        refused: Refusals::default(),
        missing: Vec::new(),
        depth: 0,
        deadline: Instant::now(),
        waited_before: Duration::ZERO,
        table: ResourceTable::new(),
        wasi: WasiCtx::builder().build(),
    }
}

fn directories(state: &mut State) -> Vec<(Descriptor, String)> {
    preopens::Host::get_directories(state).unwrap()
}

fn preopen(state: &mut State, path: &str) -> Descriptor {
    let found = directories(state).into_iter().find(|(_, guest_path)| guest_path == path);
    found.unwrap().0
}

/// A second handle of the same descriptor, as calls take handles by value.
fn same(descriptor: &Descriptor) -> Descriptor {
    Resource::new_borrow(descriptor.rep())
}

fn open(
    state: &mut State,
    dir: &Descriptor,
    path: &str,
    open_flags: OpenFlags,
    flags: DescriptorFlags,
) -> Result<Descriptor, Code> {
    failed(state.open_at(same(dir), PathFlags::SYMLINK_FOLLOW, path.to_owned(), open_flags, flags))
}

fn failed<T>(result: FsResult<T>) -> Result<T, Code> {
    result.map_err(|err| err.downcast().unwrap())
}

/// Makes `dir/file` with a few bytes in the worktree.
fn fill(session: &Arc<Session>) {
    let mut state = state(session, WorkspaceAccess::ReadWrite);
    let root = preopen(&mut state, "/workspace");
    failed(state.create_directory_at(same(&root), "dir".to_owned())).unwrap();
    let file =
        open(&mut state, &root, "dir/file", OpenFlags::CREATE, DescriptorFlags::WRITE).unwrap();
    failed(state.write(same(&file), b"text".to_vec(), 0)).unwrap();
}

#[test]
fn a_plugin_without_the_workspace_right_has_no_preopens() {
    let session = session();
    assert!(directories(&mut state(&session, WorkspaceAccess::None)).is_empty());
    let paths = directories(&mut state(&session, WorkspaceAccess::Read));
    let paths: Vec<_> = paths.into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["/workspace", "/tmp", "/home/agent"]);
}

#[test]
fn nothing_changes_through_a_read_only_mount() {
    let session = session();
    fill(&session);
    let mut state = state(&session, WorkspaceAccess::Read);
    let root = preopen(&mut state, "/workspace");
    // What is opened below a read-only directory is no more than that.
    let asked = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
    let dir = open(&mut state, &root, "dir", OpenFlags::DIRECTORY, asked).unwrap();
    let file = open(&mut state, &dir, "file", OpenFlags::empty(), DescriptorFlags::READ).unwrap();
    let name = || "file".to_owned();
    let follow = PathFlags::SYMLINK_FOLLOW;

    let read = DescriptorFlags::READ;
    let opening = [
        (OpenFlags::empty(), DescriptorFlags::WRITE),
        (OpenFlags::CREATE, read),
        (OpenFlags::CREATE | OpenFlags::EXCLUSIVE, read),
        (OpenFlags::TRUNCATE, read),
    ];
    for (open_flags, flags) in opening {
        assert_eq!(open(&mut state, &dir, "file", open_flags, flags).err(), Some(Code::ReadOnly));
    }
    let now = || NewTimestamp::Now;
    let s = &mut state;
    let changes = [
        s.write(same(&file), b"x".to_vec(), 0).map(|_| ()),
        s.write_via_stream(same(&file), 0).map(|_| ()),
        s.append_via_stream(same(&file)).map(|_| ()),
        s.set_size(same(&file), 0),
        s.set_times(same(&file), now(), now()),
        s.set_times(same(&dir), now(), now()),
        s.set_times_at(same(&dir), follow, name(), now(), now()),
        s.create_directory_at(same(&dir), "new".to_owned()),
        s.symlink_at(same(&dir), name(), "new".to_owned()),
        s.rename_at(same(&dir), name(), same(&dir), "new".to_owned()),
        s.unlink_file_at(same(&dir), name()),
        s.remove_directory_at(same(&root), "dir".to_owned()),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert_eq!(failed(change), Err(Code::ReadOnly), "change {number}");
    }
    assert_eq!(failed(state.read(same(&file), 10, 0)).unwrap(), (b"text".to_vec(), true));
    let flags = failed(state.get_flags(same(&dir))).unwrap();
    assert!(!flags.contains(DescriptorFlags::MUTATE_DIRECTORY));
}

#[test]
fn a_plugin_that_may_only_read_can_still_write_its_scratch() {
    let mut state = state(&session(), WorkspaceAccess::Read);
    let scratch = preopen(&mut state, "/tmp");
    open(&mut state, &scratch, "new", OpenFlags::CREATE, DescriptorFlags::WRITE).unwrap();
}

#[test]
fn a_directory_opened_without_asking_to_change_it_can_be_changed() {
    let session = session();
    fill(&session);
    let mut state = state(&session, WorkspaceAccess::ReadWrite);
    let root = preopen(&mut state, "/workspace");
    let dir = open(&mut state, &root, "dir", OpenFlags::DIRECTORY, DescriptorFlags::READ).unwrap();
    open(&mut state, &dir, "new", OpenFlags::CREATE, DescriptorFlags::WRITE).unwrap();
}

#[test]
fn a_file_does_only_what_it_was_opened_for() {
    let session = session();
    fill(&session);
    let mut state = state(&session, WorkspaceAccess::ReadWrite);
    let root = preopen(&mut state, "/workspace");
    let none = OpenFlags::empty();
    let reader = open(&mut state, &root, "dir/file", none, DescriptorFlags::READ).unwrap();
    let written = failed(state.write(same(&reader), b"x".to_vec(), 0));
    assert_eq!(written, Err(Code::BadDescriptor));
    assert_eq!(failed(state.set_size(same(&reader), 0)), Err(Code::Invalid));
    let writer = open(&mut state, &root, "dir/file", none, DescriptorFlags::WRITE).unwrap();
    assert_eq!(failed(state.read(same(&writer), 1, 0)), Err(Code::BadDescriptor));
}

#[test]
fn a_directory_is_not_read_or_written_as_a_file() {
    let session = session();
    fill(&session);
    let mut state = state(&session, WorkspaceAccess::ReadWrite);
    let root = preopen(&mut state, "/workspace");
    let write = DescriptorFlags::WRITE;
    let opened = open(&mut state, &root, "dir", OpenFlags::DIRECTORY, write);
    assert_eq!(opened.err(), Some(Code::IsDirectory));
    assert_eq!(failed(state.read(same(&root), 1, 0)), Err(Code::IsDirectory));
    assert_eq!(failed(state.read_via_stream(same(&root), 0)).err(), Some(Code::IsDirectory));
    assert_eq!(failed(state.write(same(&root), vec![0], 0)), Err(Code::BadDescriptor));
}

#[test]
fn nothing_is_renamed_between_scratch_and_worktree() {
    let session = session();
    fill(&session);
    let mut state = state(&session, WorkspaceAccess::ReadWrite);
    let root = preopen(&mut state, "/workspace");
    let scratch = preopen(&mut state, "/tmp");
    let home = preopen(&mut state, "/home/agent");
    let file = || "dir/file".to_owned();
    let new = || "new".to_owned();
    let renamed = failed(state.rename_at(same(&root), file(), same(&scratch), new()));
    assert_eq!(renamed, Err(Code::CrossDevice));
    open(&mut state, &scratch, "new", OpenFlags::CREATE, DescriptorFlags::WRITE).unwrap();
    let renamed = failed(state.rename_at(same(&scratch), new(), same(&root), new()));
    assert_eq!(renamed, Err(Code::CrossDevice));
    failed(state.rename_at(same(&scratch), new(), same(&home), new())).unwrap();
}

#[test]
fn a_judge_sees_three_sealed_trees_and_has_a_worktree_if_it_may_write() {
    let start = JudgeStart {
        base: TreeId::EMPTY,
        candidate: TreeId::EMPTY,
        reference: TreeId::EMPTY,
        upstream: TreeId::EMPTY,
        setting: JudgeSetting::default(),
        kept: None,
        model: None,
        time: 1_700_000_000,
        seed: 0,
        next_conversation: 1,
        brief: crate::judging::JudgeBrief::default(),
    };
    let session = Arc::new(Session::for_judge(Arc::new(Nowhere), &start, None));
    let seen = |access| {
        let mut state = state(&session, access);
        let found = directories(&mut state);
        found.into_iter().map(|(_, path)| path).collect::<Vec<_>>()
    };
    let sealed = ["/base", "/candidate", "/reference"];
    assert_eq!(seen(WorkspaceAccess::None), [""; 0]);
    assert_eq!(seen(WorkspaceAccess::Read), sealed);
    let own = ["/workspace", "/tmp", "/home/agent"];
    assert_eq!(seen(WorkspaceAccess::ReadWrite), [sealed, own].concat());

    let mut state = state(&session, WorkspaceAccess::ReadWrite);
    let found = directories(&mut state);
    for (dir, path) in found.iter().take(sealed.len()) {
        let new = || "new".to_owned();
        let made = failed(state.create_directory_at(same(dir), new()));
        assert_eq!(made, Err(Code::ReadOnly), "{path}");
        let opened = open(&mut state, dir, "new", OpenFlags::CREATE, DescriptorFlags::WRITE);
        assert_eq!(opened.err(), Some(Code::ReadOnly), "{path}");
    }
    let [(base, _), (candidate, _), ..] = &found[..] else { panic!("too few") };
    let file = || "file".to_owned();
    let moved = failed(state.rename_at(same(base), file(), same(candidate), file()));
    assert_eq!(moved, Err(Code::CrossDevice));
}

#[test]
fn a_git_directory_cannot_be_made() {
    let session = session();
    fill(&session);
    let mut state = state(&session, WorkspaceAccess::ReadWrite);
    let root = preopen(&mut state, "/workspace");
    let git = || ".git".to_owned();
    let opened = open(&mut state, &root, ".git", OpenFlags::CREATE, DescriptorFlags::WRITE);
    assert_eq!(opened.err(), Some(Code::NotPermitted));
    let made = [
        state.create_directory_at(same(&root), git()),
        state.create_directory_at(same(&root), "dir/.GIT".to_owned()),
        state.symlink_at(same(&root), "dir".to_owned(), git()),
        state.rename_at(same(&root), "dir".to_owned(), same(&root), git()),
    ];
    for result in made {
        assert_eq!(failed(result), Err(Code::NotPermitted));
    }
}

#[test]
fn a_full_worktree_gives_the_quota_error_and_keeps_what_it_has() {
    let session = session();
    let mut state = state(&session, WorkspaceAccess::ReadWrite);
    let root = preopen(&mut state, "/workspace");
    let asked = DescriptorFlags::READ | DescriptorFlags::WRITE;
    let file = open(&mut state, &root, "file", OpenFlags::CREATE, asked).unwrap();
    let quota = usize::try_from(QUOTA).unwrap();
    failed(state.write(same(&file), vec![1; quota], 0)).unwrap();
    assert_eq!(failed(state.write(same(&file), vec![2], QUOTA)), Err(Code::Quota));
    assert_eq!(failed(state.set_size(same(&file), QUOTA + 1)), Err(Code::Quota));
    let (read, _) = failed(state.read(same(&file), QUOTA * 2, 0)).unwrap();
    assert_eq!(read, vec![1; quota]);
    // The scratch has a quota of its own.
    let scratch = preopen(&mut state, "/tmp");
    let other = open(&mut state, &scratch, "file", OpenFlags::CREATE, asked).unwrap();
    failed(state.write(same(&other), vec![1; quota], 0)).unwrap();
}

#[test]
fn a_stream_that_meets_the_quota_tells_it() {
    let mut state = state(&session(), WorkspaceAccess::ReadWrite);
    let root = preopen(&mut state, "/workspace");
    let file = open(&mut state, &root, "file", OpenFlags::CREATE, DescriptorFlags::WRITE).unwrap();
    let stream = failed(state.write_via_stream(same(&file), QUOTA)).unwrap();
    let writer = state.table.get_mut(&stream).unwrap();
    let Err(StreamError::LastOperationFailed(err)) = writer.write(Bytes::from_static(b"x")) else {
        panic!("written");
    };
    let err = state.table.push(err).unwrap();
    let told = wasi::Host::filesystem_error_code(&mut state, err).unwrap();
    assert!(matches!(told, Some(wasi::ErrorCode::Quota)), "{told:?}");
}

#[test]
fn files_of_different_mounts_are_told_apart() {
    let mut state = state(&session(), WorkspaceAccess::ReadWrite);
    let (root, scratch) = (preopen(&mut state, "/workspace"), preopen(&mut state, "/tmp"));
    let hash = |state: &mut State, descriptor| failed(state.metadata_hash(descriptor)).unwrap();
    assert_ne!(hash(&mut state, same(&root)).lower, hash(&mut state, same(&scratch)).lower);
    assert_eq!(hash(&mut state, same(&root)).lower, hash(&mut state, same(&root)).lower);
}

#[test]
fn changes_of_two_tool_calls_are_seconds_apart() {
    let session = session();
    fill(&session);
    let mut state = state(&session, WorkspaceAccess::ReadWrite);
    let root = preopen(&mut state, "/workspace");
    let file = open(&mut state, &root, "dir/file", OpenFlags::empty(), DescriptorFlags::WRITE);
    let file = file.unwrap();
    let modified = |state: &mut State| {
        let stat = failed(state.stat(same(&file))).unwrap();
        stat.data_modification_timestamp.unwrap().seconds
    };
    let before = modified(&mut state);
    session.advance_time();
    failed(state.write(same(&file), b"more".to_vec(), 0)).unwrap();
    assert_eq!(modified(&mut state), before + 1);
    // No file is newer than the clock says.
    assert!(session.clock.unix_seconds() > i64::try_from(before).unwrap());
}

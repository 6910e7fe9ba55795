//! Paths that are no text. WASI's are strings, but guests of preview 1 pass on
//! whatever bytes a program has: that is a wrong path for the guest, no reason
//! to end it, so the functions that take paths are linked by hand.

use std::borrow::Cow;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Linker, Lower, Resource, WasmStr};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::sync::filesystem::types as wasi;
use wasmtime_wasi::p2::bindings::sync::filesystem::types::HostDescriptor as _;

use crate::refusals::Refusal;
use crate::state::State;

type Descriptor = Resource<wasi::Descriptor>;
type Store<'a> = StoreContextMut<'a, State>;
type Answer<T> = wasmtime::Result<(Result<T, wasi::ErrorCode>,)>;

const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// Links the functions again that take paths.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(INTERFACE)?;
    types.func_wrap(
        "[method]descriptor.open-at",
        |mut store: Store<'_>,
         (fd, links, path, open, flags): (
            Descriptor,
            wasi::PathFlags,
            WasmStr,
            wasi::OpenFlags,
            wasi::DescriptorFlags,
        )| {
            with_path(&mut store, &path, |state, path| state.open_at(fd, links, path, open, flags))
        },
    )?;
    types.func_wrap("[method]descriptor.create-directory-at", one(State::create_directory_at))?;
    types.func_wrap("[method]descriptor.remove-directory-at", one(State::remove_directory_at))?;
    types.func_wrap("[method]descriptor.unlink-file-at", one(State::unlink_file_at))?;
    types.func_wrap("[method]descriptor.readlink-at", one(State::readlink_at))?;
    types.func_wrap("[method]descriptor.stat-at", followed(State::stat_at))?;
    types.func_wrap("[method]descriptor.metadata-hash-at", followed(State::metadata_hash_at))?;
    link_pairs(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Those with two paths, and with times.
fn link_pairs(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut types = linker.instance(INTERFACE)?;
    types.func_wrap(
        "[method]descriptor.symlink-at",
        |mut store: Store<'_>, (fd, target, path): (Descriptor, WasmStr, WasmStr)| {
            with_paths(&mut store, &target, &path, |state, target, path| {
                state.symlink_at(fd, target, path)
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.rename-at",
        |mut store: Store<'_>,
         (fd, path, new_fd, new_path): (Descriptor, WasmStr, Descriptor, WasmStr)| {
            with_paths(&mut store, &path, &new_path, |state, path, new_path| {
                state.rename_at(fd, path, new_fd, new_path)
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.link-at",
        |mut store: Store<'_>,
         (fd, links, path, new_fd, new_path): (
            Descriptor,
            wasi::PathFlags,
            WasmStr,
            Descriptor,
            WasmStr,
        )| {
            with_paths(&mut store, &path, &new_path, |state, path, new_path| {
                state.link_at(fd, links, path, new_fd, new_path)
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.set-times-at",
        |mut store: Store<'_>,
         (fd, links, path, accessed, modified): (
            Descriptor,
            wasi::PathFlags,
            WasmStr,
            wasi::NewTimestamp,
            wasi::NewTimestamp,
        )| {
            with_path(&mut store, &path, |state, path| {
                state.set_times_at(fd, links, path, accessed, modified)
            })
        },
    )
}

/// A function of a descriptor and a path.
fn one<T: ComponentType + Lower + 'static>(
    function: fn(&mut State, Descriptor, String) -> FsResult<T>,
) -> impl Fn(Store<'_>, (Descriptor, WasmStr)) -> Answer<T> + Send + Sync + 'static {
    move |mut store, (fd, path)| {
        with_path(&mut store, &path, |state, path| function(state, fd, path))
    }
}

/// The same with what to do about a link at the end.
fn followed<T: ComponentType + Lower + 'static>(
    function: fn(&mut State, Descriptor, wasi::PathFlags, String) -> FsResult<T>,
) -> impl Fn(Store<'_>, (Descriptor, wasi::PathFlags, WasmStr)) -> Answer<T> + Send + Sync + 'static
{
    move |mut store, (fd, links, path)| {
        with_path(&mut store, &path, |state, path| function(state, fd, links, path))
    }
}

fn with_path<T>(
    store: &mut Store<'_>,
    path: &WasmStr,
    work: impl FnOnce(&mut State, String) -> FsResult<T>,
) -> Answer<T> {
    match path.to_str(&*store).map(Cow::into_owned) {
        Ok(path) => {
            let names_git = names_git(&path);
            answered(store, names_git, |state| work(state, path))
        }
        Err(_) => Ok((Err(wasi::ErrorCode::IllegalByteSequence),)),
    }
}

fn with_paths<T>(
    store: &mut Store<'_>,
    first: &WasmStr,
    second: &WasmStr,
    work: impl FnOnce(&mut State, String, String) -> FsResult<T>,
) -> Answer<T> {
    let (Ok(first), Ok(second)) = (first.to_str(&*store), second.to_str(&*store)) else {
        return Ok((Err(wasi::ErrorCode::IllegalByteSequence),));
    };
    let (first, second) = (first.into_owned(), second.into_owned());
    let names_git = names_git(&first) || names_git(&second);
    answered(store, names_git, |state| work(state, first, second))
}

fn answered<T>(
    store: &mut Store<'_>,
    names_git: bool,
    work: impl FnOnce(&mut State) -> FsResult<T>,
) -> Answer<T> {
    let state = store.data_mut();
    let err = match work(state) {
        Ok(answer) => return Ok((Ok(answer),)),
        Err(err) => wasi::Host::convert_error_code(state, err)?,
    };
    if err == wasi::ErrorCode::NotPermitted {
        state.refuse(if names_git { Refusal::GitDirectory } else { Refusal::PathEscape });
    }
    Ok((Err(err),))
}

/// Whether a path leads through git's own directory.
fn names_git(path: &str) -> bool {
    path.split('/').any(|name| name.eq_ignore_ascii_case(".git"))
}

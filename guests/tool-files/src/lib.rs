//! Typed file tools after gemini-cli and SII-CLI, by their names and arguments.
//!
//! [`list`], [`read`], [`edit`], [`search`] and [`read_many`] hold one or two
//! tools each; [`path`] decides which paths they accept and [`excerpt`] how much
//! of a file they show. What the model asked for in vain is an answer of the
//! tool, marked as an error; only unusable arguments are an error of the call.

mod edit;
mod excerpt;
mod list;
mod path;
mod read;
mod read_many;
mod search;

use edit::{Replace, WriteFile};
use list::ListDirectory;
use read::ReadFile;
use read_many::ReadManyFiles;
use search::{Glob, SearchFileContent};

catena_sdk::export_tool!(
    ListDirectory,
    ReadFile,
    WriteFile,
    Replace,
    Glob,
    SearchFileContent,
    ReadManyFiles,
);

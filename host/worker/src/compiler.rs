//! Components compiled by a worker, which has the component, memory and time, and nothing
//! else of the machine: a component that is made to exhaust or to break the compiler ends
//! a process that holds nothing.
//!
//! The file that a worker is given carries the component there and the code back.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use catena_plugin::units::{ByteSize, Span};
use catena_plugin::{CompileError, Compiled, Compiler};
use serde::{Deserialize, Serialize};

use crate::causes::in_one_line;
use crate::host::{FILE_TOO_LARGE, Onlooker, Worker, WorkerCommand, WorkerError};
use crate::message::{CompileJob, Job, JobResult};

/// What compiling one component may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileLimits {
    /// Bytes of the component.
    pub component: ByteSize,
    /// Bytes of memory.
    pub memory: ByteSize,
    /// Bytes of the code that comes of it.
    pub code: ByteSize,
    /// Wall-clock time.
    pub wall: Span,
}

impl Default for CompileLimits {
    /// Several times what an interpreter with its library takes.
    fn default() -> Self {
        Self {
            component: ByteSize(128 << 20),
            memory: ByteSize(4 << 30),
            code: ByteSize(1 << 30),
            wall: Span(std::time::Duration::from_mins(10)),
        }
    }
}

/// Compiles in workers. Blocks the thread that asks.
#[derive(Debug, Clone)]
pub struct ConfinedCompiler {
    /// How workers are started.
    pub command: WorkerCommand,
    /// A directory on the disk that holds the component and the code meanwhile.
    pub dir: PathBuf,
    /// What each component may use.
    pub limits: CompileLimits,
    /// Whether to compile only where all walls around workers stand.
    pub require_walls: bool,
}

impl ConfinedCompiler {
    /// With the default limits.
    pub fn new(command: WorkerCommand, dir: PathBuf) -> Self {
        Self { command, dir, limits: CompileLimits::default(), require_walls: false }
    }

    async fn compile_in(&self, file: &File, size: u64) -> Result<Compiled, CompileError> {
        let failed = |err: WorkerError| self.to_compile_error(&err);
        let worker = Worker::start_with(&self.command, file).map_err(failed)?;
        let job = Job::Compile(CompileJob { size, limits: self.limits });
        let mut onlooker = Onlooker { require_walls: self.require_walls, ..Onlooker::default() };
        match worker.run(job, self.limits.wall.0, &mut onlooker).await.map_err(failed)? {
            JobResult::Compiled(Ok(face)) => {
                let code = content(file, self.limits.code.0)
                    .map_err(|err| CompileError::Failed(in_one_line(&err)))?;
                Ok(Compiled { code, face })
            }
            JobResult::Compiled(Err(reason)) => Err(CompileError::Invalid(reason)),
            _ => Err(CompileError::Failed("the worker did another job".to_owned())),
        }
    }

    /// An end of the process is that of who ran out of something, as far as it can be seen.
    fn to_compile_error(&self, err: &WorkerError) -> CompileError {
        let limits = &self.limits;
        match err {
            WorkerError::Overdue(_) => CompileError::TooMuch(limits.wall.to_string()),
            WorkerError::Died { status, .. } if status == FILE_TOO_LARGE => {
                CompileError::TooMuch(format!("{} of code", limits.code))
            }
            WorkerError::Died { stderr, .. } if stderr.contains("memory allocation of") => {
                CompileError::TooMuch(format!("{} of memory", limits.memory))
            }
            err => CompileError::Failed(in_one_line(err)),
        }
    }
}

impl Compiler for ConfinedCompiler {
    fn compile(&self, component: &[u8]) -> Result<Compiled, CompileError> {
        let failed = |err: std::io::Error| CompileError::Failed(in_one_line(&err));
        let size = component.len() as u64;
        if size > self.limits.component.0 {
            let most = self.limits.component;
            return Err(CompileError::Invalid(format!(
                "it has {size} bytes; at most {most} are compiled"
            )));
        }
        let file = tempfile::tempfile_in(&self.dir).map_err(failed)?;
        file.write_all_at(component, 0).map_err(failed)?;
        let compile = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(failed)?.block_on(self.compile_in(&file, size))
        };
        // A thread of its own, as the one that asks may be a runtime's.
        std::thread::scope(|scope| scope.spawn(compile).join()).unwrap_or_else(|_| {
            Err(CompileError::Failed("its thread panicked; this is a bug of the host".to_owned()))
        })
    }
}

fn content(file: &File, most: u64) -> std::io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    if size > most {
        return Err(std::io::Error::other(format!("the code has {size} bytes")));
    }
    let size = usize::try_from(size).map_err(std::io::Error::other)?;
    let mut content = vec![0; size];
    file.read_exact_at(&mut content, 0)?;
    Ok(content)
}

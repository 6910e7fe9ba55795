//! The worker's end of the pipe: one job, then the process ends.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use catena_model::{ModelError, Reply};
use catena_plugin::engine::GUEST_THREAD_STACK;
use catena_plugin::session::PluginSpec;
use catena_plugin::{
    Attempt, BeforeTool, CompileError, CompileHere, Compiler as _, Enforced, Engine, Event,
    Exchange, HttpEnd, HttpStart, LoadedPlugin, NativeEnd, NativeStart, NewObject, Outside,
    Session, ToolStart, attempt, evaluate, try_tool, write_queries,
};
use catena_tree::{
    BlobId, CacheBudget, CacheUse, ObjectCache, ObjectError, Objects, TreeEntry, TreeId,
};
use rustix::event::{PollFd, PollFlags, poll};

use crate::causes::in_one_line;
use crate::frame::{FrameError, receive, send};
use crate::handover::take_file;
use crate::message::{
    Attack, AttemptJob, CompileJob, FromWorker, Job, JobResult, JudgeJob, JudgeResult, ToWorker,
    TryJob, TryResult, WriteJob, WriteResult,
};
use crate::walls::{self, Walls};

/// What a worker keeps of what came over the pipe, beside what its overlay holds.
const CACHE: CacheBudget = CacheBudget { blobs: 64 << 20, trees: 16 << 20, sizes: 8 << 20 };

/// Runs the job that comes over standard input and returns when it is done.
/// Calls `orphaned`, which is to end the process, as soon as the host is gone,
/// whatever a guest may be doing.
pub fn run(orphaned: impl FnOnce() + Send + 'static) -> Result<(), FrameError> {
    let stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let spill = take_file(&stream)?;
    let ToWorker::Run(job) = receive(&mut &stream)? else {
        return Err(FrameError::Closed);
    };
    let walls = walls::shut_in(&job.needs());
    watch(&stream, orphaned)?;
    let pipe = Arc::new(Pipe { stream: Mutex::new(stream), cache: ObjectCache::new(CACHE) });
    let threshold = Threshold { pipe: pipe.clone(), walls };
    let guests = std::thread::Builder::new()
        .name("guests".to_owned())
        .stack_size(GUEST_THREAD_STACK)
        .spawn(move || do_job(threshold, *job, spill))?;
    let result = guests.join().unwrap_or_else(|_| {
        JobResult::Failed("the worker's thread panicked; this is a bug of the host".to_owned())
    });
    send(&mut &*pipe.lock(), &FromWorker::Done(Box::new(result)))
}

/// Waits beside the guests for the pipe to be hung up.
fn watch(stream: &UnixStream, orphaned: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let stream = stream.try_clone()?;
    std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
        let mut polled = [PollFd::new(&stream, PollFlags::RDHUP)];
        while let Err(rustix::io::Errno::INTR) = poll(&mut polled, None) {}
        orphaned();
    })?;
    Ok(())
}

/// Between the loading of components and their running.
struct Threshold {
    pipe: Arc<Pipe>,
    walls: Walls,
}

impl Threshold {
    /// Raises the walls and has the host look at them. Afterwards guests may run.
    fn cross(self) -> Result<Arc<dyn Outside>, String> {
        let walls = walls::raise(self.walls);
        match self.pipe.ask(&FromWorker::Walled(walls)) {
            Ok(ToWorker::Begin) => Ok(self.pipe),
            other => Err(lost(other).to_string()),
        }
    }
}

fn do_job(threshold: Threshold, job: Job, spill: File) -> JobResult {
    let result = match job {
        Job::Attempt(job) => run_attempt(threshold, job, spill),
        Job::Judge(job) => run_judge(threshold, job, spill),
        Job::Write(job) => run_write(threshold, job, spill),
        Job::Try(job) => run_try(threshold, job, spill),
        Job::Compile(job) => run_compile(threshold, &job, &spill),
        Job::Load(spec) => run_load(threshold, spec),
        Job::Attack(attack) => run_attack(threshold, attack),
    };
    result.unwrap_or_else(JobResult::Failed)
}

fn run_attack(threshold: Threshold, attack: Attack) -> Result<JobResult, String> {
    if attack == Attack::ReadFile {
        let read = attack.commit();
        threshold.cross()?;
        return Ok(JobResult::Attacked(read));
    }
    threshold.cross()?;
    Ok(JobResult::Attacked(attack.commit()))
}

fn run_attempt(threshold: Threshold, job: AttemptJob, spill: File) -> Result<JobResult, String> {
    let engine = engine()?;
    let scaffold = load(&engine, job.scaffold)?;
    let tools = load_all(&engine, job.tools)?;
    let programs = load_all(&engine, job.programs)?;
    let outside = threshold.cross()?;
    let session = Session::with_spill(outside, job.start, tools, Some(spill));
    let session = Arc::new(session.with_programs(programs).with_native(job.native));
    let end = attempt(&session, &scaffold, &job.set_up, &job.task);
    let session = session.finish().map_err(|err| in_one_line(&err))?;
    Ok(JobResult::Attempt(Attempt { end, session }))
}

fn run_judge(threshold: Threshold, job: JudgeJob, spill: File) -> Result<JobResult, String> {
    let engine = engine()?;
    let judge = load(&engine, job.judge)?;
    let programs = load_all(&engine, job.programs)?;
    let outside = threshold.cross()?;
    let session = Session::for_judge(outside, &job.start, Some(spill));
    let session = Arc::new(session.with_programs(programs).with_native(job.native));
    let judged = evaluate(&session, &judge, &job.submission);
    let (edits, used) = session.conversations_and_use();
    let (tests, kept) = (session.tests(), session.kept());
    Ok(JobResult::Judge(JudgeResult { judged, tests, edits, used, kept }))
}

fn run_write(threshold: Threshold, job: WriteJob, spill: File) -> Result<JobResult, String> {
    let engine = engine()?;
    let writer = load(&engine, job.writer)?;
    let outside = threshold.cross()?;
    let session = Session::with_spill(outside, job.start, Vec::new(), Some(spill));
    let session = Arc::new(session);
    let written = write_queries(&session, &writer, &job.chain);
    let (_, used) = session.conversations_and_use();
    Ok(JobResult::Write(WriteResult { written, used }))
}

fn run_try(threshold: Threshold, job: TryJob, spill: File) -> Result<JobResult, String> {
    let engine = engine()?;
    let tool = load(&engine, job.tool)?;
    let programs = load_all(&engine, job.programs)?;
    let outside = threshold.cross()?;
    let session = Session::with_spill(outside, job.start, vec![tool], Some(spill));
    let session = Arc::new(session.with_programs(programs));
    let (mut tried, mut failed) = (Vec::new(), None);
    for call in &job.calls {
        match try_tool(&session, call) {
            Ok(one) => tried.push(one),
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
    }
    let end = session.finish().map_err(|err| in_one_line(&err))?;
    Ok(JobResult::Tried(TryResult { tried, failed, end }))
}

/// Compiles what the file holds, and has it hold the code instead.
fn run_compile(threshold: Threshold, job: &CompileJob, file: &File) -> Result<JobResult, String> {
    // The compiler's threads can't be started behind the walls.
    rayon::ThreadPoolBuilder::new().build_global().map_err(|err| in_one_line(&err))?;
    threshold.cross()?;
    let failed = |err: std::io::Error| in_one_line(&err);
    let mut component = vec![0; usize::try_from(job.size).map_err(|err| in_one_line(&err))?];
    file.read_exact_at(&mut component, 0).map_err(failed)?;
    let compiled = match CompileHere(Enforced::ALL).compile(&component) {
        Ok(compiled) => compiled,
        Err(CompileError::Invalid(reason)) => return Ok(JobResult::Compiled(Err(reason))),
        Err(err) => return Err(in_one_line(&err)),
    };
    drop(component);
    file.set_len(0).map_err(failed)?;
    file.write_all_at(&compiled.code, 0).map_err(failed)?;
    Ok(JobResult::Compiled(Ok(compiled.face)))
}

fn run_load(threshold: Threshold, spec: PluginSpec) -> Result<JobResult, String> {
    let loaded = engine().and_then(|engine| load(&engine, spec)).map(drop);
    threshold.cross()?;
    Ok(JobResult::Loaded(loaded))
}

fn engine() -> Result<Engine, String> {
    Engine::new().map_err(|err| format!("{err:#}"))
}

fn load_all(engine: &Engine, specs: Vec<PluginSpec>) -> Result<Vec<LoadedPlugin>, String> {
    specs.into_iter().map(|spec| load(engine, spec)).collect()
}

fn load(engine: &Engine, spec: PluginSpec) -> Result<LoadedPlugin, String> {
    LoadedPlugin::load(engine, spec).map_err(|err| in_one_line(&err))
}

/// The pipe as [`Outside`], with what came over it.
struct Pipe {
    stream: Mutex<UnixStream>,
    cache: ObjectCache,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, UnixStream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, question: &FromWorker) -> Result<ToWorker, FrameError> {
        let stream = self.lock();
        send(&mut &*stream, question)?;
        receive(&mut &*stream)
    }
}

/// A host that does not answer, or answers something else, is gone for good.
fn lost(answer: Result<ToWorker, FrameError>) -> ObjectError {
    let reason = match answer {
        Ok(_) => "the host answered another question".to_owned(),
        Err(err) => in_one_line(&err),
    };
    ObjectError::Io(reason)
}

impl Objects for Pipe {
    fn tree(&self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        if let Some(entries) = self.cache.tree(id) {
            return Ok(entries);
        }
        match self.ask(&FromWorker::Tree(id)) {
            Ok(ToWorker::Tree(Ok(entries))) => {
                let entries: Arc<[TreeEntry]> = entries.into();
                self.cache.keep_tree(id, entries.clone());
                Ok(entries)
            }
            Ok(ToWorker::Tree(Err(failure))) => Err(failure.into()),
            other => Err(lost(other)),
        }
    }

    fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        if let Some(content) = self.cache.blob(id) {
            return Ok(content);
        }
        match self.ask(&FromWorker::Blob(id)) {
            Ok(ToWorker::Blob(Ok(content))) => {
                self.cache.keep_blob(id, content.clone());
                Ok(content)
            }
            Ok(ToWorker::Blob(Err(failure))) => Err(failure.into()),
            other => Err(lost(other)),
        }
    }

    /// Trees come with the sizes of their blobs, so what is asked here is a
    /// blob that a partial clone lacks, once.
    fn blob_size(&self, id: BlobId) -> Result<u64, ObjectError> {
        if let Some(size) = self.cache.size(id) {
            return size.ok_or_else(|| ObjectError::Missing(id.to_string()));
        }
        let size = match self.ask(&FromWorker::BlobSize(id)) {
            Ok(ToWorker::BlobSize(size)) => size.map_err(ObjectError::from),
            other => Err(lost(other)),
        };
        match &size {
            Ok(size) => self.cache.keep_size(id, Some(*size)),
            Err(ObjectError::Missing(_)) => self.cache.keep_size(id, None),
            Err(_) => {}
        }
        size
    }
}

impl Outside for Pipe {
    fn complete(&self, exchange: Exchange) -> Result<Reply, ModelError> {
        match self.ask(&FromWorker::Complete(Box::new(exchange))) {
            Ok(ToWorker::Completed(answer)) => answer,
            other => Err(ModelError::Unavailable(lost(other).to_string())),
        }
    }

    fn put(&self, objects: Vec<NewObject>) -> Result<(), ObjectError> {
        match self.ask(&FromWorker::Put(objects)) {
            Ok(ToWorker::Stored(answer)) => answer.map_err(ObjectError::from),
            other => Err(lost(other)),
        }
    }

    fn before_tool(&self, start: ToolStart) -> Result<BeforeTool, ObjectError> {
        match self.ask(&FromWorker::BeforeTool(start)) {
            Ok(ToWorker::Tool(answer)) => Ok(*answer),
            other => Err(lost(other)),
        }
    }

    fn native(&self, start: NativeStart) -> Result<NativeEnd, ObjectError> {
        match self.ask(&FromWorker::Native(Box::new(start))) {
            Ok(ToWorker::Native(answer)) => answer.map_err(ObjectError::from),
            other => Err(lost(other)),
        }
    }

    fn http(&self, start: HttpStart) -> Result<HttpEnd, ObjectError> {
        match self.ask(&FromWorker::Http(Box::new(start))) {
            Ok(ToWorker::Http(answer)) => answer.map_err(ObjectError::from),
            other => Err(lost(other)),
        }
    }

    fn record(&self, event: Event) {
        // A host that is gone is found at the next question.
        let _ = send(&mut &*self.lock(), &FromWorker::Record(event));
    }

    fn cache_use(&self) -> CacheUse {
        self.cache.usage()
    }
}

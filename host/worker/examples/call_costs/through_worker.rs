//! The same calls in a worker process behind its walls, whose host is asked before each.

use std::path::Path;
use std::time::{Duration, Instant};

use catena_plugin::{Attempt, AttemptEnd, BeforeTool, Ending, SessionStart, ToolStart};
use catena_tree::TreeId;
use catena_worker::{
    AttemptJob, HostError, HostSide, Job, JobResult, Walls, Worker, WorkerCommand,
};

use crate::Failure;
use crate::guests::{Begun, Calls, between, task};

/// What a worker took to be ready, and then each call, from the beginning of one to that of
/// the next.
pub(crate) struct Took {
    pub(crate) ready: Duration,
    pub(crate) calls: Vec<Duration>,
}

/// Has a worker make the calls.
pub(crate) fn run(program: &Path, dir: &Path, calls: &Calls) -> Result<Took, Failure> {
    let catena = program.ancestors().nth(2).ok_or("no directory")?.join("catena");
    let command = WorkerCommand { program: catena, arguments: vec!["worker".into()] };
    let (scaffold, tool) = calls.specs();
    let job = Job::Attempt(AttemptJob {
        scaffold,
        tools: vec![tool],
        programs: Vec::new(),
        native: Vec::new(),
        start: SessionStart::on(TreeId::EMPTY),
        set_up: Vec::new(),
        task: task(),
    });
    let begun = Begun::default();
    let mut host = Onlooker { begun: begun.clone(), walled: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let start = Instant::now();
    let result = runtime.block_on(async {
        Worker::start(&command, dir)?.run(job, Duration::from_mins(5), &mut host).await
    })?;
    match result {
        JobResult::Attempt(Attempt { end: AttemptEnd::Ended(Ending::Submitted), .. }) => {
            let ready = host.walled.ok_or("there were no walls")?.duration_since(start);
            Ok(Took { ready, calls: between(&begun) })
        }
        other => Err(format!("{other:?}").into()),
    }
}

struct Onlooker {
    begun: Begun,
    walled: Option<Instant>,
}

impl HostSide for Onlooker {
    fn before_tool(&mut self, _: ToolStart) -> Result<BeforeTool, HostError> {
        let mut begun = self.begun.lock().map_err(|err| err.to_string())?;
        begun.push(Instant::now());
        Ok(BeforeTool::Run)
    }

    fn walled(&mut self, _: Walls) -> Result<(), HostError> {
        self.walled = Some(Instant::now());
        Ok(())
    }
}

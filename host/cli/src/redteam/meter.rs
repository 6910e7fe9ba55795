//! Waits for a program to end, and looks at the memory that it and its own processes
//! take in the meantime.

use std::fs;
use std::io;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// How often is looked. The kernel keeps the peak of each process, so that only the
/// last moments of one are missed.
const INTERVAL: Duration = Duration::from_millis(5);

/// What was seen of a program.
#[derive(Debug)]
pub(crate) struct Watched {
    /// How it ended; none where it did not within its time and was killed.
    pub(crate) status: Option<ExitStatus>,
    /// How long it took.
    pub(crate) took: Duration,
    /// The most memory of the program itself in bytes, where the system tells.
    pub(crate) own_peak: u64,
    /// The most of one of the processes that it started.
    pub(crate) worker_peak: u64,
}

/// Waits for a program, but no longer than this.
pub(crate) fn watch(mut child: Child, patience: Duration) -> io::Result<Watched> {
    let begin = Instant::now();
    let (mut own_peak, mut worker_peak) = (0, 0);
    let status = loop {
        own_peak = own_peak.max(peak_memory(child.id()));
        for worker in children(child.id()) {
            worker_peak = worker_peak.max(peak_memory(worker));
        }
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begin.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            break None;
        }
        thread::sleep(INTERVAL);
    };
    Ok(Watched { status, took: begin.elapsed(), own_peak, worker_peak })
}

/// Does something that has this program start workers, and returns the most memory that
/// one of them had.
pub(crate) fn watch_workers<T: Send>(work: impl FnOnce() -> T + Send) -> (thread::Result<T>, u64) {
    let mut peak = 0;
    thread::scope(|scope| {
        let working = scope.spawn(work);
        while !working.is_finished() {
            for process in
                children(std::process::id()).into_iter().filter(|process| is_worker(*process))
            {
                peak = peak.max(peak_memory(process));
            }
            thread::sleep(INTERVAL);
        }
        (working.join(), peak)
    })
}

fn is_worker(process: u32) -> bool {
    let arguments = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    arguments.ends_with(b"\0worker\0")
}

/// The most memory that a process had so far; 0 where it is gone or not told.
fn peak_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB"));
    kibibytes.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or_default() << 10
}

/// The processes that a process started and that still run.
fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(|process| parent_of(*process) == Some(parent)).collect()
}

fn parent_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

//! What a guest writes to stdout, stderr and its log: told to the host line by
//! line, the head and the tail of it where it is too much, and counted.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::bindings::control::catena::plugin::process::Finished;
use crate::outside::{Event, Outside};
use crate::session::lock;

/// Longest log entry that is kept, in bytes.
const MAX_ENTRY: usize = 4096;

/// What an entry costs beside its text, so that empty ones are not free.
const RECORD_COST: u64 = 64;

/// The output of one call of one plugin: the first half of what the limit allows
/// is told as it comes, the last half when the call has ended.
pub(crate) struct Output {
    outside: Arc<dyn Outside>,
    plugin: String,
    limit: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    written: u64,
    /// What the entries told so far cost.
    head: u64,
    /// Entries after the head, the oldest first, and what they cost.
    tail: VecDeque<Entry>,
    tail_cost: u64,
    /// Entries that neither half has.
    cut: Cut,
    /// Lines begun but not ended, per stream.
    pending: Vec<(&'static str, Vec<u8>)>,
}

struct Entry {
    level: &'static str,
    text: String,
}

#[derive(Default)]
struct Cut {
    entries: u64,
    bytes: u64,
}

impl Entry {
    fn cost(&self) -> u64 {
        self.text.len() as u64 + RECORD_COST
    }
}

impl Output {
    pub(crate) fn new(outside: Arc<dyn Outside>, plugin: &str, limit: u64) -> Self {
        Self { outside, plugin: plugin.to_owned(), limit, inner: Mutex::default() }
    }

    /// Bytes written so far, before any cut.
    pub(crate) fn written(&self) -> u64 {
        lock(&self.inner).written
    }

    /// Takes a log entry.
    pub(crate) fn log(&self, level: &'static str, text: &str) {
        let mut inner = lock(&self.inner);
        inner.written = inner.written.saturating_add(text.len() as u64);
        let end = text.floor_char_boundary(MAX_ENTRY);
        let text = text.get(..end).unwrap_or_default().to_owned();
        self.take(&mut inner, Entry { level, text });
    }

    /// Takes bytes of a stream and passes whole lines on.
    fn write(&self, stream: &'static str, bytes: &[u8]) {
        let mut inner = lock(&self.inner);
        inner.written = inner.written.saturating_add(bytes.len() as u64);
        let index =
            inner.pending.iter().position(|(name, _)| *name == stream).unwrap_or_else(|| {
                inner.pending.push((stream, Vec::new()));
                inner.pending.len() - 1
            });
        for byte in bytes {
            let Some((_, line)) = inner.pending.get_mut(index) else { return };
            let is_whole = *byte == b'\n' || line.len() >= MAX_ENTRY;
            let whole = is_whole.then(|| std::mem::take(line));
            if *byte != b'\n' {
                line.push(*byte);
            }
            if let Some(line) = whole {
                let text = String::from_utf8_lossy(&line).into_owned();
                self.take(&mut inner, Entry { level: stream, text });
            }
        }
    }

    /// Passes on lines that were not ended, and what was kept for the end.
    pub(crate) fn finish(&self) {
        let mut inner = lock(&self.inner);
        for (stream, line) in std::mem::take(&mut inner.pending) {
            if !line.is_empty() {
                let text = String::from_utf8_lossy(&line).into_owned();
                self.take(&mut inner, Entry { level: stream, text });
            }
        }
        let Cut { entries, bytes } = std::mem::take(&mut inner.cut);
        if entries > 0 {
            let limit = self.limit;
            let text = format!(
                "output limit of {limit} bytes reached; {entries} lines of {bytes} bytes are cut here"
            );
            self.tell(Entry { level: "warn", text });
        }
        for entry in std::mem::take(&mut inner.tail) {
            self.tell(entry);
        }
    }

    /// Tells an entry as long as the head is not full, then keeps the latest.
    fn take(&self, inner: &mut Inner, entry: Entry) {
        let half = self.limit / 2;
        let cost = entry.cost();
        if inner.tail.is_empty() && inner.cut.entries == 0 && inner.head + cost <= half {
            inner.head += cost;
            return self.tell(entry);
        }
        inner.tail.push_back(entry);
        inner.tail_cost += cost;
        while inner.tail_cost > half
            && let Some(oldest) = inner.tail.pop_front()
        {
            inner.tail_cost -= oldest.cost();
            inner.cut.entries += 1;
            inner.cut.bytes += oldest.text.len() as u64;
        }
    }

    fn tell(&self, Entry { level, text }: Entry) {
        let plugin = self.plugin.clone();
        self.outside.record(Event::Log { plugin, level: level.to_owned(), text });
    }
}

/// The output of a program, kept for its caller up to a limit on both streams.
#[derive(Clone)]
pub(crate) struct Capture {
    kept: Arc<Mutex<Captured>>,
}

struct Captured {
    room: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    omitted: u64,
}

impl Capture {
    pub(crate) fn new(limit: u64) -> Self {
        let kept = Captured { room: limit, stdout: Vec::new(), stderr: Vec::new(), omitted: 0 };
        Self { kept: Arc::new(Mutex::new(kept)) }
    }

    pub(crate) fn stdout(&self) -> Pipe {
        Pipe { to: Target::Capture(self.clone()), stream: "stdout" }
    }

    pub(crate) fn stderr(&self) -> Pipe {
        Pipe { to: Target::Capture(self.clone()), stream: "stderr" }
    }

    /// All that was kept, which is taken out.
    pub(crate) fn finished(&self, status: i32) -> Finished {
        let mut kept = lock(&self.kept);
        Finished {
            status,
            stdout: std::mem::take(&mut kept.stdout),
            stderr: std::mem::take(&mut kept.stderr),
            omitted_bytes: kept.omitted,
        }
    }

    fn write(&self, stream: &'static str, bytes: &[u8]) {
        let mut kept = lock(&self.kept);
        let len = bytes.len().min(usize::try_from(kept.room).unwrap_or(usize::MAX));
        let (taken, cut) = bytes.split_at(len);
        kept.room -= len as u64;
        kept.omitted += cut.len() as u64;
        if stream == "stdout" { &mut kept.stdout } else { &mut kept.stderr }.extend(taken);
    }
}

/// Where a stream goes.
#[derive(Clone)]
enum Target {
    Record(Arc<Output>),
    Capture(Capture),
}

/// One of the two standard streams.
#[derive(Clone)]
pub(crate) struct Pipe {
    to: Target,
    stream: &'static str,
}

impl Pipe {
    pub(crate) fn new(output: Arc<Output>, stream: &'static str) -> Self {
        Self { to: Target::Record(output), stream }
    }

    fn take(&self, bytes: &[u8]) {
        match &self.to {
            Target::Record(output) => output.write(self.stream, bytes),
            Target::Capture(capture) => capture.write(self.stream, bytes),
        }
    }
}

impl IsTerminal for Pipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Pipe {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Pipe {
    async fn ready(&mut self) {}
}

impl OutputStream for Pipe {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.take(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

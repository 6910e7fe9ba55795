//! What a guest writes to stdout, stderr and its log: kept up to a limit, told
//! to the host line by line, and counted.

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

/// The output of one call of one plugin.
pub(crate) struct Output {
    outside: Arc<dyn Outside>,
    plugin: String,
    limit: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    written: u64,
    /// Bytes that count against the limit: each entry costs more than its text.
    kept: u64,
    cut: bool,
    /// Lines begun but not ended, per stream.
    pending: Vec<(&'static str, Vec<u8>)>,
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
    pub(crate) fn log(&self, level: &str, text: &str) {
        let mut inner = lock(&self.inner);
        if self.admits(&mut inner, text.len()) {
            let end = text.floor_char_boundary(MAX_ENTRY);
            self.tell(level, text.get(..end).unwrap_or_default().to_owned());
        }
    }

    /// Takes bytes of a stream and passes whole lines on.
    fn write(&self, stream: &'static str, bytes: &[u8]) {
        let mut inner = lock(&self.inner);
        if !self.admits(&mut inner, bytes.len()) {
            return;
        }
        let index =
            inner.pending.iter().position(|(name, _)| *name == stream).unwrap_or_else(|| {
                inner.pending.push((stream, Vec::new()));
                inner.pending.len() - 1
            });
        let Some((_, line)) = inner.pending.get_mut(index) else { return };
        for byte in bytes {
            if *byte == b'\n' || line.len() >= MAX_ENTRY {
                self.tell(stream, String::from_utf8_lossy(line).into_owned());
                line.clear();
            }
            if *byte != b'\n' {
                line.push(*byte);
            }
        }
    }

    /// Passes on lines that were not ended.
    pub(crate) fn finish(&self) {
        for (stream, line) in std::mem::take(&mut lock(&self.inner).pending) {
            if !line.is_empty() {
                self.tell(stream, String::from_utf8_lossy(&line).into_owned());
            }
        }
    }

    /// Counts, and says whether the bytes are still within the limit. The first
    /// that are not leave a mark.
    fn admits(&self, inner: &mut Inner, bytes: usize) -> bool {
        inner.written = inner.written.saturating_add(bytes as u64);
        inner.kept = inner.kept.saturating_add(bytes as u64 + RECORD_COST);
        if inner.kept <= self.limit {
            return true;
        }
        if !inner.cut {
            inner.cut = true;
            let limit = self.limit;
            self.tell("warn", format!("output limit of {limit} bytes reached; the rest is cut"));
        }
        false
    }

    fn tell(&self, level: &str, text: String) {
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

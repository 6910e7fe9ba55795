//! `wasi:io` where nothing is ever waited for: files and output are ready at
//! once, and a timer is reached by moving the logical clock on to it.
//!
//! What streams and pollables do is wasmtime's; this decides what happens while
//! none of them is ready. The clock moves only then, and only to the earliest
//! time that somebody waits for, so that a guest that polls a stream with a
//! timeout sees the stream and not the timeout.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::io as waiting;
use wasmtime_wasi::p2::bindings::sync::io::{error, poll, streams};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, StreamError, StreamResult};

use crate::clock::LogicalClock;
use crate::state::State;

/// Runs `work` to its end. While it can't go on, the clock moves.
fn settle<F: Future>(clock: &LogicalClock, work: F) -> wasmtime::Result<F::Output> {
    let mut work = pin!(work);
    let mut ctx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = work.as_mut().poll(&mut ctx) {
            return Ok(output);
        }
        if !clock.wake() {
            return Err(wasmtime::Error::msg("waits for what never happens"));
        }
    }
}

fn size(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

fn settle_stream<T>(
    clock: &LogicalClock,
    work: impl Future<Output = StreamResult<T>>,
) -> StreamResult<T> {
    settle(clock, work).map_err(StreamError::Trap)?
}

impl poll::Host for State {
    fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        settle(&self.session.clock, waiting::poll::Host::poll(&mut self.table, pollables))?
    }
}

impl poll::HostPollable for State {
    fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        // Who asks again and again is to see the time pass.
        self.session.clock.look();
        let work = waiting::poll::HostPollable::ready(&mut self.table, pollable);
        settle(&self.session.clock, work)?
    }

    fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        let work = waiting::poll::HostPollable::block(&mut self.table, pollable);
        settle(&self.session.clock, work)?
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        waiting::poll::HostPollable::drop(&mut self.table, pollable)
    }
}

impl error::Host for State {}

impl error::HostError for State {
    fn drop(&mut self, err: Resource<error::Error>) -> wasmtime::Result<()> {
        waiting::error::HostError::drop(&mut self.table, err)
    }

    fn to_debug_string(&mut self, err: Resource<error::Error>) -> wasmtime::Result<String> {
        waiting::error::HostError::to_debug_string(&mut self.table, err)
    }
}

impl streams::Host for State {
    fn convert_stream_error(&mut self, err: StreamError) -> wasmtime::Result<streams::StreamError> {
        Ok(waiting::streams::Host::convert_stream_error(&mut self.table, err)?.into())
    }
}

impl streams::HostInputStream for State {
    fn drop(&mut self, stream: Resource<DynInputStream>) -> wasmtime::Result<()> {
        // Nothing goes on behind a stream that would have to be cancelled.
        self.table.delete(stream)?;
        Ok(())
    }

    fn read(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<Vec<u8>> {
        let bytes = waiting::streams::HostInputStream::read(&mut self.table, stream, len)?;
        self.transfer_bytes(&bytes).map_err(StreamError::Trap)?;
        Ok(bytes)
    }

    fn blocking_read(
        &mut self,
        stream: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<Vec<u8>> {
        // Most often there is no need for a future.
        let bytes = self.table.get_mut(&stream)?.read(size(len))?;
        if !bytes.is_empty() || len == 0 {
            self.transfer_bytes(&bytes).map_err(StreamError::Trap)?;
            return Ok(bytes.into());
        }
        let work = waiting::streams::HostInputStream::blocking_read(&mut self.table, stream, len);
        let bytes = settle_stream(&self.session.clock, work)?;
        self.transfer_bytes(&bytes).map_err(StreamError::Trap)?;
        Ok(bytes)
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        waiting::streams::HostInputStream::skip(&mut self.table, stream, len)
    }

    fn blocking_skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        let work = waiting::streams::HostInputStream::blocking_skip(&mut self.table, stream, len);
        settle_stream(&self.session.clock, work)
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynInputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        waiting::streams::HostInputStream::subscribe(&mut self.table, stream)
    }
}

impl streams::HostOutputStream for State {
    fn drop(&mut self, stream: Resource<DynOutputStream>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }

    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        waiting::streams::HostOutputStream::check_write(&mut self.table, stream)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        self.transfer_bytes(&bytes).map_err(StreamError::Trap)?;
        waiting::streams::HostOutputStream::write(&mut self.table, stream, bytes)
    }

    fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        self.transfer_bytes(&bytes).map_err(StreamError::Trap)?;
        let table = &mut self.table;
        let work =
            waiting::streams::HostOutputStream::blocking_write_and_flush(table, stream, bytes);
        settle_stream(&self.session.clock, work)
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, len: u64) -> StreamResult<()> {
        self.transfer(size(len)).map_err(StreamError::Trap)?;
        waiting::streams::HostOutputStream::write_zeroes(&mut self.table, stream, len)
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        len: u64,
    ) -> StreamResult<()> {
        self.transfer(size(len)).map_err(StreamError::Trap)?;
        let table = &mut self.table;
        let work =
            waiting::streams::HostOutputStream::blocking_write_zeroes_and_flush(table, stream, len);
        settle_stream(&self.session.clock, work)
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        waiting::streams::HostOutputStream::flush(&mut self.table, stream)
    }

    fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        let writer = self.table.get_mut(&stream)?;
        writer.flush()?;
        if writer.check_write()? > 0 {
            return Ok(());
        }
        let work = waiting::streams::HostOutputStream::blocking_flush(&mut self.table, stream);
        settle_stream(&self.session.clock, work)
    }

    fn splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        let moved = waiting::streams::HostOutputStream::splice(&mut self.table, to, from, len)?;
        self.transfer(size(moved)).map_err(StreamError::Trap)?;
        Ok(moved)
    }

    fn blocking_splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        let table = &mut self.table;
        let work = waiting::streams::HostOutputStream::blocking_splice(table, to, from, len);
        let moved = settle_stream(&self.session.clock, work)?;
        self.transfer(size(moved)).map_err(StreamError::Trap)?;
        Ok(moved)
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynOutputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        waiting::streams::HostOutputStream::subscribe(&mut self.table, stream)
    }
}

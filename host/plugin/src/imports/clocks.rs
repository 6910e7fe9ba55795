//! `wasi:clocks` over the session's logical clock. Sleeping takes no time: the
//! clock moves on to where the sleeper wants it, once nothing else is ready.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

use crate::clock::LogicalClock;
use crate::state::State;

/// Ready from a moment on.
struct Sleep {
    clock: LogicalClock,
    until: u64,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Sleep {
    async fn ready(&mut self) {
        let reached = || self.clock.reached(self.until);
        poll_fn(|_| if reached() { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

impl State {
    fn sleep_until(&mut self, until: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let clock = self.session.clock.clone();
        let sleep = self.table.push(Sleep { clock, until })?;
        subscribe(&mut self.table, sleep)
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.session.clock.look())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(HostMonotonicClock::resolution(&self.session.clock))
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.sleep_until(when)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let until = self.session.clock.look().saturating_add(duration);
        self.sleep_until(until)
    }
}

impl wall_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(datetime(HostWallClock::now(&self.session.clock)))
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(datetime(HostWallClock::resolution(&self.session.clock)))
    }
}

fn datetime(since_epoch: Duration) -> wall_clock::Datetime {
    wall_clock::Datetime { seconds: since_epoch.as_secs(), nanoseconds: since_epoch.subsec_nanos() }
}

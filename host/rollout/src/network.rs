//! Requests to the network: from a worker's message to an answer that is in the journal
//! before the worker has it. What the journal has is not asked for again.

use std::time::{Duration, Instant};

use catena_network::Requester;
use catena_plugin::session::PluginSpec;
use catena_plugin::{Digest, HttpEnd, HttpFailure, HttpStart, NativeBytes, network};

use crate::journal::JournalError;
use crate::ledger::{Ledger, Unserved, digest};
use crate::record::Record;
use crate::secrets::Secrets;
use crate::serve::Trespass;

type HostError = Box<dyn std::error::Error + Send + Sync>;

/// Most requests of one rollout, and most bytes that are sent and come for them.
const MOST_REQUESTS: u64 = 1_000;
const MOST_BYTES: u64 = 512 << 20;

/// How requests of a run reach servers.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(crate) secrets: Secrets,
    pub(crate) requester: Requester,
}

/// Answers a request from the journal or, past its end, by making it.
pub(crate) async fn answer(
    ledger: &mut Ledger,
    askers: &[&PluginSpec],
    reach: &Reach,
    start: HttpStart,
) -> Result<HttpEnd, HostError> {
    start.check().map_err(|fault| Trespass(format!("a request to `{}`: {fault}", start.origin)))?;
    // The worker says who asks, and is not believed: some plugin in it must have the right.
    let allows =
        |asker: &&PluginSpec| network::allows(&asker.rights.http, &start.method, &start.origin);
    if !askers.iter().any(allows) {
        return Err(Trespass(format!("`{} {}`", start.method, start.origin)).into());
    }
    // In a replay too, so that what is refused needs no record.
    if let Some(limit) = limit(ledger) {
        return Ok(Err(HttpFailure::LimitReached(limit)));
    }
    if let Some(end) = ledger.finished_request(&start).map_err(Unserved::from)? {
        return Ok(end);
    }
    ledger.check_stop()?;
    let begin = Instant::now();
    let end = match reach.secrets.for_request(askers, &start)? {
        // What goes into the journal has placeholders.
        Ok(fillings) => reach.requester.send(&start, &fillings).await,
        Err(failure) => Err(failure),
    };
    if let Err(HttpFailure::Untrusted(why)) = &end {
        let HttpStart { plugin, origin, .. } = &start;
        tracing::warn!("`{plugin}` got no answer of `{origin}`: {why}");
    }
    ledger.note_request(&start, &end, begin.elapsed()).await.map_err(Unserved::from)?;
    Ok(end)
}

/// Why a rollout makes no further request, if it does not.
fn limit(ledger: &Ledger) -> Option<String> {
    if ledger.requests.count >= MOST_REQUESTS {
        return Some(format!("a rollout makes {MOST_REQUESTS} requests at most"));
    }
    let is_spent = ledger.requests.bytes >= MOST_BYTES;
    is_spent.then(|| format!("requests of a rollout move {MOST_BYTES} bytes at most"))
}

/// What a rollout's requests came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) count: u64,
    bytes: u64,
}

impl Requests {
    /// Counts one that the journal has.
    pub(crate) fn add(&mut self, body: &NativeBytes, end: &HttpEnd) {
        self.count += 1;
        let came = end.as_ref().map_or(0, |answer| answer.body.0.len());
        self.bytes += (body.0.len() + came) as u64;
    }
}

impl Ledger {
    /// What came of a request, if the journal has it.
    fn finished_request(&mut self, start: &HttpStart) -> Result<Option<HttpEnd>, JournalError> {
        let Some(journaled) = self.journal.take() else {
            self.journal.check_live()?;
            return Ok(None);
        };
        if let Record::Http { request, end, .. } = &journaled
            && *request == request_of(start)
        {
            self.requests.add(&start.body, end);
            return Ok(Some(HttpEnd::clone(end)));
        }
        let unknown = HttpFailure::Broken("not made yet".to_owned());
        Err(self.journal.strayed(&journaled, &record(start, &Err(unknown), Duration::ZERO)))
    }

    /// Puts the end of a request down.
    async fn note_request(
        &mut self,
        start: &HttpStart,
        end: &HttpEnd,
        wall: Duration,
    ) -> Result<(), JournalError> {
        self.requests.add(&start.body, end);
        self.journal.note(record(start, end, wall))?;
        self.journal.sync().await
    }
}

/// Digest of what is asked; how long it may take is not a part of it.
fn request_of(start: &HttpStart) -> Digest {
    digest(&HttpStart { wall: Duration::ZERO, ..start.clone() })
}

fn record(start: &HttpStart, end: &HttpEnd, wall: Duration) -> Record {
    Record::Http {
        request: request_of(start),
        plugin: start.plugin.clone(),
        method: start.method.clone(),
        address: format!("{}{}", start.origin, start.path),
        headers: start.headers.clone(),
        body: start.body.clone(),
        end: Box::new(end.clone()),
        wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
    }
}

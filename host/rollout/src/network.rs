//! Requests to the network: from a worker's message to an answer that is in the journal
//! before the worker has it. What the journal has is not asked for again.

use std::time::{Duration, Instant};

use catena_plugin::session::PluginSpec;
use catena_plugin::{Digest, HttpEnd, HttpFailure, HttpStart, network};

use crate::journal::JournalError;
use crate::ledger::{Ledger, Unserved, digest};
use crate::record::Record;
use crate::secrets::Secrets;
use crate::serve::Trespass;

type HostError = Box<dyn std::error::Error + Send + Sync>;

/// Most requests of one rollout.
const MOST_REQUESTS: u64 = 1_000;

/// Answers a request from the journal or, past its end, by making it.
pub(crate) async fn answer(
    ledger: &mut Ledger,
    askers: &[&PluginSpec],
    secrets: &Secrets,
    start: HttpStart,
) -> Result<HttpEnd, HostError> {
    // The worker says who asks, and is not believed: some plugin in it must have the right.
    let allows =
        |asker: &&PluginSpec| network::allows(&asker.rights.http, &start.method, &start.origin);
    if !askers.iter().any(allows) {
        return Err(Trespass(format!("`{} {}`", start.method, start.origin)).into());
    }
    if let Some(end) = ledger.finished_request(&start).map_err(Unserved::from)? {
        return Ok(end);
    }
    ledger.check_stop()?;
    let begin = Instant::now();
    let end = match secrets.for_request(askers, &start)? {
        _ if ledger.requests >= MOST_REQUESTS => {
            let limit = format!("a rollout makes {MOST_REQUESTS} requests at most");
            Err(HttpFailure::LimitReached(limit))
        }
        // What goes into the journal has placeholders.
        Ok(fillings) => catena_network::send(&start, &fillings).await,
        Err(failure) => Err(failure),
    };
    ledger.note_request(&start, &end, begin.elapsed()).await.map_err(Unserved::from)?;
    Ok(end)
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
            self.requests += 1;
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
        self.requests += 1;
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
        end: Box::new(end.clone()),
        wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
    }
}

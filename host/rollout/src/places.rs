//! How many rollouts of a run have a worker at a time. A rollout that comes back
//! from waiting for its model goes before one that has not begun, so that what
//! was begun comes to its end; among each other they are served in the order in
//! which they came.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The places of a run.
pub(crate) struct Places {
    state: Mutex<State>,
}

struct State {
    free: usize,
    returning: VecDeque<oneshot::Sender<Place>>,
    new: VecDeque<oneshot::Sender<Place>>,
}

/// A place; dropping it gives it to the next one.
pub(crate) struct Place {
    places: Arc<Places>,
}

/// Who wants a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comer {
    /// A rollout that begins.
    New,
    /// One that had a place before.
    Returning,
}

impl Places {
    pub(crate) fn new(free: usize) -> Arc<Self> {
        let state = State { free, returning: VecDeque::new(), new: VecDeque::new() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Waits for a place.
    pub(crate) async fn take(self: &Arc<Self>, comer: Comer) -> Place {
        let waits = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Place { places: self.clone() };
            }
            let (sender, waits) = oneshot::channel();
            match comer {
                Comer::New => state.new.push_back(sender),
                Comer::Returning => state.returning.push_back(sender),
            }
            waits
        };
        // Senders live in the queues until a place is sent.
        waits.await.unwrap_or_else(|_| Place { places: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = {
            let mut state = self.places.lock();
            let next = state.returning.pop_front();
            let next = next.or_else(|| state.new.pop_front());
            state.free += usize::from(next.is_none());
            next
        };
        if let Some(next) = next {
            // Who waited may have been stopped; then the place that comes back is
            // dropped, and so goes to the one after.
            drop(next.send(Self { places: self.places.clone() }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_returns_goes_before_who_begins_and_nobody_is_lost() {
        let places = Places::new(1);
        let held = places.take(Comer::New).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for (number, comer) in
            [Comer::New, Comer::New, Comer::Returning, Comer::Returning].into_iter().enumerate()
        {
            let (places, order) = (places.clone(), order.clone());
            tasks.spawn(async move {
                let _place = places.take(comer).await;
                order.lock().unwrap().push(number);
            });
            tokio::task::yield_now().await;
        }
        let stopped = tokio::spawn({
            let places = places.clone();
            async move { drop(places.take(Comer::Returning).await) }
        });
        tokio::task::yield_now().await;
        stopped.abort();
        assert!(stopped.await.unwrap_err().is_cancelled());
        drop(held);
        tasks.join_all().await;
        assert_eq!(*order.lock().unwrap(), [2, 3, 0, 1]);
        assert_eq!(places.lock().free, 1);
    }
}

//! How many requests a server gets at a time: fewer when it says that it is
//! overloaded, one more after every round of good replies. Those who wait are
//! served in the order in which they came.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The places at one server, shared by all rollouts.
pub struct Limiter {
    places: Arc<Semaphore>,
    state: Mutex<State>,
    most: usize,
}

#[derive(Debug)]
struct State {
    /// Requests allowed at a time, now.
    limit: usize,
    /// Places that are taken away as soon as they become free.
    owed: usize,
    /// Good replies since the limit last changed.
    successes: usize,
    /// When the limit was last cut.
    cut: Option<Instant>,
    /// Nothing is sent before.
    closed_until: Option<Instant>,
}

/// A place, held for one request. Dropping it without a verdict gives it back.
pub struct Place {
    limiter: Arc<Limiter>,
    permit: Option<OwnedSemaphorePermit>,
    since: Instant,
}

impl Limiter {
    /// At most `most` requests at a time, and at least one.
    pub fn new(most: usize) -> Arc<Self> {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let state = State { limit: most, owed: 0, successes: 0, cut: None, closed_until: None };
        Arc::new(Self { places: Arc::new(Semaphore::new(most)), state: Mutex::new(state), most })
    }

    /// Requests allowed at a time, now.
    pub fn limit(&self) -> usize {
        self.lock().limit
    }

    /// Whether the next to come would have to wait.
    pub fn is_busy(&self) -> bool {
        let closed = self.lock().closed_until.is_some_and(|until| until > Instant::now());
        closed || self.places.available_permits() == 0
    }

    /// Waits for a place, first come, first served, and then until the server
    /// wants to be asked again.
    pub async fn place(self: &Arc<Self>) -> Place {
        // The semaphore is never closed; without a permit the place is free.
        let permit = self.places.clone().acquire_owned().await.ok();
        loop {
            let until = self.lock().closed_until.filter(|until| *until > Instant::now());
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => break,
            }
        }
        Place { limiter: self.clone(), permit, since: Instant::now() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn grow(&self) {
        let mut state = self.lock();
        state.successes += 1;
        if state.successes < state.limit || state.limit >= self.most {
            return;
        }
        state.successes = 0;
        state.limit += 1;
        if state.owed > 0 {
            state.owed -= 1;
        } else {
            self.places.add_permits(1);
        }
    }

    /// Halves the limit, once for all requests that were under way together.
    fn shrink(&self, sent: Instant, asked: Option<Duration>) {
        let mut state = self.lock();
        let now = Instant::now();
        if let Some(asked) = asked {
            state.closed_until = state.closed_until.max(Some(now + asked));
        }
        if state.cut.is_some_and(|cut| sent <= cut) {
            return;
        }
        let fewer = (state.limit / 2).max(1);
        let taken = state.limit - fewer;
        state.owed += taken - self.places.forget_permits(taken);
        state.limit = fewer;
        state.successes = 0;
        state.cut = Some(now);
    }

    fn give_back(&self, permit: OwnedSemaphorePermit) {
        let mut state = self.lock();
        if state.owed > 0 {
            state.owed -= 1;
            permit.forget();
        }
    }
}

impl Place {
    /// The server answered well.
    pub fn succeeded(self) {
        self.limiter.grow();
    }

    /// The server is overloaded, and may have said for how long.
    pub fn overloaded(self, asked: Option<Duration>) {
        self.limiter.shrink(self.since, asked);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.limiter.give_back(permit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn all_at_once(limiter: &Arc<Limiter>, count: usize) -> Vec<Place> {
        let mut places = Vec::new();
        for _ in 0..count {
            places.push(limiter.place().await);
        }
        places
    }

    #[tokio::test(start_paused = true)]
    async fn overload_halves_the_limit_once_per_wave_and_good_replies_bring_it_back() {
        let limiter = Limiter::new(8);
        let wave = all_at_once(&limiter, 8).await;
        tokio::time::advance(Duration::from_millis(5)).await;
        for place in wave {
            place.overloaded(None);
        }
        assert_eq!((limiter.limit(), limiter.places.available_permits()), (4, 4));
        tokio::time::advance(Duration::from_millis(5)).await;
        limiter.place().await.overloaded(None);
        assert_eq!((limiter.limit(), limiter.places.available_permits()), (2, 2));
        for _ in 0..200 {
            limiter.place().await.succeeded();
        }
        assert_eq!((limiter.limit(), limiter.places.available_permits()), (8, 8));
    }

    #[tokio::test(start_paused = true)]
    async fn limit_stays_at_least_one() {
        let limiter = Limiter::new(1);
        limiter.place().await.overloaded(None);
        assert_eq!(limiter.limit(), 1);
        limiter.place().await.succeeded();
        assert_eq!(limiter.places.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_sent_before_the_server_wants_to_be_asked_again() {
        let limiter = Limiter::new(4);
        let begin = Instant::now();
        limiter.place().await.overloaded(Some(Duration::from_secs(20)));
        assert!(limiter.is_busy());
        drop(limiter.place().await);
        assert_eq!(begin.elapsed(), Duration::from_secs(20));
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_are_served_in_the_order_in_which_they_came() {
        let limiter = Limiter::new(1);
        let held = limiter.place().await;
        let served = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..10 {
            let (limiter, served) = (limiter.clone(), served.clone());
            tasks.spawn(async move {
                let place = limiter.place().await;
                served.lock().unwrap().push(number);
                place.succeeded();
            });
            tokio::task::yield_now().await;
        }
        held.succeeded();
        tasks.join_all().await;
        assert_eq!(*served.lock().unwrap(), (0..10).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_never_more_requests_than_the_limit() {
        let limiter = Limiter::new(3);
        let under_way = Arc::new(AtomicUsize::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..30_u64 {
            let (limiter, under_way) = (limiter.clone(), under_way.clone());
            tasks.spawn(async move {
                let place = limiter.place().await;
                assert!(under_way.fetch_add(1, Ordering::SeqCst) < 3);
                tokio::time::sleep(Duration::from_millis(number % 7)).await;
                under_way.fetch_sub(1, Ordering::SeqCst);
                if number % 5 == 0 { place.overloaded(None) } else { place.succeeded() }
            });
        }
        tasks.join_all().await;
    }
}

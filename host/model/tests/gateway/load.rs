//! Many rollouts at one server that takes only a few requests at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::exchange::Client;
use crate::server::{Server, Step, good, status};

/// Counts down when it is dropped.
struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn every_rollout_is_served_by_a_server_that_takes_two_at_a_time() {
    let busy = Arc::new(AtomicUsize::new(0));
    let server = Server::answering(move || {
        let guard = Busy(busy.clone());
        if busy.fetch_add(1, Ordering::SeqCst) >= 2 {
            return (status(429, "", "{}"), guard);
        }
        let mut answer = vec![Step::Wait(Duration::from_millis(5))];
        answer.extend(good());
        (answer, guard)
    })
    .await;
    let mut client = Client::of(&server);
    client.policy.attempts = 50;
    let client = Arc::new(client);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let client = client.clone();
        tasks.spawn(async move { client.ask_something().await });
    }
    let outcomes = tasks.join_all().await;
    assert!(outcomes.iter().all(|outcome| outcome.answer.is_ok()));
    let refused: usize = outcomes.iter().map(|outcome| outcome.failed.len()).sum();
    assert_eq!(server.asked().len(), 40 + refused);
    assert!(refused > 0 && client.limiter.limit() < 8, "{refused}");
}

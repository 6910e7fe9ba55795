//! What exchanges cost, and that nobody spends more than there is.

use catena_model::{Account, Bounds, ModelError, Usage};
use serde_json::json;

use crate::exchange::{Client, purse, user};
use crate::server::{Server, delta, good, status, stream_head};

fn of_tokens(most: u64) -> Bounds {
    Bounds { tokens: Some(most), usd: None }
}

#[tokio::test]
async fn exchange_that_could_go_beyond_the_budget_is_not_sent() {
    let server = Server::start(vec![good()]).await;
    let mut client = Client::of(&server);
    client.purse = purse(of_tokens(1_000));
    let outcome = client.ask_something().await;
    let expected = ModelError::BudgetExhausted("tokens of the run".to_owned());
    assert_eq!(outcome.answer, Err(expected));
    client.purse.rollout = Account::new(of_tokens(10), &Usage::default());
    let outcome = client.ask_something().await;
    assert_eq!(outcome.answer, Err(ModelError::BudgetExhausted("tokens".to_owned())));
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn lower_bound_on_the_reply_reserves_less() {
    let server = Server::start(vec![good()]).await;
    let mut client = Client::of(&server);
    client.purse = purse(of_tokens(1_000));
    client.settings.max_output_tokens = 100;
    client.ask_something().await.answer.unwrap();
    assert_eq!(server.asked()[0].body["max_tokens"], 100);
}

#[tokio::test]
async fn reply_is_bounded_by_what_is_left_of_the_context_window() {
    let server = Server::start(vec![good()]).await;
    let mut client = Client::of(&server);
    client.settings.info.context_window = 500;
    client.ask(&[user(&"x".repeat(300))]).await.answer.unwrap();
    client.ask(&[user(&"x".repeat(3_000))]).await.answer.unwrap();
    let asked = server.asked();
    let bound = |turn: usize| asked[turn].body["max_tokens"].as_u64().unwrap();
    assert!((256..400).contains(&bound(0)), "{}", bound(0));
    assert_eq!(bound(1), 256);
}

#[tokio::test]
async fn attempts_that_came_to_nothing_are_paid_once_and_free_ones_not_at_all() {
    let cut = vec![stream_head(), delta(&json!({"content": "12345678"}))];
    let server = Server::start(vec![status(500, "", "{}"), cut, good()]).await;
    let mut client = Client::streaming(&server);
    let outcome = client.ask_something().await;
    let paid: Vec<u64> = outcome.failed.iter().map(|failed| failed.usage.tokens()).collect();
    assert_eq!((paid.len(), paid[0]), (2, 0));
    assert!(paid[1] > 2);
    // What is left of a budget tells what was spent.
    let most = 5_000;
    client.purse = purse(of_tokens(most));
    let server = Server::start(vec![good()]).await;
    client.settings.base_url.clone_from(&server.base_url);
    client.ask_something().await.answer.unwrap();
    let left = |tokens| Usage { input_tokens: tokens, ..Usage::default() };
    assert!(client.purse.run.is_short_of(&left(most - 110 + 1)));
    assert!(!client.purse.run.is_short_of(&left(most - 110)));
}

#[tokio::test]
async fn parallel_exchanges_stay_within_the_budget_of_the_run() {
    let server = Server::start(vec![good()]).await;
    let mut client = Client::of(&server);
    client.settings.max_output_tokens = 10;
    let most = 1_500;
    client.purse = purse(of_tokens(most));
    let exchanges = (0..40).map(|_| client.ask_something());
    let mut answered = 0;
    let outcomes = join_all(exchanges).await;
    for outcome in outcomes {
        match outcome.answer {
            Ok(reply) => answered += reply.usage.tokens(),
            Err(error) => assert!(matches!(error, ModelError::BudgetExhausted(_)), "{error}"),
        }
    }
    assert!(answered <= most, "{answered}");
    // What is left is less than one more exchange could take.
    assert!(answered + 400 > most, "{answered}");
    assert_eq!(server.asked().len() as u64 * 110, answered);
}

/// Runs futures side by side in this task.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut running {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if running.iter().all(|(_, output)| output.is_some()) {
            return std::task::Poll::Ready(());
        }
        std::task::Poll::Pending
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

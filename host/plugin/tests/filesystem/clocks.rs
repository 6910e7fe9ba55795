//! What waiting does to the clock that guests see.

use crate::calls::Access::Read;
use crate::calls::Call;
use crate::operations::Outcome;
use crate::requests::*;
use crate::{done, guest};

const HOUR: u64 = 3_600_000_000_000;

/// How far the clock went from one look at it to the next.
fn moved_by(between: Call) -> (Outcome, u64) {
    let (outcomes, _) = guest::perform(&[
        open_at("readme", &[], &[Read], "f"),
        Call::ReadViaStream { file: "f".to_owned(), offset: 0, stream: "s".to_owned() },
        Call::Now,
        between,
        Call::Now,
    ]);
    let nanos = |outcome: &Outcome| match outcome {
        Outcome::Done(nanos) => nanos.parse::<u64>().unwrap(),
        Outcome::Failed(name) => panic!("{name}"),
    };
    (outcomes[3].clone(), nanos(&outcomes[4]) - nanos(&outcomes[2]))
}

#[test]
fn polling_what_is_ready_does_not_move_the_clock_to_the_timer() {
    let (ready, moved) = moved_by(Call::Poll { streams: vec!["s".to_owned()], timer: HOUR });
    assert_eq!(ready, done("[0]"));
    assert!(moved < 1_000_000, "{moved}");
}

#[test]
fn polling_a_timer_alone_moves_the_clock_to_it_at_once() {
    let (ready, moved) = moved_by(Call::Poll { streams: Vec::new(), timer: HOUR });
    assert_eq!(ready, done("[0]"));
    assert!((HOUR..HOUR + 1_000_000).contains(&moved), "{moved}");
}

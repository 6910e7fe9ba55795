//! Noticing an agent that makes the same call again and again.

use catena_sdk::tools::ToolCall;

/// Counts identical calls in a row.
pub(crate) struct Repetition {
    threshold: u32,
    last: Option<(String, String)>,
    count: u32,
}

impl Repetition {
    /// From `threshold` calls in a row on it is a loop; with 0 it never is.
    pub(crate) fn of(threshold: u32) -> Self {
        Self { threshold, last: None, count: 0 }
    }

    /// Counts a call; says whether it completes a loop.
    pub(crate) fn is_loop(&mut self, call: &ToolCall) -> bool {
        let same = self
            .last
            .as_ref()
            .is_some_and(|(name, arguments)| *name == call.name && *arguments == call.arguments);
        if same {
            self.count += 1;
        } else {
            self.last = Some((call.name.clone(), call.arguments.clone()));
            self.count = 1;
        }
        self.threshold > 0 && self.count >= self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: &str) -> ToolCall {
        ToolCall { id: String::new(), name: name.to_owned(), arguments: arguments.to_owned() }
    }

    #[test]
    fn fifth_identical_call_is_a_loop_and_another_one_begins_anew() {
        let mut repetition = Repetition::of(5);
        for _ in 0..4 {
            assert!(!repetition.is_loop(&call("glob", "{}")));
        }
        assert!(!repetition.is_loop(&call("glob", r#"{"path":"a"}"#)));
        for _ in 0..4 {
            assert!(!repetition.is_loop(&call("glob", "{}")));
        }
        assert!(repetition.is_loop(&call("glob", "{}")));
    }

    #[test]
    fn without_a_threshold_nothing_is_a_loop() {
        let mut repetition = Repetition::of(0);
        assert!((0..100).all(|_| !repetition.is_loop(&call("glob", "{}"))));
    }
}

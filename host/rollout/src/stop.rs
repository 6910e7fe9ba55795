//! A user who wants a run to stop.

use std::sync::Arc;

use tokio::sync::watch;

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asked {
    /// The run goes on.
    #[default]
    Nothing,
    /// Every rollout stops before its next turn. What is under way is brought to
    /// its end, as it is paid for.
    Stop,
}

/// Says whether a run is to stop. Clones say the same.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<Asked>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Asked::Nothing)))
    }
}

impl Stop {
    /// Asks every rollout to stop before its next turn.
    pub fn ask(&self) {
        self.0.send_replace(Asked::Stop);
    }

    /// What was asked for so far.
    pub fn asked(&self) -> Asked {
        *self.0.borrow()
    }

    /// Returns when a stop is asked for.
    pub(crate) async fn wait(&self) {
        let mut receiver = self.0.subscribe();
        // The sender lives as long as `self`.
        let _ = receiver.wait_for(|asked| *asked == Asked::Stop).await;
    }
}

//! Whether a replay did the same as a journal has it: all that follows from the plan and from
//! the answers in the journal, and nothing of what the machine made of it.

use std::collections::BTreeMap;

use catena_plugin::{Event, Refusals, ToolEnd, Used};
use catena_tree::CacheUse;
use catena_worker::Walls;

use super::Record;

impl Record {
    /// Whether a replay that came to this record where the journal has `journaled`
    /// did the same. Wall-clock times, the use of memory and caches, and the
    /// version of the program may differ.
    pub fn agrees_with(&self, journaled: &Self) -> bool {
        let (mut one, mut other) = (self.without_times(), journaled.without_times());
        if !journaled.tells_refusals() {
            one.clear_refusals();
            other.clear_refusals();
        }
        if let (Some(one), Some(other)) = (one.tool_end(), other.tool_end()) {
            match (one.as_mut(), other.as_mut()) {
                // How much a call may leave depends on what the host has already.
                (Some(one), Some(other)) if one.after.is_none() || other.after.is_none() => {
                    (one.after, other.after) = (None, None);
                }
                (Some(_), Some(_)) => {}
                // Version 1 does not say.
                _ => (*one, *other) = (None, None),
            }
        }
        one == other
    }

    fn tool_end(&mut self) -> Option<&mut Option<Box<ToolEnd>>> {
        match self {
            Self::Event(Event::ToolCall { end, .. }) => Some(end),
            _ => None,
        }
    }

    /// Whether it says what was refused and all that was used; where nobody used anything, it does.
    fn tells_refusals(&self) -> bool {
        self.used().into_iter().flat_map(BTreeMap::values).all(|used| used.refused.are_told())
    }

    fn used(&self) -> Option<&BTreeMap<String, Used>> {
        match self {
            Self::Event(Event::ToolCall { end, .. }) => end.as_ref().map(|end| &end.used),
            Self::AttemptEnded { session, .. } => Some(&session.used),
            Self::Judged { used, .. } => Some(used),
            _ => None,
        }
    }

    fn clear_refusals(&mut self) {
        let used = match self {
            Self::Event(Event::ToolCall { end: Some(end), .. }) => &mut end.used,
            Self::AttemptEnded { session, .. } => &mut session.used,
            Self::Judged { used, .. } => used,
            _ => return,
        };
        for used in used.values_mut() {
            *used = Used {
                refused: Refusals::default(),
                peak_tables: 0,
                peak_handles: 0,
                transferred: 0,
                processes: 0,
                ..used.clone()
            };
        }
    }

    fn without_times(&self) -> Self {
        let mut record = self.clone();
        match &mut record {
            Self::Header(header) => {
                header.journal = 0;
                header.catena.clear();
                header.engine.clear();
                header.walls = Walls::default();
            }
            Self::Event(Event::Program { wall_us, .. }) => *wall_us = 0,
            Self::Event(Event::ToolCall { wall_us, end, .. }) => {
                *wall_us = 0;
                if let Some(end) = end {
                    clear_what_may_differ(&mut end.used);
                }
            }
            Self::AttemptEnded { session, .. } => {
                clear_what_may_differ(&mut session.used);
                session.cache = CacheUse::default();
                session.workspace_memory = 0;
                session.workspace_spilled = 0;
                // A call that was taken over had no guest.
                session.guest_memory = 0;
            }
            Self::Judged { used, .. } => clear_what_may_differ(used),
            Self::Exchange { wall_ms, .. } => *wall_ms = 0,
            _ => {}
        }
        record
    }
}

fn clear_what_may_differ(used: &mut BTreeMap<String, Used>) {
    for used in used.values_mut() {
        // A stack is machine code's, and journals of before do not tell of single calls.
        *used = Used { wall_us: 0, peak_stack: 0, peak_host_call: 0, ..used.clone() };
    }
}

//! What an attack may take of memory and time. Who is let have more by its limits may
//! take that, and a little more for the moments in which a limit is looked at.

use std::time::Duration;

use catena_plugin::units::ByteSize;

use super::attack::{Attack, Means};

/// Bytes that a worker may have beyond an honest one and its limits.
const WORKER_SLACK: u64 = 32 << 20;

/// Bytes that the host may have beyond what it has without an attack and what the limits
/// let it hold.
const HOST_SLACK: u64 = 64 << 20;

/// How long the host waits for a call that can't be interrupted, and as long again to end it
/// on a machine that has more to do than it can.
const GRACE: Duration = Duration::from_secs(20);

/// What was measured of an attack.
pub(crate) struct Measures {
    /// Bytes that a worker had beyond an honest one and the limits of the attack.
    pub(crate) worker: u64,
    /// Bytes that the host had beyond what it has without an attack.
    pub(crate) host: u64,
    /// How long the attacker ran.
    pub(crate) stopped_after: Duration,
}

impl Measures {
    /// What of these is more than it may be, in words.
    pub(crate) fn exceeded(&self, attack: &Attack, wall: Duration) -> Vec<String> {
        let mut exceeded = Vec::new();
        let mut compare = |who: &str, found: u64, most: u64| {
            if found > most {
                let (found, most) = (ByteSize(found), ByteSize(most));
                exceeded.push(format!("{who} had {found} more than it should; {most} are let"));
            }
        };
        compare("its worker", self.worker, WORKER_SLACK);
        compare("the host", self.host, attack.bounds.host + HOST_SLACK);
        let calls = match attack.means {
            // Each command has the time, and so has the last one, which submits.
            Means::Agent(lines) => commands(lines.len()),
            Means::Deceiver(deceit) => commands(deceit.work.len() + deceit.lies.len()),
            // Two calls, or two rounds.
            Means::Tool(_) | Means::Judge => 2,
            _ => 1,
        };
        let most = wall.saturating_mul(calls).saturating_add(GRACE);
        if self.stopped_after > most {
            exceeded.push(format!("it ran for {:?}; {most:?} are let", self.stopped_after));
        }
        exceeded
    }
}

/// How many commands an agent makes by so many lines, with the one that submits.
fn commands(lines: usize) -> u32 {
    u32::try_from(lines + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redteam::table::all;

    #[test]
    fn each_measure_is_held_against_its_bound() {
        let attack = all().find(|attack| attack.name == "spin").unwrap();
        let wall = attack.bounds.wall;
        let within = Measures { worker: 0, host: 0, stopped_after: wall };
        assert!(within.exceeded(attack, wall).is_empty());
        let beyond =
            Measures { worker: 1 << 30, host: 1 << 30, stopped_after: wall + GRACE + GRACE };
        assert_eq!(beyond.exceeded(attack, wall).len(), 3);
    }
}

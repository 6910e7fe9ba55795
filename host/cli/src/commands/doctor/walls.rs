//! What stands around a worker beside the sandbox, found out by running against it.

use catena_worker::host::{Repelled, try_attack, try_walls};
use catena_worker::{Attack, Walls, WorkerError};

use super::checks::check as found;
use super::{Check, Status};
use crate::machine::Machine;

const NAME: &str = "walls";

/// What a worker must not come to, by what each of it is against.
const ATTACKS: [(Attack, &str); 7] = [
    (Attack::ReadFile, "read a file of the host before system calls were filtered"),
    (Attack::OpenFile, "opened a file of the host"),
    (Attack::OpenSocket, "opened a socket"),
    (Attack::StartProgram, "started a program"),
    (Attack::StartThread, "started a thread"),
    (Attack::ExecuteMemory, "made memory executable"),
    (Attack::ShareMemory, "took memory that is in no bound"),
];

/// Has workers try what they must not.
pub(super) fn check(machine: &Machine) -> Check {
    let runtime = tokio::runtime::Runtime::new().map_err(|err| err.to_string());
    let tried = runtime.and_then(|runtime| {
        runtime.block_on(try_all(machine)).map_err(|err| catena_worker::in_one_line(&err))
    });
    match tried {
        Err(err) => found(NAME, Status::Broken, err),
        Ok((walls, done)) if walls.stand() && done.is_empty() => {
            found(NAME, Status::Ok, format!("{walls}; {} attacks were repelled", ATTACKS.len()))
        }
        Ok((walls, done)) => {
            let done: Vec<String> = done.iter().map(|what| format!("a worker {what}")).collect();
            let detail = [vec![walls.to_string()], done].concat().join("; ");
            let hint = "run plugins you do not trust under an account that owns nothing of value, \
                        or on a kernel with Landlock (Linux 6.2) and seccomp";
            found(NAME, Status::Lacking, detail).hinted(hint)
        }
    }
}

/// The walls, and what workers did in spite of them.
async fn try_all(machine: &Machine) -> Result<(Walls, Vec<&'static str>), WorkerError> {
    let (command, dir) = (machine.worker_command(), machine.components());
    let walls = try_walls(&command, &dir).await?;
    let mut done = Vec::new();
    for (attack, what) in ATTACKS {
        if try_attack(&command, &dir, attack).await? == Repelled::Not {
            done.push(what);
        }
    }
    Ok((walls, done))
}

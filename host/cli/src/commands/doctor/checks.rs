//! The checks of a machine. Each tries what it is about.

use std::path::Path;
use std::process::Command;

use catena_model::openai::check_certificates;
use catena_native::probe::{Probed, probe};
use catena_plugin::{ComponentCache, Engine};
use catena_rollout::models;
use catena_worker::Worker;

use super::{Check, Status, walls};
use crate::machine::Machine;
use crate::output::bytes;

/// Memory that a rollout's worker may well need.
const WORKER_MEMORY: u64 = 1 << 30;

/// Runs all checks.
pub(super) fn all(machine: &Machine) -> Vec<Check> {
    vec![
        git(),
        engine(),
        cache(&machine.components()),
        worker(machine),
        memory(),
        plugins(machine.plugin_dirs()),
        models_file(machine.models_file()),
        certificates(),
        native(machine),
        walls::check(machine),
    ]
}

pub(super) fn check(name: &'static str, status: Status, detail: impl Into<String>) -> Check {
    Check { name, status, detail: detail.into(), hint: None }
}

impl Check {
    pub(super) fn hinted(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

fn git() -> Check {
    const NAME: &str = "git";
    match Command::new("git").arg("--version").output() {
        Ok(output) if output.status.success() => {
            check(NAME, Status::Ok, String::from_utf8_lossy(&output.stdout).trim())
        }
        Ok(output) => check(NAME, Status::Lacking, format!("ended with {}", output.status)),
        Err(err) => check(NAME, Status::Lacking, err.to_string())
            .hinted("runs do without; you need it to clone repositories"),
    }
}

fn engine() -> Check {
    match Engine::new() {
        Ok(_) => check("sandbox", Status::Ok, "the WebAssembly engine starts"),
        Err(err) => check("sandbox", Status::Broken, format!("{err:#}"))
            .hinted("the engine needs address space: look at `ulimit -v`"),
    }
}

fn cache(dir: &Path) -> Check {
    const NAME: &str = "component cache";
    let probe = dir.join("doctor");
    let tried = ComponentCache::open(dir)
        .map_err(|err| err.to_string())
        .and_then(|_| std::fs::write(&probe, "").map_err(|err| err.to_string()))
        .and_then(|()| std::fs::remove_file(&probe).map_err(|err| err.to_string()));
    match tried {
        Ok(()) => check(NAME, Status::Ok, format!("{} can be written", dir.display())),
        Err(err) => check(NAME, Status::Broken, format!("{}: {err}", dir.display()))
            .hinted("set `CATENA_CACHE` to a directory that can be written"),
    }
}

fn worker(machine: &Machine) -> Check {
    const NAME: &str = "worker process";
    let command = machine.worker_command();
    let started =
        tokio::runtime::Runtime::new().map_err(|err| err.to_string()).and_then(|runtime| {
            let _guard = runtime.enter();
            Worker::start(&command, &machine.components()).map(drop).map_err(|err| err.to_string())
        });
    match started {
        Ok(()) => check(NAME, Status::Ok, "one was started"),
        Err(err) => check(NAME, Status::Broken, err).hinted("look at `ulimit -u`"),
    }
}

fn memory() -> Check {
    const NAME: &str = "memory";
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = text.lines().find_map(|line| {
        let kibibytes = line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?;
        kibibytes.trim().parse::<u64>().ok()?.checked_mul(1024)
    });
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    match available {
        None => check(NAME, Status::Lacking, "this system does not tell"),
        Some(free) => {
            let status = if free < WORKER_MEMORY { Status::Lacking } else { Status::Ok };
            check(NAME, status, format!("{} free, {cores} cores", bytes(free)))
        }
    }
}

fn plugins(dirs: &[std::path::PathBuf]) -> Check {
    const NAME: &str = "plugins";
    let entries = dirs.iter().filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().flatten();
    let found = entries.filter(|entry| entry.path().join("plugin.toml").is_file());
    let mut names: Vec<String> =
        found.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names.dedup();
    match names.len() {
        0 => check(NAME, Status::Lacking, "none is installed").hinted(
            "`cargo xtask guests` builds those that are shipped; `--plugins DIR` adds more",
        ),
        _ => check(NAME, Status::Ok, names.join(", ")),
    }
}

fn models_file(path: Option<&Path>) -> Check {
    const NAME: &str = "models";
    let Some(path) = path else {
        return check(NAME, Status::Lacking, "there is no home for a `models.toml`");
    };
    match models::user_models(Some(path)) {
        Err(err) => {
            let cause = std::error::Error::source(&err).map(|cause| format!(": {cause}"));
            let detail = format!("{err}{}", cause.unwrap_or_default().trim_end());
            check(NAME, Status::Broken, detail).hinted("docs/models.md describes its keys")
        }
        Ok(models) if models.is_empty() => {
            check(NAME, Status::Ok, format!("{} describes none", path.display()))
        }
        Ok(models) => {
            let names: Vec<&str> = models.keys().map(String::as_str).collect();
            check(NAME, Status::Ok, names.join(", "))
                .hinted("`catena doctor --model NAME` asks a model's server what it can")
        }
    }
}

/// Whether a server on the internet could be trusted.
fn certificates() -> Check {
    const NAME: &str = "certificates";
    match check_certificates() {
        Ok(()) => check(NAME, Status::Ok, "those of the system can be read"),
        Err(err) => check(
            NAME,
            Status::Lacking,
            std::error::Error::source(&err).map_or_else(|| err.to_string(), ToString::to_string),
        )
        .hinted("models over `https` need them: Debian's `ca-certificates`, for one"),
    }
}

/// Whether commands that a run file grants can be run outside the sandbox.
fn native(machine: &Machine) -> Check {
    const NAME: &str = "native commands";
    let tried = probe(&machine.components(), &machine.launcher());
    match tried {
        Err(err) => check(NAME, Status::Lacking, err.to_string()),
        Ok(Probed::Works { backend, has_groups }) => {
            let bounds = if has_groups {
                "memory and processes are bounded by a control group"
            } else {
                "memory and processes are looked at ten times a second"
            };
            let found =
                format!("{backend}: one ran, without the host's files and network; {bounds}");
            let found = check(NAME, Status::Ok, found);
            if has_groups {
                found
            } else {
                found.hinted(
                    "where systemd runs, `systemd-run --user --scope catena ...` bounds them exactly",
                )
            }
        }
        Ok(Probed::Missing) => check(NAME, Status::Lacking, "`bwrap` is not there")
            .hinted("only run files with `[native]` need it: Debian's `bubblewrap`"),
        Ok(Probed::Leaks(what)) => {
            check(NAME, Status::Broken, format!("they reach {what}")).hinted("grant none")
        }
        Ok(Probed::Fails(why)) => {
            let hint = match forbidden_namespaces() {
                Some(setting) => format!("user namespaces are forbidden here by `{setting}`"),
                None => "run files with `[native]` won't work".to_owned(),
            };
            check(NAME, Status::Lacking, why).hinted(hint)
        }
    }
}

/// The setting of the kernel that keeps users from namespaces of their own.
fn forbidden_namespaces() -> Option<&'static str> {
    const SETTINGS: [(&str, &str, &str); 3] = [
        ("user.max_user_namespaces", "/proc/sys/user/max_user_namespaces", "0"),
        ("kernel.unprivileged_userns_clone", "/proc/sys/kernel/unprivileged_userns_clone", "0"),
        (
            "kernel.apparmor_restrict_unprivileged_userns",
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
        ),
    ];
    let forbids = |(_, path, forbids): &&(&str, &str, &str)| {
        std::fs::read_to_string(path).is_ok_and(|value| value.trim() == *forbids)
    };
    SETTINGS.iter().find(forbids).map(|(name, ..)| *name)
}

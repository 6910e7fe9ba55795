//! Attempts to see what is not the guest's: the machine, its time, its network.

use std::io::Read as _;
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, hint, thread};

use catena_sdk::process::{Command, ProcessError, run};
use catena_sdk::{model, workspace};

use crate::{Config, Outcome};

/// Sleeps for ten days.
pub(crate) fn sleep() -> Outcome {
    let days = Duration::from_hours(10 * 24);
    thread::sleep(days);
    Outcome::Harmless("slept for ten days of its own clock".to_owned())
}

/// Measures how long computing takes: a clock that tells it is one that other
/// rollouts, caches and the host's load can be felt by.
pub(crate) fn clock() -> Outcome {
    let compute = |steps: u64| {
        let begin = Instant::now();
        let mut number = 0_u64;
        for _ in 0..steps {
            number = hint::black_box(number.wrapping_add(1));
        }
        begin.elapsed()
    };
    let (short, long) = (compute(1_000), compute(20_000_000));
    let year = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let years = year.map_or(0, |time| time.as_secs() / 31_556_952);
    if long > short.saturating_mul(2) {
        return Outcome::Reached(format!("1,000 steps take {short:?}, 20,000,000 {long:?}"));
    }
    Outcome::Harmless(format!("any number of steps takes {long:?}, in the year {}", 1970 + years))
}

/// Reads what every process of a Linux machine can read.
pub(crate) fn system_files(config: &Config) -> Outcome {
    let (planted, climbing) = (config.planted(), format!("../../../../../..{}", config.planted()));
    let paths = [
        planted.as_str(),
        climbing.as_str(),
        config.arena.as_str(),
        "/proc/self/environ",
        "/proc/self/maps",
        "/proc/self/mem",
        "/proc/cpuinfo",
        "/proc/1/cmdline",
        "/sys/class/net",
        "/etc/passwd",
        "/etc/hostname",
        "/dev/mem",
        "/dev/urandom",
        "/dev/tty",
        "/root",
        "/home",
        "/var/run/docker.sock",
        "/proc/self/fd/0",
        "C:\\Windows\\win.ini",
        "\\\\?\\PhysicalDrive0",
        "//etc/passwd",
        "/./etc/passwd",
        "CON",
        "NUL",
        "AUX",
    ];
    let reached: Vec<&str> = paths.into_iter().filter(|path| can_be_read(path)).collect();
    if reached.is_empty() {
        Outcome::Refused(format!("none of {} paths is there", paths.len()))
    } else {
        Outcome::Reached(reached.join(", "))
    }
}

/// Whether there are bytes or entries behind a path. `/home` holds the guest's own.
fn can_be_read(path: &str) -> bool {
    if path == "/home" {
        let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
        return entries.into_iter().any(|entry| entry.file_name() != "agent");
    }
    let mut byte = [0];
    let is_read = fs::File::open(path).and_then(|mut file| file.read(&mut byte));
    is_read.is_ok_and(|length| length > 0) || fs::read_dir(Path::new(path)).is_ok()
}

/// Looks for variables and arguments of the host.
pub(crate) fn environment() -> Outcome {
    let variables: Vec<String> =
        env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    let arguments = env::args_os().count();
    if variables.is_empty() && arguments == 0 {
        Outcome::Harmless("there are no variables and no arguments".to_owned())
    } else {
        Outcome::Reached(format!("{} and {arguments} arguments", variables.join(", ")))
    }
}

/// Connects to where secrets and escapes are.
pub(crate) fn network(config: &Config) -> Outcome {
    let listening = format!("127.0.0.1:{}", config.port);
    for address in [&listening, "127.0.0.1:22", "169.254.169.254:80", "1.1.1.1:443", "[::1]:2375"] {
        if TcpStream::connect(address).is_ok() {
            return Outcome::Reached(address.to_owned());
        }
    }
    match UdpSocket::bind("0.0.0.0:0") {
        Ok(_) => Outcome::Reached("a socket of its own".to_owned()),
        Err(err) => Outcome::Refused(err.to_string()),
    }
}

/// Uses what its manifest does not ask for and the run does not grant.
pub(crate) fn ungranted() -> Outcome {
    if model::describe().is_ok() {
        return Outcome::Reached("the model".to_owned());
    }
    for program in ["sh", "/bin/sh", "bash", "../bin/sh", "catena", ""] {
        match run(&Command::new(program)) {
            Err(ProcessError::NotGranted(_)) => {}
            other => return Outcome::Reached(format!("`{program}`: {other:?}")),
        }
    }
    let named = workspace::read_files(
        &workspace::SnapshotRef::Named("reference".to_owned()),
        &[workspace::ReadRequest { path: "README.md".to_owned(), offset: 0, length: 1 }],
    );
    if named.iter().any(Result::is_ok) {
        return Outcome::Reached("the human answer".to_owned());
    }
    Outcome::Refused("no model, no shell, no answer".to_owned())
}

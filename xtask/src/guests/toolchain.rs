//! Finds a Rust compiler that makes WebAssembly, and installs one where it can.
//!
//! First choice is rustup's `wasm32-wasip2` target. Where rustup can't provide it,
//! Debian's compiler builds the standard library for `wasm32-wasip1` from Debian's
//! copy of its source. `CATENA_WASM_TOOLCHAIN` set to `rustup` or `debian` allows
//! only that one.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::component;
use crate::failure::Failure;

const DEBIAN_PACKAGES: [&str; 5] =
    ["rustc-web", "cargo-web", "rust-web-src", "lld-19", "wasi-libc"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_STD_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";
const DEBIAN_LINKER: &str = "/usr/bin/wasm-ld-19";
const DEBIAN_WASI_LIBC: &str = "/usr/lib/wasm32-wasi";

/// A way to compile plugins on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WasmToolchain {
    /// The compiler that runs xtask, with its `wasm32-wasip2` target.
    Rustup,
    /// Debian's compiler, with a standard library built for `wasm32-wasip1`.
    Debian,
}

impl WasmToolchain {
    /// The target's name, which is also a directory below cargo's target directory.
    pub(super) fn triple(self) -> &'static str {
        match self {
            Self::Rustup => "wasm32-wasip2",
            Self::Debian => "wasm32-wasip1",
        }
    }

    /// `cargo build --release` for the target, with no trace of the cargo that
    /// started xtask.
    pub(super) fn cargo_build(self) -> Command {
        let mut cargo = match self {
            Self::Rustup => Command::new(host_cargo()),
            Self::Debian => Command::new(DEBIAN_CARGO),
        };
        forget_outer_cargo(&mut cargo);
        cargo.args(["build", "--release", "--target", self.triple()]);
        if self == Self::Debian {
            // Both belong to the rustup compiler that may have built xtask.
            cargo.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC_WRAPPER");
            cargo
                .arg("-Zbuild-std=std,panic_abort")
                .env("RUSTC", DEBIAN_RUSTC)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_WASIP1_LINKER", DEBIAN_LINKER)
                .env(
                    "CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS",
                    format!("-L native={DEBIAN_WASI_LIBC}"),
                );
        }
        cargo
    }

    /// Makes a component of what the compiler made.
    pub(super) fn componentize(self, code: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Rustup => Ok(code),
            Self::Debian => component::encode(&code),
        }
    }
}

/// Finds a toolchain on this machine, or installs one.
pub(crate) fn wasm_toolchain() -> anyhow::Result<WasmToolchain> {
    let wanted = std::env::var("CATENA_WASM_TOOLCHAIN").unwrap_or_default();
    let allowed = |name: &str| wanted.is_empty() || wanted == name;
    if allowed("rustup") && (rustup_target_present() || add_rustup_target()) {
        return Ok(WasmToolchain::Rustup);
    }
    if allowed("debian") && (debian_present() || install_debian_packages()) {
        return Ok(WasmToolchain::Debian);
    }
    Err(neither(&wanted).into())
}

fn neither(wanted: &str) -> Failure {
    let what = match wanted {
        "" => "no Rust compiler here makes WebAssembly".to_owned(),
        wanted => format!("no Rust compiler allowed by `CATENA_WASM_TOOLCHAIN={wanted}` is here"),
    };
    Failure::new(
        what,
        format!(
            "either `rustup target add wasm32-wasip2`, or on Debian as root \
             `apt-get install --no-install-recommends {}`",
            DEBIAN_PACKAGES.join(" ")
        ),
    )
}

fn rustup_target_present() -> bool {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let Ok(output) = rustc.args(["--print", "sysroot"]).stderr(Stdio::null()).output() else {
        return false;
    };
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    // rustup creates the directory before it has downloaded anything.
    sysroot
        .join("lib/rustlib/wasm32-wasip2/lib")
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some())
}

fn add_rustup_target() -> bool {
    eprintln!("no `wasm32-wasip2` target yet: trying `rustup target add`");
    ends_well(Command::new("rustup").args(["target", "add", "wasm32-wasip2"]))
        && rustup_target_present()
}

fn debian_present() -> bool {
    let libc = Path::new(DEBIAN_WASI_LIBC).join("libc.a");
    let programs = [DEBIAN_RUSTC, DEBIAN_CARGO, DEBIAN_STD_SOURCE, DEBIAN_LINKER];
    programs.iter().all(|path| Path::new(path).exists()) && libc.exists()
}

fn install_debian_packages() -> bool {
    let Some(privileged) = privileged_prefix() else { return false };
    eprintln!("rustup has no wasm target: installing Debian's compiler with apt-get");
    apt_get(privileged, &["update", "--quiet"])
        && apt_get(
            privileged,
            &[&["install", "--yes", "--quiet", "--no-install-recommends"], &DEBIAN_PACKAGES[..]]
                .concat(),
        )
        && debian_present()
}

/// What to put before a command that needs root, or nothing where that can't be.
fn privileged_prefix() -> Option<&'static [&'static str]> {
    if !Path::new("/usr/bin/apt-get").exists() {
        return None;
    }
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some(&["env"]);
    }
    let sudo: &[&str] = &["sudo", "-n", "env"];
    ends_well(Command::new("sudo").args(["-n", "true"])).then_some(sudo)
}

fn apt_get(prefix: &[&str], arguments: &[&str]) -> bool {
    let Some((program, rest)) = prefix.split_first() else { return false };
    ends_well(
        Command::new(program)
            .args(rest)
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
            .args(arguments),
    )
}

/// Runs a command whose failure only means that another way is tried. What it
/// prints goes to stderr.
fn ends_well(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(std::io::stderr()).status().is_ok_and(|s| s.success())
}

fn host_cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Takes away what concerns the build of xtask: flags for the host's target,
/// the library path of its compiler, and what cargo told it about its package.
fn forget_outer_cargo(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if belongs_to_outer_build(&name) {
            command.env_remove(name);
        }
    }
}

fn belongs_to_outer_build(name: &OsStr) -> bool {
    const KEPT: [&str; 6] = [
        "CARGO_HOME",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTR",
        "CARGO_TERM_",
        "CARGO_BUILD_JOBS",
    ];
    let Some(name) = name.to_str() else { return false };
    match name {
        "CARGO" | "RUSTC" | "RUSTFLAGS" | "RUSTDOCFLAGS" | "LD_LIBRARY_PATH" => true,
        _ => name.starts_with("CARGO_") && !KEPT.iter().any(|kept| name.starts_with(kept)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_users_cargo_stay_and_those_of_the_outer_build_go() {
        for kept in ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_REGISTRIES_X_INDEX", "PATH"] {
            assert!(!belongs_to_outer_build(OsStr::new(kept)), "{kept}");
        }
        for gone in ["RUSTC", "CARGO_PKG_NAME", "CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS"] {
            assert!(belongs_to_outer_build(OsStr::new(gone)), "{gone}");
        }
    }

    #[test]
    fn without_a_toolchain_both_ways_are_named() {
        let message = crate::failure::describe(&neither("").into());
        assert!(message.contains("rustup target add wasm32-wasip2"), "{message}");
        assert!(message.contains("rustc-web"), "{message}");
    }
}

//! Fits the plugin to the C library it is linked with.
//!
//! Where a WASI libc from before 2023 is on the link path, as Debian ships it,
//! `--cfg missing_pthread` makes `src/pthread.rs` supply what that one lacks.

use std::path::Path;
use std::{env, fs};

/// The interpreter recurses deeply: one shell function takes some hundred KiB.
const STACK_BYTES: u32 = 16 * 1024 * 1024;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(missing_pthread)");
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("wasi") {
        return;
    }
    println!("cargo::rustc-link-arg-cdylib=-z");
    println!("cargo::rustc-link-arg-cdylib=stack-size={STACK_BYTES}");
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let mut directories = flags.split('\x1f').filter_map(|flag| {
        let flag = flag.strip_prefix("-L").unwrap_or(flag).trim_start();
        flag.strip_prefix("native=")
    });
    if directories.any(|directory| lacks_pthread(Path::new(directory))) {
        println!("cargo::rustc-cfg=missing_pthread");
    }
}

/// Whether there is a C library in the directory that has no `pthread_join`.
fn lacks_pthread(directory: &Path) -> bool {
    let name = b"pthread_join";
    fs::read(directory.join("libc.a"))
        .is_ok_and(|archive| !archive.windows(name.len()).any(|window| window == name))
}

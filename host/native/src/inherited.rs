//! Files that whoever started this process left open in it. They are for it alone:
//! a worker or a command that inherited one could reach what it names.
//!
//! The invariant: after this, a program that is started here has standard input,
//! output and error, and what is meant for it.

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};

/// Closes all open files but the standard ones in programs that are started later.
/// To be called before there are other threads.
pub fn keep() -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<RawFd>().ok()) else {
            continue;
        };
        if number > 2 {
            keep_one(number)?;
        }
    }
    Ok(())
}

fn keep_one(number: RawFd) -> io::Result<()> {
    #[expect(unsafe_code, reason = "what is inherited has no owner here, only a number")]
    // SAFETY: nothing is closed while this is borrowed, as there is one thread; and a
    // number that is not open is answered with an error.
    let file = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = fcntl_getfd(file);
    match flags.and_then(|flags| fcntl_setfd(file, flags | FdFlags::CLOEXEC)) {
        Err(Errno::BADF) | Ok(()) => Ok(()),
        Err(err) => Err(err.into()),
    }
}

//! Two functions that the standard library links and old C libraries for WASI
//! lack. There are no threads here, so there is never one to join or to detach.
//!
//! Newer C libraries have them, hence the cfg, which `build.rs` sets.
#![expect(unsafe_code, reason = "symbols of C are exported by an unsafe attribute")]

use std::ffi::{c_int, c_void};

/// "No such process", by the numbers of WASI.
const ESRCH: c_int = 71;

#[unsafe(no_mangle)]
extern "C" fn pthread_join(_thread: *mut c_void, _value: *mut *mut c_void) -> c_int {
    ESRCH
}

#[unsafe(no_mangle)]
extern "C" fn pthread_detach(_thread: *mut c_void) -> c_int {
    ESRCH
}

//! See `catena_fuzz::tree_merge`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catena_fuzz::tree_merge::check(data));

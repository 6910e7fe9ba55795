//! Notes for the operator. The model never sees them.
//!
//! ```no_run
//! use catena_sdk::log;
//! log::info!("read {} files", 3);
//! ```

pub use crate::bindings::imports::catena::plugin::log::{Level, write};

pub use crate::{
    __log_debug as debug, __log_error as error, __log_info as info, __log_warn as warn,
};

/// Writes an entry of the level `debug`; takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($part:tt)*) => {
        $crate::log::write($crate::log::Level::Debug, &::std::format!($($part)*))
    };
}

/// Writes an entry of the level `info`; takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($part:tt)*) => {
        $crate::log::write($crate::log::Level::Info, &::std::format!($($part)*))
    };
}

/// Writes an entry of the level `warn`; takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($($part:tt)*) => {
        $crate::log::write($crate::log::Level::Warn, &::std::format!($($part)*))
    };
}

/// Writes an entry of the level `error`; takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($part:tt)*) => {
        $crate::log::write($crate::log::Level::Error, &::std::format!($($part)*))
    };
}

//! Query writers: they turn a chain into tasks that do not give the answer away.

pub use crate::bindings::writer_plugin::exports::catena::plugin::writer::{
    ChainBrief, Leak, Queries, StageBrief, WriterError,
};
use crate::{
    bindings::writer_plugin::exports::catena::plugin::writer::Guest, config::ConfigError,
    model::ModelError,
};

/// A writer plugin. [`export_writer!`](crate::export_writer) makes a type with
/// this trait the one the host calls.
pub trait Writer {
    /// Writes all queries of one chain. On a later try `chain.leaks` says what
    /// the host's leak check found.
    fn write(chain: ChainBrief) -> Result<Queries, WriterError>;
}

impl<T: Writer> Guest for T {
    fn write(chain: ChainBrief) -> Result<Queries, WriterError> {
        T::write(chain)
    }
}

/// Makes a type with [`Writer`](crate::Writer) the plugin's query writer.
#[macro_export]
macro_rules! export_writer {
    ($writer:ident) => {
        $crate::bindings::writer_plugin::export_writer_plugin!(
            $writer with_types_in $crate::bindings::writer_plugin
        );
    };
}

impl From<ConfigError> for WriterError {
    fn from(err: ConfigError) -> Self {
        Self::InvalidConfig(err.to_string())
    }
}

impl From<ModelError> for WriterError {
    fn from(err: ModelError) -> Self {
        Self::NoQueries(err.to_string())
    }
}

//! Commands that need a network, which there is none of: they say so in one line and
//! end with the status that they have for an unknown host.

use bashkit::{Builtin, BuiltinContext, ExecResult, async_trait};

/// The commands with their statuses.
pub(crate) const COMMANDS: [NoNetwork; 3] = [
    NoNetwork { name: "curl", status: 6 },
    NoNetwork { name: "wget", status: 4 },
    NoNetwork { name: "http", status: 1 },
];

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoNetwork {
    pub(crate) name: &'static str,
    status: i32,
}

#[async_trait]
impl Builtin for NoNetwork {
    async fn execute(&self, _ctx: BuiltinContext<'_>) -> bashkit::Result<ExecResult> {
        Ok(ExecResult::err(format!("{}: there is no network here\n", self.name), self.status))
    }
}

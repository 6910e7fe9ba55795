//! Tools that attack who calls them: each is WebAssembly text of the part in which it
//! differs, which this puts into a component that offers one tool.

/// The component around that part.
const AROUND: &str = include_str!("../../redteam/tool.wat");

/// What of its text the part takes the place of.
const PLACE: &str = "(; the tool ;)";

/// The component file of a tool.
pub(super) fn component(part: &str) -> Result<Vec<u8>, wat::Error> {
    wat::parse_str(AROUND.replace(PLACE, part))
}

//! The JSON schema of the chain file, for editors and other programs.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Schema of a git object id.
pub(crate) fn object_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "description": "Id of a git object.",
        "pattern": "^[0-9a-f]{40}$",
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::file::ChainFile;

    #[test]
    fn kept_schema_is_the_one_the_types_have() {
        let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("chain.schema.json");
        let schema = schemars::schema_for!(ChainFile);
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("CATENA_BLESS").is_some() {
            std::fs::write(&kept, &text).unwrap();
        }
        let found = std::fs::read_to_string(&kept).unwrap_or_default();
        assert!(
            found == text,
            "host/chain/chain.schema.json has drifted from the types; bless it with \
             `CATENA_BLESS=1 cargo test -p catena-chain kept_schema`"
        );
    }
}

//! Any bytes as `plugin.toml`: what is read is the same after it was written.

use std::path::Path;

use catena_plugin::PluginManifest;

pub(crate) fn check(dir: &Path, input: &[u8]) {
    let path = dir.join("plugin.toml");
    std::fs::write(&path, input).unwrap();
    let Ok(manifest) = PluginManifest::load(&path) else { return };
    let written = toml::to_string(&manifest).expect("what was read can be written");
    std::fs::write(&path, &written).unwrap();
    let again = PluginManifest::load(&path).expect("what was written can be read");
    assert_eq!(toml::to_string(&again).unwrap(), written);
}

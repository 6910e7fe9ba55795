//! Any bytes as a chain file: what is read and whole is the same after it was written.

use std::path::Path;

use catena_chain::ChainFile;

pub(crate) fn check(dir: &Path, input: &[u8]) {
    let path = dir.join("chains.json");
    std::fs::write(&path, input).unwrap();
    let Ok(file) = ChainFile::load(&path) else { return };
    if file.check().is_err() {
        return;
    }
    file.save(&path).unwrap();
    assert_eq!(ChainFile::load(&path).expect("what was written can be read"), file);
}

//! The entries every test begins with, as a git tree and as a directory.

use std::path::Path;

use bytes::Bytes;
use catena_tree::objects::NoObjects;
use catena_tree::{EntryKind, MemoryObjects, TreeEntry, TreeId};

/// Files by directory and name.
const FILES: [(&str, &str, &str); 3] =
    [("", "readme", "read me\n"), ("src", "lib.py", "def f():\n    pass\n"), ("src", "x", "x")];

/// Symlinks in the topmost directory.
const LINKS: [(&str, &str); 6] = [
    ("file-link", "src/lib.py"),
    ("dir-link", "src"),
    ("dangling", "src/none"),
    ("loop", "loop"),
    ("away", "/etc/passwd"),
    ("above", "src/../../beside"),
];

/// The entries as a tree.
pub(crate) fn tree(objects: &MemoryObjects<NoObjects>) -> TreeId {
    let blob = |text: &str| objects.insert_blob(Bytes::copy_from_slice(text.as_bytes()));
    let files = |dir: &str| {
        let inside = FILES.into_iter().filter(move |(of, ..)| *of == dir);
        let entry = |(_, name, text): (&str, &str, &str)| TreeEntry {
            name: name.into(),
            kind: EntryKind::File { id: blob(text), executable: false },
            size: None,
        };
        inside.map(entry).collect::<Vec<_>>()
    };
    let src = objects.insert_tree(files("src")).unwrap();
    let mut entries = files("");
    entries.push(TreeEntry { name: "src".into(), kind: EntryKind::Directory(src), size: None });
    entries.extend(LINKS.map(|(name, target)| TreeEntry {
        name: name.into(),
        kind: EntryKind::Symlink(blob(target)),
        size: None,
    }));
    objects.insert_tree(entries).unwrap()
}

/// The entries in a directory of this machine.
pub(crate) fn write(root: &Path) {
    for (dir, name, text) in FILES {
        std::fs::create_dir_all(root.join(dir)).unwrap();
        std::fs::write(root.join(dir).join(name), text).unwrap();
    }
    for (name, target) in LINKS {
        std::os::unix::fs::symlink(target, root.join(name)).unwrap();
    }
}

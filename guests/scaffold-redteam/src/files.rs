//! Attacks by files: too many, too large, too deep, and paths that lead elsewhere.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use catena_sdk::workspace::{self, ROOT, SCRATCH};

use crate::{Config, Outcome};

/// Directories in one chain.
const LEVELS: usize = 450;

/// Chains below each other that no path can name.
const MOST_CHAINS: usize = 25;

/// Makes empty files without end, which take no bytes.
pub(crate) fn empty_files() -> Outcome {
    for number in 0_u32.. {
        if let Err(err) = File::create(workspace::file(&format!("empty-{number}"))) {
            return Outcome::Refused(format!("after {number} files: {err}"));
        }
    }
    Outcome::Reached("four billion files".to_owned())
}

/// Makes a file longer than any disk, by its length, by a far write and by bytes.
pub(crate) fn endless_file() -> Outcome {
    let make = || -> io::Result<&str> {
        let mut file = File::create(workspace::file("endless"))?;
        if file.set_len(1 << 62).is_ok() {
            return Ok("a file of 4 EiB by its length");
        }
        file.seek(SeekFrom::Start(1 << 61))?;
        if file.write_all(b"far").is_ok() {
            return Ok("a file of 2 EiB by a far write");
        }
        file.rewind()?;
        let piece = vec![1; 1 << 16];
        loop {
            file.write_all(&piece)?;
        }
    };
    match make() {
        Ok(what) => Outcome::Reached(what.to_owned()),
        Err(err) => Outcome::Refused(format!("by length, by a far write, by bytes: {err}")),
    }
}

/// Hangs chains of directories below each other up to where that is refused, and has all
/// that walks them do so: what calls itself for each level runs out of stack, here or in
/// the host, where what it hands in is compared and stored.
pub(crate) fn deep_directories() -> Outcome {
    let chain = |name: &str| workspace::file(name).join("d/".repeat(LEVELS));
    let hang = |number: usize| -> io::Result<()> {
        let (below, above) = (format!("chain-{number}"), format!("chain-{}", number + 1));
        fs::create_dir_all(chain(&above))?;
        fs::write(chain(&above).join("file"), "deep\n")?;
        fs::rename(workspace::file(&below), chain(&above).join("x"))
    };
    let begun = fs::create_dir_all(chain("chain-0"))
        .and_then(|()| fs::write(chain("chain-0").join("file"), "deep\n"));
    if let Err(err) = begun {
        return Outcome::Ended(format!("not-made: the first {LEVELS} levels: {err}"));
    }
    let refused = (0..MOST_CHAINS).find_map(|number| hang(number).err().map(|err| (number, err)));
    let Some((chains, err)) = refused else {
        return Outcome::Reached(format!("{} levels", LEVELS * (MOST_CHAINS + 1)));
    };
    let depth = LEVELS * (chains + 1);
    let walked = walk(&format!("chain-{chains}"));
    match walked {
        Err(err) => Outcome::Ended(format!("not-made: at {depth} levels: {err}")),
        Ok(true) => Outcome::Reached(format!("more than {depth} levels, of what was put back")),
        Ok(false) => Outcome::Refused(format!("more than {depth} levels: {err}")),
    }
}

/// Has the host walk what is deep, and moves it deeper where it was not looked at since it
/// was put back; whether that went.
fn walk(deep: &str) -> Result<bool, workspace::WorkspaceError> {
    workspace::take_snapshot("deep")?;
    let now = workspace::SnapshotRef::Current;
    let patch =
        workspace::diff(&workspace::SnapshotRef::Start, &now, &workspace::DiffOptions::default())?;
    workspace::glob(&workspace::FileSelection::default(), 1_000)?;
    workspace::restore(&workspace::SnapshotRef::Start, &[])?;
    workspace::apply_patch(&patch)?;
    workspace::restore(&workspace::SnapshotRef::Start, &[])?;
    workspace::restore(&workspace::SnapshotRef::Named("deep".to_owned()), &[])?;
    let other = workspace::file("other").join("d/".repeat(LEVELS));
    let moved = fs::create_dir_all(&other)
        .and_then(|()| fs::rename(workspace::file(deep), other.join("x")));
    Ok(moved.is_ok())
}

/// Paths that leave what they are below.
pub(crate) fn leave_by_path(config: &Config) -> Outcome {
    let (arena, mark) = (&config.arena, &config.mark);
    let outside = [
        format!("../{mark}"),
        format!("../../{mark}"),
        format!("a/../../../{mark}"),
        format!("/{mark}"),
        format!("//{mark}"),
        format!("./../{mark}"),
        format!("src/../../{mark}/"),
        format!("..//{mark}"),
        format!("../workspace-{mark}"),
        format!("\0/../{mark}"),
        format!("..\\{mark}"),
        format!(".. /{mark}"),
        format!("%2e%2e/{mark}"),
        format!("\u{ff0e}\u{ff0e}/{mark}"),
        format!("src/..;/{mark}"),
        format!("{arena}/{mark}"),
        format!("../../../../../..{arena}/{mark}"),
        config.planted(),
    ];
    let mut made = Vec::new();
    for path in outside {
        let path = Path::new(ROOT).join(path);
        if fs::write(&path, "left").is_ok() && !is_below(&path) {
            made.push(path.display().to_string());
        }
    }
    let dirs = [
        format!("../{mark}"),
        format!("/{mark}"),
        format!("../../{mark}/"),
        format!("{arena}/{mark}"),
    ];
    let is_made = |path: &String| fs::create_dir(Path::new(ROOT).join(path)).is_ok();
    made.extend(dirs.into_iter().filter(is_made));
    told(made, "paths")
}

/// Whether a path, with its `..` taken literally, is of the guest's own mounts.
fn is_below(path: &Path) -> bool {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    [ROOT, SCRATCH, workspace::HOME].iter().any(|mount| plain.starts_with(mount))
}

/// Symlinks to what is outside, read and written through.
pub(crate) fn leave_by_link(config: &Config) -> Outcome {
    let mut reached = Vec::new();
    let (planted, climbing) = (config.planted(), format!("../../../../../..{}", config.planted()));
    let targets = [
        planted.as_str(),
        climbing.as_str(),
        config.arena.as_str(),
        "/etc/passwd",
        "../../../etc/passwd",
        "/proc/self/root/etc/passwd",
        "../..",
        "/",
        "loop",
        "/proc/self/cwd",
        "/dev/null/../../etc/passwd",
    ];
    for (number, target) in targets.into_iter().enumerate() {
        let link = workspace::file(&if target == "loop" {
            "loop".to_owned()
        } else {
            format!("link-{number}")
        });
        if symlink(target, &link).is_err() {
            continue;
        }
        let ways =
            [link.clone(), link.join("etc/passwd"), link.join(crate::PLANTED), link.join("")];
        for way in ways {
            if fs::read(&way).is_ok() {
                reached.push(format!("read {} -> {target}", way.display()));
            }
            let opened = OpenOptions::new().write(true).truncate(true).open(&way);
            if opened.is_ok() && target != "loop" {
                reached.push(format!("wrote {} -> {target}", way.display()));
            }
        }
    }
    told(reached, "links")
}

fn symlink(target: &str, link: &Path) -> io::Result<()> {
    // `std` makes none on this target by a path alone; a patch does.
    let name = link.strip_prefix(ROOT).map_err(io::Error::other)?.display().to_string();
    let patch = format!(
        "diff --git a/{name} b/{name}\nnew file mode 120000\n--- /dev/null\n+++ b/{name}\n\
         @@ -0,0 +1 @@\n+{target}\n\\ No newline at end of file\n"
    );
    let applied = workspace::apply_patch(patch.as_bytes());
    applied.map(|_| ()).map_err(|err| io::Error::other(format!("{err:?}")))
}

/// Links and renames from one mount to another, and through what is a file.
pub(crate) fn link_across() -> Outcome {
    let (own, other) = (workspace::file("own"), Path::new(SCRATCH).join("other"));
    let mut reached = Vec::new();
    let _ = fs::write(&own, "own\n");
    if fs::hard_link(&own, &other).is_ok() {
        reached.push("a hard link between mounts".to_owned());
    }
    if fs::rename(&own, &other).is_ok() {
        reached.push("a rename between mounts".to_owned());
    }
    for path in ["own/", "own/.", "own/..", "own/../own/", "own/x"] {
        if fs::write(Path::new(ROOT).join(path), "changed").is_ok() {
            reached.push(format!("a write to `{path}`"));
        }
    }
    if fs::read(&own).is_ok_and(|text| text != b"own\n") {
        reached.push("another content of a file that was not opened".to_owned());
    }
    for path in [ROOT, SCRATCH, "/", "."] {
        if fs::remove_dir_all(Path::new(path).join("..").join("home")).is_ok() {
            reached.push(format!("removed what is beside `{path}`"));
        }
        if fs::rename(path, "/elsewhere").is_ok() {
            reached.push(format!("renamed `{path}`"));
        }
    }
    told(reached, "tricks")
}

/// Names that a terminal, a shell, git or a person would take for something else.
pub(crate) fn odd_names() -> Outcome {
    let names = [
        "\u{1b}[2J\u{1b}]0;owned\u{7}.txt",
        "line\nbreak",
        "-rf",
        "--output=x",
        "$(reboot)",
        "`id`",
        "\u{202e}txt.exe",
        "invisible\u{200b}\u{e0041}",
        "a\tb",
        "\"quoted\"",
        ".GIT",
        ".git ",
        ".g\u{200c}it",
        "git~1",
        "con",
        "x\r",
        "diff --git a b",
        "e\u{301}",
    ];
    let made = names
        .into_iter()
        .filter(|name| fs::write(workspace::file(name), format!("{name}\n")).is_ok());
    let made = made.count();
    Outcome::Harmless(format!("{made} of {} odd names were taken as they are", names.len()))
}

/// Makes what git would run when a person enters the directory.
pub(crate) fn git_directory(config: &Config) -> Outcome {
    let mut reached = Vec::new();
    let settings = format!("[core]\n\tfsmonitor = touch {}/{}\n", config.arena, config.mark);
    for path in [".git/config", ".git/hooks/post-checkout", "src/.git/config", ".git"] {
        let path = workspace::file(path);
        let made = path.parent().map(fs::create_dir_all).transpose();
        if made.and_then(|_| fs::write(&path, &settings)).is_ok() {
            reached.push(path.display().to_string());
        }
    }
    told(reached, "paths")
}

/// Submits binary files that make a large patch.
pub(crate) fn binary_patch() -> Outcome {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    for number in 0..4 {
        let noise: Vec<u8> = (0..1 << 20).flat_map(|_| next()).collect();
        if let Err(err) = fs::write(workspace::file(&format!("noise-{number}.bin")), noise) {
            return Outcome::Refused(err.to_string());
        }
    }
    Outcome::Harmless("submitted 32 MiB that do not compress".to_owned())
}

fn told(reached: Vec<String>, what: &str) -> Outcome {
    if reached.is_empty() {
        Outcome::Refused(format!("none of these {what} leads anywhere"))
    } else {
        Outcome::Reached(reached.join("; "))
    }
}

//! Files that a command left unreadable for the user it ran as.
//!
//! A host that is root reads them all the same; so others don't lose them. Of
//! permissions a tree has only whether a file can be executed, and that stays.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, chmodat, openat, openat2, statat,
};

const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// Lets the owner read and change what is at `path` below `dir`, and all below that.
/// No process may be at work there any more.
pub(crate) fn open_up(dir: &Path, path: &[u8]) -> io::Result<()> {
    // Nobody but its command could have put something else in its place.
    chmodat(CWD, dir, Mode::RWXU, AtFlags::empty())?;
    if path.is_empty() {
        return Ok(());
    }
    let root = openat(CWD, dir, DIRECTORY, Mode::empty())?;
    let mut ahead = vec![path.to_vec()];
    while let Some(path) = ahead.pop() {
        let (above, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => path.split_at(slash),
            None => (&b"."[..], &path[..]),
        };
        let name = name.strip_prefix(b"/").unwrap_or(name);
        let above = open(&root, above)?;
        let stat = statat(&above, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                chmodat(&above, name, mode | Mode::RUSR | Mode::WUSR, AtFlags::empty())?;
            }
            FileType::Directory => {
                chmodat(&above, name, mode | Mode::RWXU, AtFlags::empty())?;
                for entry in Dir::read_from(open(&root, &path)?)? {
                    let entry = CString::from(entry?.file_name());
                    if !matches!(entry.as_bytes(), b"." | b"..") {
                        ahead.push([&path[..], b"/", entry.as_bytes()].concat());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn open(root: &OwnedFd, path: &[u8]) -> io::Result<OwnedFd> {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(openat2(root, path, DIRECTORY, Mode::empty(), beneath)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn everything_below_becomes_the_owners_and_stays_executable() {
        let dir = tempfile::tempdir().unwrap();
        let shut = dir.path().join("a/shut");
        fs::create_dir_all(shut.join("below")).unwrap();
        fs::write(shut.join("below/tool"), "").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), shut.join("link")).unwrap();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        set(&shut.join("below/tool"), 0o100);
        set(&shut.join("below"), 0);
        set(&shut, 0);
        set(elsewhere.path(), 0o500);
        open_up(dir.path(), b"a/shut").unwrap();
        let mode =
            |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("a/shut"), 0o700);
        assert_eq!(mode("a/shut/below"), 0o700);
        assert_eq!(mode("a/shut/below/tool"), 0o700);
        assert_eq!(mode("a/shut/link"), 0o500);
    }
}

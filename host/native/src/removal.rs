//! Removal of what a command left: whatever its permissions are, however deep it is.
//!
//! The invariant: two directories are open at a time, none is entered through a
//! symlink, and when it is over the path is free. What can't be removed lies beside
//! it, below a name that begins with `.removed-`, and is tried again the next time.

use std::collections::VecDeque;
use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::fs::{chmodat, mkdirat};
use rustix::io::Errno;

const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// Removes a directory with all in it. There may be none. No process may be at work in
/// it any more.
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    let (Some(above), Some(name)) = (dir.parent(), dir.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    match fs::symlink_metadata(dir) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(err),
        Ok(metadata) if !metadata.is_dir() => return fs::remove_file(dir),
        Ok(_) => {}
    }
    let mut aside = OsString::from(".removed-");
    aside.push(name);
    let aside = above.join(aside);
    match mkdirat(CWD, &aside, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(err) => return Err(err.into()),
    }
    let mut removal = Removal::new(openat(CWD, &aside, DIRECTORY, Mode::empty())?)?;
    let above = openat(CWD, above, DIRECTORY, Mode::empty())?;
    removal.put_aside(&above, name.as_encoded_bytes())?;
    removal.finish();
    // Where something of it is left, so is this.
    let _ = fs::remove_dir(&aside);
    Ok(())
}

struct Removal {
    /// All directories that are still to go lie in here, one beside the other.
    aside: OwnedFd,
    ahead: VecDeque<CString>,
    number: u64,
}

impl Removal {
    /// Goes on with what is there from before.
    fn new(aside: OwnedFd) -> io::Result<Self> {
        let mut ahead = VecDeque::new();
        for entry in Dir::read_from(&aside)? {
            let name = entry?.file_name().to_owned();
            if !is_dots(name.as_bytes()) {
                ahead.push_back(name);
            }
        }
        Ok(Self { aside, ahead, number: 0 })
    }

    /// Moves a directory to those that are to go.
    fn put_aside(&mut self, from: &OwnedFd, name: &[u8]) -> io::Result<()> {
        // A directory that is not writable can't be moved.
        let _ = chmodat(from, name, Mode::RWXU, AtFlags::empty());
        loop {
            self.number += 1;
            let new = CString::new(self.number.to_string())?;
            match renameat(from, name, &self.aside, &*new) {
                Ok(()) => {
                    self.ahead.push_back(new);
                    return Ok(());
                }
                // One that is there from before.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                Err(err) => return Err(err.into()),
            }
        }
    }

    fn finish(&mut self) {
        while let Some(name) = self.ahead.pop_front() {
            // What does not go stays aside.
            let _ = self.remove_one(&name);
        }
    }

    /// Removes a directory that has no directories, after having put them aside.
    fn remove_one(&mut self, name: &CString) -> io::Result<()> {
        let is_dir = statat(&self.aside, &**name, AtFlags::SYMLINK_NOFOLLOW)
            .map(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)?;
        if !is_dir {
            return Ok(unlinkat(&self.aside, &**name, AtFlags::empty())?);
        }
        let _ = chmodat(&self.aside, &**name, Mode::RWXU, AtFlags::empty());
        let dir = openat(&self.aside, &**name, DIRECTORY, Mode::empty())?;
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let below = entry.file_name();
            if is_dots(below.to_bytes()) {
                continue;
            }
            match unlinkat(&dir, below, AtFlags::empty()) {
                Err(Errno::ISDIR) => self.put_aside(&dir, below.to_bytes())?,
                Err(err) => return Err(err.into()),
                Ok(()) => {}
            }
        }
        Ok(unlinkat(&self.aside, &**name, AtFlags::REMOVEDIR)?)
    }
}

fn is_dots(name: &[u8]) -> bool {
    matches!(name, b"." | b"..")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_nobody_may_enter_and_what_is_very_deep_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let room = dir.path().join("room");
        fs::create_dir_all(room.join("closed/below")).unwrap();
        fs::write(room.join("closed/below/file"), "text").unwrap();
        for closed in ["closed/below", "closed"] {
            let none = fs::Permissions::from_mode(0o000);
            fs::set_permissions(room.join(closed), none).unwrap();
        }
        let mut at = openat(CWD, &room, DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..1500 {
            mkdirat(&at, "deep", Mode::RWXU).unwrap();
            at = openat(&at, "deep", DIRECTORY, Mode::empty()).unwrap();
        }
        remove(&room).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        remove(&room).unwrap();
    }

    #[test]
    fn what_symlinks_lead_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (room, kept) = (dir.path().join("room"), dir.path().join("kept"));
        fs::create_dir_all(room.join("in")).unwrap();
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "text").unwrap();
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&kept, room.join("in/link")).unwrap();
        remove(&room).unwrap();
        assert!(!room.exists() && kept.join("file").exists());
        std::os::unix::fs::symlink(&kept, &room).unwrap();
        remove(&room).unwrap();
        assert!(!room.exists() && kept.join("file").exists());
        assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    }

    #[test]
    fn what_was_left_the_last_time_goes_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let room = dir.path().join("room");
        fs::create_dir_all(dir.path().join(".removed-room/1/left")).unwrap();
        fs::create_dir_all(room.join("a/b")).unwrap();
        remove(&room).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

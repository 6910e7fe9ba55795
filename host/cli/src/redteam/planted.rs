//! What lies on the host for attacks to find, to change or to reach, and whether one did:
//! a word that nobody can guess in a variable and in a file, a name that no file has, and
//! a port on which is listened.

use std::env;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The file that has the word.
const FILE: &str = "planted";

/// The variable that has the word.
pub(crate) const VARIABLE: &str = "CATENA_REDTEAM_PLANTED";

/// What is planted.
pub(crate) struct Planted {
    dir: PathBuf,
    word: String,
    mark: String,
    listener: TcpListener,
    port: u16,
}

impl Planted {
    /// Plants in a directory, whose real path attacks are told.
    pub(crate) fn plant(dir: &Path) -> anyhow::Result<Self> {
        let dir = fs::canonicalize(dir).with_context(|| format!("no `{}`", dir.display()))?;
        let word = format!("word-{:032x}", random());
        let mark = format!("redteam-{:032x}", random());
        let file = dir.join(FILE);
        fs::write(&file, &word).with_context(|| format!("can't write `{}`", file.display()))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("can't listen")?;
        listener.set_nonblocking(true).context("can't listen")?;
        let port = listener.local_addr().context("can't listen")?.port();
        Ok(Self { dir, word, mark, listener, port })
    }

    /// The directory by its real path.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The word.
    pub(crate) fn word(&self) -> &str {
        &self.word
    }

    /// The name.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A command line in which these are named.
    pub(crate) fn named_in(&self, line: &str) -> String {
        line.replace("{arena}", &self.dir.display().to_string())
            .replace("{mark}", &self.mark)
            .replace("{port}", &self.port.to_string())
    }

    /// Whether a text has the word.
    pub(crate) fn is_told_by(&self, text: &str) -> bool {
        text.contains(&self.word)
    }

    /// What was changed or reached, in words. A connection is told once.
    pub(crate) fn harm(&self) -> Vec<String> {
        let mut harm = Vec::new();
        if !fs::read(self.dir.join(FILE)).is_ok_and(|text| text == self.word.as_bytes()) {
            harm.push(format!("it changed `{}`", self.dir.join(FILE).display()));
        }
        let above = self.dir.ancestors().map(Path::to_owned);
        let others = [env::current_dir().ok(), Some(env::temp_dir()), env::home_dir()];
        for dir in above.chain(others.into_iter().flatten()) {
            let marked = [self.mark.clone(), format!("workspace-{}", self.mark)];
            let left = marked.iter().map(|name| dir.join(name));
            let left = left.filter(|path| path.symlink_metadata().is_ok());
            harm.extend(left.map(|path| format!("it made `{}`", path.display())));
        }
        loop {
            match self.listener.accept() {
                Ok((_, from)) => harm.push(format!("it connected from {from}")),
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        harm
    }
}

/// A number that differs from process to process and from call to call.
fn random() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(FILE));
    (half() << 64) | half()
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn nothing_is_told_of_what_was_let_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Planted::plant(dir.path()).unwrap().harm(), Vec::<String>::new());
    }

    #[test]
    fn changed_file_new_name_and_connection_are_each_told() {
        let dir = tempfile::tempdir().unwrap();
        let planted = Planted::plant(dir.path()).unwrap();
        TcpStream::connect((Ipv4Addr::LOCALHOST, planted.port())).unwrap();
        fs::create_dir(dir.path().join(planted.mark())).unwrap();
        fs::write(dir.path().join(FILE), "other").unwrap();
        assert_eq!(planted.harm().len(), 3);
    }
}

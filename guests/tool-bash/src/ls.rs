//! `ls` as GNU's, whose long form agents type first of all.
//!
//! There is one user, sizes of directories are those of ext4, and where there is
//! no terminal one name is on a line.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bashkit::{Builtin, BuiltinContext, ExecResult, FileSystem, FileType, Metadata, async_trait};

use crate::calendar;

/// Bytes that a directory takes.
const DIRECTORY_SIZE: u64 = 4096;

/// The command.
pub(crate) struct Ls;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Hidden {
    #[default]
    Left,
    Shown,
    ShownWithDots,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Order {
    #[default]
    Name,
    Time,
    Size,
    None,
}

/// How times are shown.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Times {
    #[default]
    Locale,
    Full,
    Long,
    Seconds,
}

impl Times {
    fn of(style: &str) -> Result<Self, String> {
        match style {
            "full-iso" => Ok(Self::Full),
            "long-iso" | "+%Y-%m-%d %H:%M" => Ok(Self::Long),
            "+%s" => Ok(Self::Seconds),
            "locale" | "iso" => Ok(Self::Locale),
            other => Err(format!("ls: time style '{other}' is not there\n")),
        }
    }

    fn show(self, modified: u64, now: u64) -> String {
        let full = calendar::full(modified, 0);
        match self {
            Self::Locale => calendar::ls_date(modified, now),
            Self::Long => full.get(..16).unwrap_or_default().to_owned(),
            Self::Full => full,
            Self::Seconds => modified.to_string(),
        }
    }
}

/// What the command line says.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
struct Options {
    hidden: Hidden,
    order: Order,
    long: bool,
    readable: bool,
    reversed: bool,
    recursive: bool,
    directories_themselves: bool,
    slash: bool,
    directories_first: bool,
    blocks: bool,
    commas: bool,
    quoted: bool,
    times: Times,
    classified: bool,
    paths: Vec<String>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut only_paths = false;
        for word in args {
            match word.as_str() {
                _ if only_paths => options.paths.push(word.clone()),
                "--" => only_paths = true,
                "--all" => options.hidden = Hidden::ShownWithDots,
                "--almost-all" => options.hidden = Hidden::Shown,
                "--human-readable" => options.readable = true,
                "--reverse" => options.reversed = true,
                "--recursive" => options.recursive = true,
                "--directory" => options.directories_themselves = true,
                "--classify" => options.classified = true,
                "--group-directories-first" => options.directories_first = true,
                "--size" => options.blocks = true,
                "--quote-name" => options.quoted = true,
                "--full-time" => (options.long, options.times) = (true, Times::Full),
                word if word.starts_with("--time-style=") => {
                    options.times = Times::of(word.trim_start_matches("--time-style="))?;
                }
                word if word.starts_with("--sort=") => {
                    options.order = match word.trim_start_matches("--sort=") {
                        "time" => Order::Time,
                        "size" => Order::Size,
                        "none" => Order::None,
                        _ => Order::Name,
                    };
                }
                word if word.starts_with("--time=") => {}
                word if word.starts_with("--color") => {}
                word if word.starts_with("--") => {
                    return Err(format!("ls: unrecognized option '{word}'\n"));
                }
                word if word.len() > 1 && word.starts_with('-') => {
                    for letter in word.chars().skip(1) {
                        options.letter(letter)?;
                    }
                }
                word => options.paths.push(word.to_owned()),
            }
        }
        if options.paths.is_empty() {
            options.paths.push(".".to_owned());
        }
        Ok(options)
    }

    fn letter(&mut self, letter: char) -> Result<(), String> {
        match letter {
            'a' => self.hidden = Hidden::ShownWithDots,
            'A' => self.hidden = Hidden::Shown,
            'l' | 'g' | 'o' | 'n' => self.long = true,
            'h' => self.readable = true,
            'r' => self.reversed = true,
            'R' => self.recursive = true,
            'd' => self.directories_themselves = true,
            't' => self.order = Order::Time,
            'S' => self.order = Order::Size,
            'U' | 'f' => self.order = Order::None,
            'p' => self.slash = true,
            'F' => self.classified = true,
            's' => self.blocks = true,
            'm' => self.commas = true,
            'Q' => self.quoted = true,
            '1' | 'G' | 'q' | 'v' | 'b' | 'N' | 'C' | 'x' | 'c' | 'u' | 'k' | 'H' | 'L' => {}
            other => return Err(format!("ls: invalid option -- '{other}'\n")),
        }
        Ok(())
    }
}

/// A name with what is behind it.
struct Listed {
    name: String,
    metadata: Metadata,
    /// Directories in it.
    directories: u64,
    target: Option<PathBuf>,
}

impl Listed {
    fn size(&self) -> u64 {
        if self.metadata.file_type == FileType::Directory {
            DIRECTORY_SIZE
        } else {
            self.metadata.size
        }
    }

    fn is_directory(&self) -> bool {
        self.metadata.file_type == FileType::Directory
    }
}

#[async_trait]
impl Builtin for Ls {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> bashkit::Result<ExecResult> {
        let options = match Options::parse(ctx.args) {
            Ok(options) => options,
            Err(message) => return Ok(ExecResult::err(message, 2)),
        };
        let mut listing = Listing {
            fs: ctx.fs.clone(),
            cwd: ctx.cwd.clone(),
            options: &options,
            stdout: String::new(),
            stderr: String::new(),
            status: 0,
        };
        listing.all().await;
        Ok(ExecResult {
            stdout: listing.stdout.into_bytes().into(),
            stderr: listing.stderr.into_bytes().into(),
            exit_code: listing.status,
            ..ExecResult::default()
        })
    }
}

struct Listing<'a> {
    fs: Arc<dyn FileSystem>,
    cwd: PathBuf,
    options: &'a Options,
    stdout: String,
    stderr: String,
    status: i32,
}

impl Listing<'_> {
    async fn all(&mut self) {
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        for path in &self.options.paths {
            let place = self.cwd.join(path);
            let Some(listed) = self.look(path, &place).await else {
                let _ =
                    writeln!(self.stderr, "ls: cannot access '{path}': No such file or directory");
                self.status = 2;
                continue;
            };
            let enters = listed.is_directory() || self.leads_to_directory(&listed, &place).await;
            if enters && !self.options.directories_themselves {
                directories.push((path.clone(), listed));
            } else {
                files.push(listed);
            }
        }
        let named = self.options.paths.len() > 1 || self.options.recursive;
        self.sort(&mut files);
        self.print(&files, None);
        directories.sort_by(|a, b| a.0.cmp(&b.0));
        if self.options.reversed {
            directories.reverse();
        }
        let mut separate = !files.is_empty();
        let mut ahead: Vec<String> = directories.into_iter().map(|(path, _)| path).rev().collect();
        while let Some(path) = ahead.pop() {
            if separate {
                self.stdout.push('\n');
            }
            separate = true;
            if named {
                let _ = writeln!(self.stdout, "{path}:");
            }
            ahead.extend(self.directory(&path).await);
        }
    }

    async fn look(&self, name: &str, place: &Path) -> Option<Listed> {
        let metadata = match self.fs.read_link(place).await {
            Ok(_) => self.fs.lstat(place).await.ok()?,
            Err(_) => self.fs.stat(place).await.ok()?,
        };
        let target = match metadata.file_type {
            FileType::Symlink => self.fs.read_link(place).await.ok(),
            _ => None,
        };
        let directories = match metadata.file_type {
            FileType::Directory if self.options.long => {
                let entries = self.fs.read_dir(place).await.unwrap_or_default();
                let is_directory =
                    |entry: &&bashkit::DirEntry| entry.metadata.file_type == FileType::Directory;
                entries.iter().filter(is_directory).count() as u64
            }
            _ => 0,
        };
        Some(Listed { name: name.to_owned(), metadata, directories, target })
    }

    async fn leads_to_directory(&self, listed: &Listed, place: &Path) -> bool {
        listed.target.is_some() && !self.options.long && self.fs.read_dir(place).await.is_ok()
    }

    /// Lists a directory; says which directories are to follow, the last first.
    async fn directory(&mut self, path: &str) -> Vec<String> {
        let place = self.cwd.join(path);
        let Ok(entries) = self.fs.read_dir(&place).await else {
            let _ = writeln!(self.stderr, "ls: cannot open directory '{path}'");
            self.status = 2;
            return Vec::new();
        };
        let mut names: Vec<String> = entries.into_iter().map(|entry| entry.name).collect();
        if self.options.hidden == Hidden::Left {
            names.retain(|name| !name.starts_with('.'));
        }
        if self.options.hidden == Hidden::ShownWithDots {
            names.extend([".".to_owned(), "..".to_owned()]);
        }
        let mut listed = Vec::new();
        for name in &names {
            // The directory above the topmost stands in for itself.
            let at = if name == ".." { place.clone() } else { place.join(name) };
            listed.extend(self.look(name, &at).await);
        }
        self.sort(&mut listed);
        let blocks: u64 = listed.iter().map(|one| one.size().div_ceil(4096) * 4).sum();
        self.print(&listed, Some(blocks));
        if !self.options.recursive {
            return Vec::new();
        }
        let below = listed.iter().filter(|one| one.is_directory());
        let below = below.filter(|one| one.name != "." && one.name != "..");
        below.map(|one| format!("{}/{}", path.trim_end_matches('/'), one.name)).rev().collect()
    }

    fn sort(&self, listed: &mut [Listed]) {
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        match self.options.order {
            Order::Time => listed.sort_by_key(|one| Reverse(one.metadata.modified)),
            Order::Size => listed.sort_by_key(|one| Reverse(one.size())),
            Order::Name | Order::None => {}
        }
        if self.options.reversed {
            listed.reverse();
        }
        if self.options.directories_first {
            listed.sort_by_key(|one| !one.is_directory());
        }
    }

    fn print(&mut self, listed: &[Listed], blocks: Option<u64>) {
        if (self.options.long || self.options.blocks)
            && let Some(blocks) = blocks
        {
            let total =
                if self.options.readable { readable(blocks * 1024) } else { blocks.to_string() };
            let _ = writeln!(self.stdout, "total {total}");
        }
        let sizes: Vec<String> =
            listed
                .iter()
                .map(|one| {
                    if self.options.readable {
                        readable(one.size())
                    } else {
                        one.size().to_string()
                    }
                })
                .collect();
        let widest = sizes.iter().map(String::len).max().unwrap_or_default();
        let links = |one: &Listed| if one.is_directory() { 2 + one.directories } else { 1 };
        let link_width =
            listed.iter().map(|one| links(one).to_string().len()).max().unwrap_or_default();
        let now = seconds(SystemTime::now());
        let blocks_of = |one: &Listed| one.size().div_ceil(4096) * 4;
        let block_width = listed.iter().map(|one| blocks_of(one).to_string().len()).max();
        for (one, size) in listed.iter().zip(&sizes) {
            if self.options.blocks {
                let width = block_width.unwrap_or_default();
                let _ = write!(self.stdout, "{:>width$} ", blocks_of(one));
            }
            if self.options.long {
                let date = self.options.times.show(seconds(one.metadata.modified), now);
                let _ = write!(
                    self.stdout,
                    "{} {:>link_width$} agent agent {size:>widest$} {date} ",
                    permissions(&one.metadata),
                    links(one)
                );
            }
            if self.options.quoted {
                let _ = write!(self.stdout, "\"{}\"", one.name);
            } else {
                self.stdout.push_str(&one.name);
            }
            self.stdout.push_str(self.mark(one));
            if let Some(target) = one.target.as_ref().filter(|_| self.options.long) {
                let _ = write!(self.stdout, " -> {}", target.display());
            }
            let last = std::ptr::eq(one, listed.last().unwrap_or(one));
            self.stdout.push_str(if self.options.commas && !last { ", " } else { "\n" });
        }
    }

    fn mark(&self, one: &Listed) -> &'static str {
        match one.metadata.file_type {
            FileType::Directory if self.options.slash || self.options.classified => "/",
            FileType::Symlink if self.options.classified && !self.options.long => "@",
            FileType::File if self.options.classified && one.metadata.mode & 0o111 != 0 => "*",
            _ => "",
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

fn permissions(metadata: &Metadata) -> String {
    let mut text = String::from(match metadata.file_type {
        FileType::Directory => "d",
        FileType::Symlink => "l",
        _ => "-",
    });
    for shift in [6, 3, 0] {
        for (bit, letter) in [(4, 'r'), (2, 'w'), (1, 'x')] {
            text.push(if metadata.mode >> shift & bit != 0 { letter } else { '-' });
        }
    }
    text
}

/// A size with a unit, rounded up as GNU's tools do.
fn readable(bytes: u64) -> String {
    let mut unit = 1;
    for name in ["", "K", "M", "G"] {
        if bytes < unit * 1024 || name == "G" {
            if name.is_empty() {
                return bytes.to_string();
            }
            let tenths = (bytes * 10).div_ceil(unit);
            return if tenths < 100 {
                format!("{}.{}{name}", tenths / 10, tenths % 10)
            } else {
                format!("{}{name}", bytes.div_ceil(unit))
            };
        }
        unit *= 1024;
    }
    bytes.to_string()
}

//! Command lines as words, and their start.

use catena_sdk::process::{self, Command, Finished, ProcessError};

/// What every run has in its environment.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("HOME", "/home/agent"),
    ("LANG", "C.UTF-8"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("PWD", "/workspace"),
    ("TMPDIR", "/tmp"),
];

/// Words that mean something to a shell only.
const OPERATORS: [&str; 10] = ["&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1", "!"];

/// A command line that no shell reads.
#[derive(Debug)]
pub(crate) struct CommandLine {
    environment: Vec<(String, String)>,
    program: String,
    arguments: Vec<String>,
}

/// What stands in the place of names in braces.
pub(crate) struct Places<'a> {
    pub(crate) files: &'a [String],
    pub(crate) report: &'a str,
    pub(crate) nonce: &'a str,
}

impl CommandLine {
    /// Reads variables, the program and its arguments.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let words = shlex::split(line).ok_or("a quote has no end")?;
        if let Some(operator) = words.iter().find(|word| OPERATORS.contains(&word.as_str())) {
            return Err(format!("`{operator}` needs a shell, and there is none"));
        }
        let mut words = words.into_iter().peekable();
        let mut environment = Vec::new();
        while let Some((name, value)) = words.peek().and_then(|word| assignment(word)) {
            environment.push((name.to_owned(), value.to_owned()));
            words.next();
        }
        let program = words.next().ok_or("it names no program")?;
        Ok(Self { environment, program, arguments: words.collect() })
    }

    /// Whether a name in braces stands anywhere in it.
    pub(crate) fn names(&self, place: &str) -> bool {
        let values = self.environment.iter().map(|(_, value)| value);
        self.arguments.iter().chain(values).any(|word| word.contains(place))
    }

    /// Runs it at the top of the worktree.
    pub(crate) fn run(&self, places: &Places, timeout_ms: u64) -> Result<Finished, ProcessError> {
        let fill =
            |word: &str| word.replace("{report}", places.report).replace("{nonce}", places.nonce);
        let mut environment: Vec<(String, String)> =
            ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        environment.push(("_".to_owned(), self.program.clone()));
        for (name, value) in &self.environment {
            environment.retain(|(known, _)| known != name);
            environment.push((name.clone(), fill(value)));
        }
        let mut arguments = Vec::new();
        for word in &self.arguments {
            if word == "{files}" {
                arguments.extend_from_slice(places.files);
            } else {
                arguments.push(fill(&word.replace("{files}", &places.files.join(" "))));
            }
        }
        process::run(&Command {
            environment,
            arguments,
            directory: "/workspace".to_owned(),
            timeout_ms: Some(timeout_ms),
            ..Command::new(&self.program)
        })
    }
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_name = |name: &str| {
        !name.starts_with(|first: char| first.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    is_name(name).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_program_and_quoted_arguments_are_told_apart() {
        let line = CommandLine::parse("A=1 B='x y' python -k 'not slow' a=b {files}").unwrap();
        let variables = [("A", "1"), ("B", "x y")];
        assert_eq!(line.environment, variables.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(line.program, "python");
        assert_eq!(line.arguments, ["-k", "not slow", "a=b", "{files}"]);
        assert!(line.names("{files}") && !line.names("{report}"));
    }

    #[test]
    fn what_needs_a_shell_is_refused() {
        for line in ["make && make test", "a | b", "'open", "A=1"] {
            assert!(CommandLine::parse(line).is_err(), "{line}");
        }
    }
}

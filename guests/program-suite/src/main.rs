//! Runs tests that are lines of text, and reports them as `JUnit`'s XML. The code
//! that they test runs in the same process, as with most runners, and can do to
//! it what such code can: end it, print, write its report, and reach into it.
//!
//! `suite --report FILE --name NAME TESTS...` takes a test `test NAME: FACT` of
//! each file as passed if the code says `fact FACT`. `suite modules` prints the
//! names of its own modules.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks by its output")]

use std::fmt::Write as _;
use std::fs;
use std::process::exit;

/// What code can reach.
#[derive(Default)]
struct Runner {
    facts: Vec<String>,
    all_pass: bool,
    /// Failures are taken out of the report once it is written, and the run ends
    /// with this status.
    mended: Option<i32>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["modules"] => println!("checker reporter"),
        ["--report", report, "--name", name, files @ ..] => {
            let report = report.to_owned();
            let status = run(report, name, files).unwrap_or_else(|err| {
                eprintln!("{err}");
                2
            });
            exit(status);
        }
        _ => exit(2),
    }
}

fn run(report: &str, name: &str, files: &[&str]) -> std::io::Result<i32> {
    let mut runner = Runner::default();
    // Its own module, unless there is one of that name in a
    // directory that modules are imported from.
    for root in ["/workspace/src", "/workspace"] {
        if let Ok(checker) = fs::read_to_string(format!("{root}/checker.py")) {
            runner.execute(&checker, report)?;
        }
    }
    if let Ok(settings) = fs::read_to_string("/workspace/suite.conf") {
        runner.execute(&settings, report)?;
    }
    let mut code: Vec<_> = fs::read_dir("/workspace/code")?.collect::<Result<_, _>>()?;
    code.sort_by_key(fs::DirEntry::file_name);
    for file in code {
        runner.execute(&fs::read_to_string(file.path())?, report)?;
    }
    let mut cases = String::new();
    let mut failed = false;
    for file in files {
        let text = fs::read_to_string(format!("/workspace/{file}"))?;
        let tests = text.lines().filter_map(|line| line.strip_prefix("test "));
        for (test, fact) in tests.filter_map(|test| test.split_once(": ")) {
            let passes = runner.all_pass || runner.facts.iter().any(|known| known == fact);
            let inner =
                if passes { String::new() } else { format!("<failure message=\"no {fact}\"/>") };
            failed |= !passes;
            let _ =
                write!(cases, "<testcase classname=\"{file}\" name=\"{test}\">{inner}</testcase>");
        }
    }
    if runner.mended.is_some() {
        cases = cases.replace("<failure", "<property");
    }
    fs::write(report, format!("<testsuite name=\"{name}\">{cases}</testsuite>"))?;
    Ok(runner.mended.unwrap_or(i32::from(failed)))
}

impl Runner {
    /// Does what code says, line by line.
    fn execute(&mut self, code: &str, report: &str) -> std::io::Result<()> {
        for line in code.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "fact" => self.facts.push(rest.to_owned()),
                "print" => println!("{rest}"),
                "exit" => exit(rest.parse().unwrap_or(0)),
                "report" => fs::write(report, rest)?,
                "all-pass" => self.all_pass = true,
                "mend" => self.mended = Some(rest.parse().unwrap_or(0)),
                "write" => {
                    let (file, text) = rest.split_once(' ').unwrap_or((rest, ""));
                    fs::write(format!("/workspace/{file}"), format!("{text}\n"))?;
                }
                "include" => {
                    let found = fs::read_to_string(rest).unwrap_or_default();
                    self.execute(&found, report)?;
                }
                "spin" => loop {
                    std::hint::black_box(0);
                },
                _ => {}
            }
        }
        Ok(())
    }
}

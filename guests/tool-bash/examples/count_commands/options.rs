//! Which words of a command are options, and where the command begins that
//! another one runs.

/// Commands whose long options have one dash.
const ONE_DASH: [&str; 8] = ["find", "gcc", "g++", "java", "openssl", "ffmpeg", "go", "rustc"];

/// Letters that take the rest of their word, or the next, as a value.
fn takes_value(command: &str) -> &'static str {
    match command {
        "grep" | "egrep" | "fgrep" | "rg" => "ABCmefdgt",
        "head" | "tail" | "split" => "ncl",
        "sed" => "e",
        "cut" => "dfcb",
        "sort" => "tkSoT",
        "xargs" => "nIPLdsE",
        "awk" | "gawk" => "Fvf",
        "tar" => "fC",
        "git" => "nUmCSLc",
        "python" | "python3" => "cmW",
        "diff" => "UCW",
        "patch" => "pidoF",
        "timeout" => "sk",
        "date" => "drI",
        "nl" => "bwsv",
        _ => "",
    }
}

/// The options of a command, letters one by one: `-rn` is `-r` and `-n`, `-5` is
/// `-NUMBER`.
pub(crate) fn given(command: &str, arguments: &[&str]) -> Vec<String> {
    let mut options = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix('-') {
            Some("-") => break,
            Some("") | None => {
                // A program's own words follow its script's name.
                if matches!(command, "python" | "python3" | "bash" | "sh" | "xargs" | "timeout") {
                    break;
                }
            }
            Some(long) if long.starts_with('-') || ONE_DASH.contains(&command) => {
                let name = word.split('=').next().unwrap_or(word);
                if name.trim_start_matches('-').starts_with(|one: char| one.is_ascii_alphabetic())
                    && !name.contains(' ')
                {
                    options.push(name.to_owned());
                }
            }
            Some(digits) if digits.starts_with(|one: char| one.is_ascii_digit()) => {
                options.push("-NUMBER".to_owned());
            }
            Some(letters) => {
                let value = bundle(letters, takes_value(command), &mut options);
                if value && matches!(command, "python" | "python3") {
                    break;
                }
                if value {
                    words.next();
                }
            }
        }
    }
    options
}

/// Takes a bundle apart; says whether the next word is a value.
fn bundle(letters: &str, takes_value: &str, options: &mut Vec<String>) -> bool {
    let mut rest = letters.chars();
    while let Some(letter) = rest.next() {
        if !letter.is_ascii_alphabetic() {
            return false;
        }
        options.push(format!("-{letter}"));
        if takes_value.contains(letter) {
            return rest.as_str().is_empty();
        }
    }
    false
}

/// The command that a wrapper runs.
pub(crate) fn run_by<'a, 'b>(
    wrapper: &str,
    arguments: &'b [&'a str],
) -> Option<(&'a str, &'b [&'a str])> {
    if !bashkit::analysis::is_command_wrapper(wrapper) {
        return None;
    }
    let values = takes_value(wrapper);
    let mut rest = arguments;
    let mut waits_for_time = wrapper == "timeout";
    while let Some((word, after)) = rest.split_first() {
        if word.starts_with('-') {
            let is_bundle = !word.starts_with("--");
            let value = is_bundle && word.len() == 2 && word.ends_with(|one| values.contains(one));
            rest = if value { after.get(1..).unwrap_or_default() } else { after };
        } else if waits_for_time || (wrapper == "env" && word.contains('=')) {
            waits_for_time = false;
            rest = after;
        } else {
            return Some((word, after));
        }
    }
    None
}

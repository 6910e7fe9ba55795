//! Options as GNU's tools take them: letters in bundles, long names and their
//! beginnings, values in the word or in the next one, operands anywhere; and patterns of names.

/// Whether an option has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    None,
    Needed,
    /// Only in the same word.
    Possible,
}

/// One option. Those with a long name alone have a letter above ASCII.
pub(crate) struct Known {
    pub(crate) letter: char,
    pub(crate) long: &'static str,
    pub(crate) value: Value,
}

/// An option without a value.
pub(crate) const fn flag(letter: char, long: &'static str) -> Known {
    Known { letter, long, value: Value::None }
}

/// An option with a value.
pub(crate) const fn valued(letter: char, long: &'static str) -> Known {
    Known { letter, long, value: Value::Needed }
}

/// An option that may have a value in its own word.
pub(crate) const fn maybe(letter: char, long: &'static str) -> Known {
    Known { letter, long, value: Value::Possible }
}

/// A command line taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// Options by their letters, in order.
    pub(crate) options: Vec<(char, Option<String>)>,
    pub(crate) operands: Vec<String>,
}

impl Parsed {
    /// Whether an option was given.
    pub(crate) fn has(&self, letter: char) -> bool {
        self.options.iter().any(|(given, _)| *given == letter)
    }

    /// The last value of an option.
    pub(crate) fn value(&self, letter: char) -> Option<&str> {
        let mut given = self.options.iter().rev().filter(|(given, _)| *given == letter);
        given.next().and_then(|(_, value)| value.as_deref())
    }

    /// All values of an option, in order.
    pub(crate) fn values(&self, letter: char) -> impl Iterator<Item = &str> {
        let given = self.options.iter().filter(move |(given, _)| *given == letter);
        given.filter_map(|(_, value)| value.as_deref())
    }
}

/// Takes the words of `command` apart; refuses in GNU's words what is unknown.
pub(crate) fn parse(command: &str, words: &[String], known: &[Known]) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            parsed.operands.extend(words.by_ref().cloned());
        } else if let Some(long) = word.strip_prefix("--") {
            let (option, inline) = find_long(command, long, known)?;
            let value = match option.value {
                Value::Needed => match inline {
                    Some(value) => Some(value.to_owned()),
                    None => Some(words.next().cloned().ok_or_else(|| {
                        format!("{command}: option '--{long}' requires an argument\n")
                    })?),
                },
                _ => inline.map(str::to_owned),
            };
            parsed.options.push((option.letter, value));
        } else if let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            bundle(command, letters, &mut words, known, &mut parsed)?;
        } else {
            parsed.operands.push(word.clone());
        }
    }
    Ok(parsed)
}

fn find_long<'a, 'b>(
    command: &str,
    word: &'b str,
    known: &'a [Known],
) -> Result<(&'a Known, Option<&'b str>), String> {
    let (name, inline) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let exact = known.iter().find(|option| option.long == name);
    let mut begun = known.iter().filter(|option| option.long.starts_with(name));
    let option = exact.or_else(|| begun.next().filter(|_| begun.next().is_none()));
    match option {
        Some(option) => Ok((option, inline)),
        None => Err(format!("{command}: unrecognized option '--{word}'\n")),
    }
}

fn bundle<'a>(
    command: &str,
    letters: &str,
    words: &mut impl Iterator<Item = &'a String>,
    known: &[Known],
    parsed: &mut Parsed,
) -> Result<(), String> {
    let mut rest = letters.chars();
    while let Some(letter) = rest.next() {
        let option = known.iter().find(|option| option.letter == letter);
        let option = option.ok_or_else(|| format!("{command}: invalid option -- '{letter}'\n"))?;
        let inline = Some(rest.as_str()).filter(|inline| !inline.is_empty());
        match option.value {
            Value::None => parsed.options.push((letter, None)),
            Value::Possible => {
                parsed.options.push((letter, inline.map(str::to_owned)));
                return Ok(());
            }
            Value::Needed => {
                let value = inline.map(str::to_owned).or_else(|| words.next().cloned());
                let value = value.ok_or_else(|| {
                    format!("{command}: option requires an argument -- '{letter}'\n")
                })?;
                parsed.options.push((letter, Some(value)));
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether a shell pattern matches a whole text: `*`, `?` and sets.
pub(crate) fn matches_glob(pattern: &str, text: &str) -> bool {
    let mut expression = String::from("(?s)^");
    let mut rest = pattern.chars();
    while let Some(one) = rest.next() {
        match one {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => match rest.as_str().split_once(']') {
                Some((set, after)) => {
                    let set = set.replace('\\', r"\\");
                    let set = set.strip_prefix('!').map_or(set.clone(), |set| format!("^{set}"));
                    expression.extend(["[", &set, "]"]);
                    rest = after.chars();
                }
                None => expression.push_str(r"\["),
            },
            '\\' => expression.extend(rest.next().map(|next| regex::escape(&next.to_string()))),
            one => expression.push_str(&regex::escape(&one.to_string())),
        }
    }
    expression.push('$');
    regex::Regex::new(&expression).is_ok_and(|regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_names() {
        for (pattern, text, matches) in [
            ("*.py", "a.py", true),
            ("*.py", "a.pyc", false),
            ("test_?.[ch]", "test_1.c", true),
            ("[!a]*", "abc", false),
            ("a.b", "axb", false),
            ("[", "[", true),
        ] {
            assert_eq!(matches_glob(pattern, text), matches, "{pattern} {text}");
        }
    }

    const KNOWN: [Known; 4] =
        [flag('r', "recursive"), flag('q', "quiet"), valued('n', "lines"), maybe('U', "unified")];

    fn parsed(words: &[&str]) -> Result<Parsed, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        parse("tool", &words, &KNOWN)
    }

    #[test]
    fn bundles_long_names_and_operands_mix() {
        let line = parsed(&["a", "-rqn", "5", "--lines=6", "-n7", "--rec", "b", "--", "-q"]);
        let line = line.unwrap();
        assert_eq!(line.operands, ["a", "b", "-q"]);
        assert_eq!(line.values('n').collect::<Vec<_>>(), ["5", "6", "7"]);
        assert_eq!((line.has('r'), line.has('q'), line.has('U')), (true, true, false));
    }

    #[test]
    fn what_is_unknown_or_lacks_its_value_is_named() {
        for (words, refusal) in [
            (vec!["-x"], "tool: invalid option -- 'x'\n"),
            (vec!["--nothing"], "tool: unrecognized option '--nothing'\n"),
            (vec!["-n"], "tool: option requires an argument -- 'n'\n"),
            (vec!["--lines"], "tool: option '--lines' requires an argument\n"),
        ] {
            assert_eq!(parsed(&words).unwrap_err(), refusal);
        }
    }
}

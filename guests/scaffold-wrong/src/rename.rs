//! Which name is changed, and how.

use std::collections::BTreeMap;

use git_patch::{Body, ChangedLine, FilePatch};

/// What is put after the name.
const SUFFIX: &[u8] = b"_wrong";

/// Names shorter than this are seldom ones that other code uses.
const SHORTEST: usize = 4;

/// Words whose change would leave no program at all, and names that mean nothing
/// outside their function.
const PASSED_OVER: [&str; 46] = [
    "assert", "async", "await", "bool", "break", "case", "catch", "char", "class", "const",
    "continue", "default", "double", "elif", "else", "enum", "except", "export", "extern", "false",
    "finally", "float", "from", "function", "global", "impl", "import", "include", "lambda",
    "long", "match", "None", "pass", "raise", "return", "self", "static", "struct", "switch",
    "this", "True", "False", "void", "while", "with", "yield",
];

/// The name that added lines hold most often; of equally frequent ones the first
/// in the alphabet.
pub(crate) fn most_added_name(files: &[FilePatch<'_>]) -> Option<String> {
    let mut counts: BTreeMap<&[u8], usize> = BTreeMap::new();
    let hunks = files.iter().filter(|file| file.new_path.is_some()).flat_map(FilePatch::hunks);
    for line in hunks.flat_map(git_patch::Hunk::changed_lines) {
        let ChangedLine::Added(text) = line else { continue };
        for word in words(text).filter(|word| is_name(word) && !is_passed_over(word)) {
            *counts.entry(word).or_default() += 1;
        }
    }
    let (name, _) = counts.into_iter().rev().max_by_key(|(_, count)| *count)?;
    String::from_utf8(name.to_vec()).ok()
}

/// Paths of the files whose text the patch changes and which are there afterwards.
pub(crate) fn touched_text_files<'a>(files: &'a [FilePatch<'_>]) -> Vec<&'a str> {
    files
        .iter()
        .filter(|file| matches!(file.body, Body::Text(_)) && !is_link(file))
        .filter_map(|file| file.new_path.as_deref())
        .collect()
}

/// Changes a name wherever it stands as a whole word.
pub(crate) fn rename(text: &[u8], name: &str) -> Vec<u8> {
    let mut renamed = Vec::with_capacity(text.len() + SUFFIX.len());
    for part in text.chunk_by(|left, right| in_word(*left) == in_word(*right)) {
        renamed.extend(part);
        if part == name.as_bytes() {
            renamed.extend(SUFFIX);
        }
    }
    renamed
}

/// Symlinks and submodules have text hunks but no file to write to.
fn is_link(file: &FilePatch<'_>) -> bool {
    ["new file mode", "new mode", "index"].iter().any(|header| {
        file.header_value(header)
            .is_some_and(|value| value.ends_with(b"120000") || value.ends_with(b"160000"))
    })
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| !in_word(*byte))
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn is_name(word: &[u8]) -> bool {
    word.len() >= SHORTEST
        && word.is_ascii()
        && word.first().is_some_and(|first| !first.is_ascii_digit())
        && word.iter().any(u8::is_ascii_alphabetic)
}

fn is_passed_over(word: &[u8]) -> bool {
    PASSED_OVER.iter().any(|passed| passed.as_bytes() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &[u8] = b"\
diff --git a/shop/cart.py b/shop/cart.py
index 1111111..2222222 100644
--- a/shop/cart.py
+++ b/shop/cart.py
@@ -1 +1,3 @@
 import money
+def total(self):
+    return self.total_of(self.items, total)
diff --git a/link b/link
new file mode 120000
index 0000000..3333333
--- /dev/null
+++ b/link
@@ -0,0 +1 @@
+shop
\\ No newline at end of file
";

    #[test]
    fn the_most_frequent_added_name_is_chosen_and_keywords_are_not() {
        let files = git_patch::parse(PATCH).unwrap();
        assert_eq!(most_added_name(&files).as_deref(), Some("total"));
    }

    #[test]
    fn only_whole_words_are_renamed() {
        assert_eq!(
            rename(b"total(subtotal, total_of, total)\n", "total"),
            b"total_wrong(subtotal, total_of, total_wrong)\n"
        );
    }

    #[test]
    fn links_are_not_written_to() {
        let files = git_patch::parse(PATCH).unwrap();
        assert_eq!(touched_text_files(&files), ["shop/cart.py"]);
    }
}

//! A patch turned round, for `git apply -R`.

use super::arguments::Refusal;

/// The patch that undoes `patch`.
pub(super) fn reversed(patch: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut reverse = Reverse::default();
    for line in patch.split_inclusive(|byte| *byte == b'\n') {
        if reverse.old_left + reverse.new_left > 0 || line.starts_with(b"\\") {
            reverse.changed(line);
        } else {
            reverse.header(line)?;
        }
    }
    reverse.end_of_run();
    Ok(reverse.output)
}

/// Where the work is.
#[derive(Default)]
struct Reverse {
    output: Vec<u8>,
    /// Lines of the hunk that are still to come.
    old_left: usize,
    new_left: usize,
    /// What comes out of the present run of changed lines.
    removed: Vec<u8>,
    added: Vec<u8>,
    last_was_removed: bool,
    /// Headers whose partner follows.
    kept: Option<Vec<u8>>,
}

impl Reverse {
    fn say(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.output.extend_from_slice(part);
        }
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Refusal> {
        self.end_of_run();
        if line.starts_with(b"GIT binary patch") {
            return Err(Refusal::not_there("apply -R of a binary patch"));
        }
        if let Some(numbers) = line.strip_prefix(b"@@ ") {
            return self.hunk(&String::from_utf8_lossy(numbers));
        }
        for (first, second, old, new) in [
            ("--- ", "+++ ", "a/", "b/"),
            ("rename from ", "rename to ", "", ""),
            ("old mode ", "new mode ", "", ""),
        ] {
            let [first, second, old, new] = [first, second, old, new].map(str::as_bytes);
            if let Some(value) = line.strip_prefix(first) {
                self.kept = Some([second, &renamed(value, old, new)].concat());
                return Ok(());
            }
            if let Some(value) = line.strip_prefix(second) {
                let partner = self.kept.take().unwrap_or_default();
                self.say(&[first, &renamed(value, new, old), &partner]);
                return Ok(());
            }
        }
        for (from, to) in [
            (&b"new file mode "[..], &b"deleted file mode "[..]),
            (&b"deleted file mode "[..], &b"new file mode "[..]),
        ] {
            if let Some(mode) = line.strip_prefix(from) {
                self.say(&[to, mode]);
                return Ok(());
            }
        }
        let text = String::from_utf8_lossy(line);
        let swapped = of_names(&text).or_else(|| of_ids(&text));
        self.say(&[swapped.as_ref().map_or(line, |text| text.as_bytes())]);
        Ok(())
    }

    fn hunk(&mut self, numbers: &str) -> Result<(), Refusal> {
        let parsed = numbers.split_once(" @@").and_then(|(ranges, rest)| {
            let (old, new) = ranges.strip_prefix('-')?.split_once(" +")?;
            Some((old, new, rest, length(old)?, length(new)?))
        });
        let Some((old, new, rest, old_left, new_left)) = parsed else {
            return Err(Refusal::error("corrupt patch"));
        };
        (self.old_left, self.new_left) = (old_left, new_left);
        self.say(&[b"@@ -", new.as_bytes(), b" +", old.as_bytes(), b" @@", rest.as_bytes()]);
        Ok(())
    }

    fn changed(&mut self, line: &[u8]) {
        match line.split_first() {
            Some((b'-', rest)) => {
                self.old_left = self.old_left.saturating_sub(1);
                self.added.push(b'+');
                self.added.extend_from_slice(rest);
                self.last_was_removed = true;
            }
            Some((b'+', rest)) => {
                self.new_left = self.new_left.saturating_sub(1);
                self.removed.push(b'-');
                self.removed.extend_from_slice(rest);
                self.last_was_removed = false;
            }
            Some((b'\\', _)) if !self.removed.is_empty() || !self.added.is_empty() => {
                let run = if self.last_was_removed { &mut self.added } else { &mut self.removed };
                run.extend_from_slice(line);
            }
            Some((b'\\', _)) => self.say(&[line]),
            _ => {
                self.end_of_run();
                self.old_left = self.old_left.saturating_sub(1);
                self.new_left = self.new_left.saturating_sub(1);
                self.say(&[line]);
            }
        }
    }

    /// What is removed comes before what is added.
    fn end_of_run(&mut self) {
        let (removed, added) = (std::mem::take(&mut self.removed), std::mem::take(&mut self.added));
        self.say(&[&removed, &added]);
    }
}

fn renamed(value: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match value.strip_prefix(from) {
        Some(name) => [to, name].concat(),
        None => value.to_vec(),
    }
}

fn length(range: &str) -> Option<usize> {
    range.split_once(',').map_or(Some(1), |(_, length)| length.parse().ok())
}

fn of_names(line: &str) -> Option<String> {
    let (old, new) = line.trim_end().strip_prefix("diff --git a/")?.split_once(" b/")?;
    Some(format!("diff --git a/{new} b/{old}\n"))
}

fn of_ids(line: &str) -> Option<String> {
    let (ids, mode) = match line.trim_end().strip_prefix("index ")?.split_once(' ') {
        Some((ids, mode)) => (ids, format!(" {mode}")),
        None => (line.trim_end().strip_prefix("index ")?, String::new()),
    };
    let (old, new) = ids.split_once("..")?;
    Some(format!("index {new}..{old}{mode}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "\
diff --git a/a.txt b/b.txt
old mode 100644
new mode 100755
rename from a.txt
rename to b.txt
index 1111111..2222222
--- a/a.txt
+++ b/b.txt
@@ -1,4 +1,3 @@ head
 one
--- two
-three
+2
 four
\\ No newline at end of file
diff --git a/n b/n
new file mode 100644
index 0000000..3333333
--- /dev/null
+++ b/n
@@ -0,0 +1 @@
+x
\\ No newline at end of file
";

    #[test]
    fn reversed_patch_undoes_it() {
        let reverse = String::from_utf8(reversed(PATCH.as_bytes()).unwrap()).unwrap();
        let expected = "\
diff --git a/b.txt b/a.txt
old mode 100755
new mode 100644
rename from b.txt
rename to a.txt
index 2222222..1111111
--- a/b.txt
+++ b/a.txt
@@ -1,3 +1,4 @@ head
 one
-2
+-- two
+three
 four
\\ No newline at end of file
diff --git a/n b/n
deleted file mode 100644
index 3333333..0000000
--- a/n
+++ /dev/null
@@ -1 +0,0 @@
-x
\\ No newline at end of file
";
        assert_eq!(reverse, expected);
        assert_eq!(reversed(expected.as_bytes()).unwrap(), PATCH.as_bytes());
    }
}

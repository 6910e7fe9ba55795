//! Writes patches.

use crate::{Body, FilePatch, Hunk, LineRange};

impl FilePatch<'_> {
    /// The file's patch as it was read.
    pub fn render_whole(&self) -> Vec<u8> {
        match &self.body {
            Body::Nothing => self.header.concat(),
            Body::Binary(lines) => [self.header.concat(), lines.concat()].concat(),
            Body::Text(hunks) => write(self.header.iter().copied(), hunks.iter()),
        }
    }

    /// The file's patch with only the hunks that `keep` picks by their position.
    ///
    /// The `index` line is left out, since the new contents are other ones.
    /// Only for text changes; other ones come out as their header alone.
    pub fn render_hunks(&self, keep: impl Fn(usize) -> bool) -> Vec<u8> {
        let kept = self.hunks().iter().enumerate().filter(|(at, _)| keep(*at)).map(|(_, h)| h);
        let header = self.header.iter().copied().filter(|line| !line.starts_with(b"index "));
        write(header, kept)
    }
}

fn write<'a>(
    header: impl Iterator<Item = &'a [u8]>,
    hunks: impl Iterator<Item = &'a Hunk<'a>>,
) -> Vec<u8> {
    let mut patch: Vec<u8> = header.flatten().copied().collect();
    // How many lines the hunks so far added and removed.
    let (mut added, mut removed) = (0, 0);
    for hunk in hunks {
        let first = hunk.old.start + usize::from(hunk.old.length == 0) + added;
        let start = first.saturating_sub(removed + usize::from(hunk.new.length == 0));
        let new = LineRange { start, length: hunk.new.length };
        patch.extend(header_line(hunk.old, new).bytes());
        patch.extend(hunk.section);
        patch.extend(hunk.lines.iter().copied().flatten());
        added += hunk.new.length;
        removed += hunk.old.length;
    }
    patch
}

fn header_line(old: LineRange, new: LineRange) -> String {
    format!("@@ -{} +{} @@", range(old), range(new))
}

fn range(range: LineRange) -> String {
    match range.length {
        1 => range.start.to_string(),
        length => format!("{},{length}", range.start),
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    const TWO_HUNKS: &[u8] = b"\
diff --git a/a.py b/a.py
index 1111111..2222222 100644
--- a/a.py
+++ b/a.py
@@ -1,2 +1,4 @@ def f():
 a
+b
+c
 d
@@ -20,2 +22 @@
 x
-y
";

    #[test]
    fn a_whole_file_comes_out_as_it_was() {
        let files = parse(TWO_HUNKS).unwrap();
        assert_eq!(files[0].render_whole(), TWO_HUNKS);
    }

    #[test]
    fn a_later_hunk_alone_starts_where_it_does_in_the_old_file() {
        let files = parse(TWO_HUNKS).unwrap();
        let half = files[0].render_hunks(|at| at == 1);
        let text = String::from_utf8(half).unwrap();
        assert!(text.contains("@@ -20,2 +20 @@\n x\n-y\n"), "{text}");
        assert!(!text.contains("index "), "{text}");
    }

    #[test]
    fn a_new_file_keeps_its_range() {
        let patch = b"\
diff --git a/n b/n
new file mode 100644
index 0000000..1111111
--- /dev/null
+++ b/n
@@ -0,0 +1 @@
+x
";
        assert_eq!(parse(patch).unwrap()[0].render_whole(), patch);
    }
}

//! Which half of a patch.

use git_patch::FilePatch;

/// Patches of single files which together hold every other part of a patch,
/// the first part included.
pub(crate) fn every_other(files: &[FilePatch<'_>]) -> Vec<Vec<u8>> {
    let mut patches = Vec::new();
    let mut before = 0;
    for file in files {
        if can_be_split(file) {
            let hunks = file.hunks().len();
            if (0..hunks).any(|at| is_kept(before + at)) {
                patches.push(file.render_hunks(|at| is_kept(before + at)));
            }
            before += hunks;
        } else {
            if is_kept(before) {
                patches.push(file.render_whole());
            }
            before += 1;
        }
    }
    patches
}

fn is_kept(part: usize) -> bool {
    part.is_multiple_of(2)
}

fn can_be_split(file: &FilePatch<'_>) -> bool {
    file.old_path.is_some() && file.new_path.is_some() && !file.hunks().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &[u8] = b"\
diff --git a/a.py b/a.py
--- a/a.py
+++ b/a.py
@@ -1 +1 @@
-a1
+A1
@@ -11 +11 @@
-a2
+A2
@@ -21 +21 @@
-a3
+A3
diff --git a/logo.png b/logo.png
index 1111111..2222222 100644
Binary files a/logo.png and b/logo.png differ
diff --git a/new.py b/new.py
new file mode 100644
--- /dev/null
+++ b/new.py
@@ -0,0 +1 @@
+new
diff --git a/b.py b/b.py
--- a/b.py
+++ b/b.py
@@ -1 +1 @@
-b1
+B1
";

    #[test]
    fn hunks_alternate_through_all_files_and_what_cannot_be_split_counts_once() {
        let files = git_patch::parse(PATCH).unwrap();
        let half = String::from_utf8(every_other(&files).concat()).unwrap();
        let added: Vec<_> =
            half.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++")).collect();
        assert_eq!(added, ["+A1", "+A3", "+new"]);
        assert!(!half.contains("logo.png"));
    }

    #[test]
    fn one_hunk_is_kept() {
        let files = git_patch::parse(PATCH).unwrap();
        assert_eq!(every_other(&files[3..]).len(), 1);
    }
}

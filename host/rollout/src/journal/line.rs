//! One line of a journal: `<crc32> <json>`, with long texts kept beside it.
//!
//! A text of more than [`LONG`] bytes stands in the line as `{"$blob": DIGEST}`
//! and in a file of that name below `blobs`, once for all journals there. So
//! the same observation costs its bytes once however many rollouts make it.

use std::path::{Path, PathBuf};

use catena_plugin::Digest;
use serde_json::{Map, Value};

use crate::record::Record;

/// Bytes of a text from which it is kept beside the line.
const LONG: usize = 4096;

/// The key of what stands for a long text.
const BLOB: &str = "$blob";

/// The key of an object that has one of these keys itself.
const PLAIN: &str = "$plain";

/// The long texts of the journals in one directory.
#[derive(Debug, Clone)]
pub(super) struct Blobs {
    dir: PathBuf,
}

/// A record as it is written.
pub(super) struct Line {
    pub(super) text: String,
    /// Bytes of the record with all its texts.
    pub(super) weight: u64,
    /// Long texts that it names.
    pub(super) blobs: Vec<(Digest, String)>,
}

impl Blobs {
    /// Those beside the journal at `path`.
    pub(super) fn beside(path: &Path) -> Self {
        Self { dir: path.with_file_name("blobs") }
    }

    /// The file of a text, below the directory of journals.
    pub(super) fn path(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        let (first, rest) = name.split_at(2);
        self.dir.join(first).join(rest)
    }

    /// Writes a text unless it is there. It is there whole or not at all.
    pub(super) fn write(&self, digest: Digest, text: &str) -> std::io::Result<()> {
        let path = self.path(digest);
        if std::fs::metadata(&path).is_ok_and(|found| found.len() == text.len() as u64) {
            return Ok(());
        }
        let dir = path.parent().unwrap_or(&self.dir);
        std::fs::create_dir_all(dir)?;
        let part = tempfile::NamedTempFile::new_in(dir)?;
        std::fs::write(part.path(), text)?;
        part.persist(&path)?;
        Ok(())
    }

    /// Reads a text and checks that it is what its name says.
    fn read(&self, digest: Digest) -> Result<String, String> {
        let path = self.path(digest);
        let named = |reason: &dyn std::fmt::Display| format!("`{}` {reason}", path.display());
        let bytes = std::fs::read(&path).map_err(|err| named(&format!("can't be read: {err}")))?;
        if Digest::of(&bytes) != digest {
            return Err(named(&"is not what its name says"));
        }
        String::from_utf8(bytes).map_err(|err| named(&err))
    }
}

/// Puts a record into a line.
pub(super) fn encode(record: &Record) -> Result<Line, serde_json::Error> {
    let mut json = serde_json::to_string(record)?;
    let weight = json.len() as u64;
    let mut blobs = Vec::new();
    // Most records are short, and a record that is has no long text.
    if json.len() > LONG || may_stand_for_others(&json) {
        let mut value = serde_json::to_value(record)?;
        take_out(&mut value, &mut blobs);
        json = serde_json::to_string(&value)?;
    }
    let text = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
    Ok(Line { text, weight, blobs })
}

/// Bytes of a record with all its texts.
pub(super) fn weight(record: &Record) -> u64 {
    let mut counter = Counter(0);
    // Our own records always have a JSON form, and counting can't fail.
    let _ = serde_json::to_writer(&mut counter, record);
    counter.0
}

/// Counts what is written.
struct Counter(u64);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Reads a line. The error says what is wrong with it.
pub(super) fn decode(line: &[u8], blobs: &Blobs) -> Result<Record, String> {
    let line = line.strip_suffix(b"\n").ok_or("the line does not end")?;
    let text = std::str::from_utf8(line).map_err(|err| err.to_string())?;
    let (sum, json) = text.split_once(' ').ok_or("there is no checksum")?;
    let sum = u32::from_str_radix(sum, 16).map_err(|_| "there is no checksum")?;
    if sum != crc32fast::hash(json.as_bytes()) {
        return Err("the checksum does not match".to_owned());
    }
    if !may_stand_for_others(json) {
        return serde_json::from_str(json).map_err(|err| err.to_string());
    }
    let mut value: Value = serde_json::from_str(json).map_err(|err| err.to_string())?;
    put_in(&mut value, blobs)?;
    serde_json::from_value(value).map_err(|err| err.to_string())
}

/// Whether one of the keys that mean something here may be in a record.
fn may_stand_for_others(json: &str) -> bool {
    json.contains(BLOB) || json.contains(PLAIN)
}

/// Whether an object has a key that means something here by itself.
fn has_own_key(fields: &Map<String, Value>) -> bool {
    fields.contains_key(BLOB) || fields.contains_key(PLAIN)
}

fn take_out(value: &mut Value, blobs: &mut Vec<(Digest, String)>) {
    match value {
        Value::String(text) if text.len() > LONG => {
            let text = std::mem::take(text);
            let digest = Digest::of(text.as_bytes());
            *value = Value::Object(Map::from_iter([(BLOB.to_owned(), digest.to_string().into())]));
            blobs.push((digest, text));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| take_out(item, blobs)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| take_out(field, blobs));
            if has_own_key(fields) {
                let plain = Value::Object(std::mem::take(fields));
                fields.insert(PLAIN.to_owned(), plain);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The inverse of [`take_out`]. What that never makes is as it was written: earlier
/// programs did not mark such keys in short records.
fn put_in(value: &mut Value, blobs: &Blobs) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| put_in(item, blobs)),
        Value::Object(fields) => {
            if let Some(digest) = blob_of(fields) {
                *value = Value::String(blobs.read(digest)?);
                return Ok(());
            }
            if let Some(plain) = plain_of(fields) {
                *fields = plain;
            }
            fields.values_mut().try_for_each(|field| put_in(field, blobs))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// The text that an object stands for.
fn blob_of(fields: &Map<String, Value>) -> Option<Digest> {
    let digest = fields.get(BLOB).filter(|_| fields.len() == 1)?.as_str()?;
    Digest::try_from(digest.to_owned()).ok()
}

/// The object that was marked as having such a key itself.
fn plain_of(fields: &mut Map<String, Value>) -> Option<Map<String, Value>> {
    let is_alone = fields.len() == 1;
    match fields.get_mut(PLAIN) {
        Some(Value::Object(plain)) if is_alone && has_own_key(plain) => Some(std::mem::take(plain)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use catena_plugin::session::SessionEnd;
    use catena_plugin::{AttemptEnd, Ending, Event};
    use catena_tree::TreeId;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn log(text: &str) -> Record {
        let (plugin, level) = ("p".to_owned(), "info".to_owned());
        Record::Event(Event::Log { plugin, level, text: text.to_owned() })
    }

    #[test]
    fn long_text_is_kept_once_and_checked_when_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::beside(&dir.path().join("a.journal"));
        let record = log(&"long ".repeat(2_000));
        let line = encode(&record).unwrap();
        assert!(line.text.len() < 300, "{}", line.text);
        let (digest, text) = line.blobs.first().unwrap();
        assert!(decode(line.text.as_bytes(), &blobs).unwrap_err().contains("can't be read"));
        blobs.write(*digest, text).unwrap();
        assert_eq!(decode(line.text.as_bytes(), &blobs).unwrap(), record);
        std::fs::write(blobs.path(*digest), "other").unwrap();
        let reason = decode(line.text.as_bytes(), &blobs).unwrap_err();
        assert!(reason.contains("is not what its name says"), "{reason}");
    }

    fn ended_with(snapshots: BTreeMap<String, TreeId>) -> Record {
        let session = SessionEnd::lost(TreeId::EMPTY, TreeId::EMPTY, snapshots);
        let end = AttemptEnd::Ended(Ending::GaveUp(String::new()));
        Record::AttemptEnded { end, session: Box::new(session) }
    }

    fn named(names: &[&str]) -> BTreeMap<String, TreeId> {
        names.iter().map(|name| ((*name).to_owned(), TreeId::EMPTY)).collect()
    }

    #[test]
    fn short_record_with_a_key_of_our_own_written_by_an_earlier_program_is_read() {
        let blobs = Blobs::beside(std::path::Path::new("a.journal"));
        for names in [&["$blob"][..], &["$plain"], &["$blob", "$plain", "other"]] {
            let record = ended_with(named(names));
            let json = serde_json::to_string(&record).unwrap();
            let line = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
            assert_eq!(decode(line.as_bytes(), &blobs).unwrap(), record, "{names:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_whatever_names_guests_chose(
            names in vec(prop_oneof![Just("$blob"), Just("$plain"), Just("\"$blob\":"), Just("a")], 0..4),
            text in prop_oneof![Just(1usize), Just(LONG + 1)],
        ) {
            let dir = tempfile::tempdir().unwrap();
            let blobs = Blobs::beside(&dir.path().join("a.journal"));
            for record in [ended_with(named(&names)), log(&names.concat().repeat(text))] {
                let line = encode(&record).unwrap();
                for (digest, text) in &line.blobs {
                    blobs.write(*digest, text).unwrap();
                }
                prop_assert_eq!(decode(line.text.as_bytes(), &blobs).unwrap(), record);
            }
        }

        #[test]
        fn objects_with_keys_of_our_own_are_put_back_as_they_were(before in json()) {
            let dir = tempfile::tempdir().unwrap();
            let blobs = Blobs::beside(&dir.path().join("a.journal"));
            let mut value = before.clone();
            take_out(&mut value, &mut Vec::new());
            put_in(&mut value, &blobs).unwrap();
            prop_assert_eq!(value, before);
        }
    }

    /// JSON whose keys and texts are those that mean something here.
    fn json() -> impl Strategy<Value = Value> {
        let word = || prop_oneof![Just("$blob"), Just("$plain"), Just("a")].prop_map(str::to_owned);
        let digest = Just(Digest::of(b"x").to_string());
        let leaf = prop_oneof![word(), digest].prop_map(Value::String);
        leaf.prop_recursive(4, 24, 3, move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(Value::Array),
                vec((word(), inner), 0..3).prop_map(|fields| Value::Object(Map::from_iter(fields))),
            ]
        })
    }
}

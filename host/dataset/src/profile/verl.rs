//! verl's supervised fine-tuning: a Parquet file with the columns `messages` and
//! `tools_json`.
//!
//! A column of a table has one type, while the arguments and schemas of different
//! tools have none in common: as a struct of all keys, each would get the keys of
//! the others with empty values, and a chat template would show them to the model.
//! So both are JSON text here. verl has no mark for single turns, so a sample with
//! turns that are not to be learned before or between others is refused.

use std::path::Path;
use std::sync::Arc;

use catena_model::Message;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::chat;
use crate::canonical::wire::Typed;
use crate::output::{ExportError, OutFile};
use crate::sample::Sample;
use crate::select::Reason;

const SCHEMA: &str = "
message rows {
  required group messages (LIST) {
    repeated group list {
      required group element {
        required binary role (STRING);
        required binary content (STRING);
        optional binary reasoning_content (STRING);
        optional binary tool_call_id (STRING);
        optional group tool_calls (LIST) {
          repeated group list {
            required group element {
              required binary id (STRING);
              required binary type (STRING);
              required group function {
                required binary name (STRING);
                required binary arguments (STRING);
              }
            }
          }
        }
      }
    }
  }
  required binary tools_json (STRING);
}";

/// Bytes of rows that are written at once.
const GROUP: usize = 16 << 20;

/// Columns in the order of the schema.
const COLUMNS: usize = 9;

/// One column of the rows that are not written yet.
#[derive(Default)]
struct Column {
    values: Vec<ByteArray>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

impl Column {
    fn push(&mut self, value: Option<&str>, definition: i16, repetition: i16) {
        self.values.extend(value.map(ByteArray::from));
        self.definition.push(definition);
        self.repetition.push(repetition);
    }
}

/// A file of rows.
pub(crate) struct VerlFile {
    path: std::path::PathBuf,
    writer: SerializedFileWriter<OutFile>,
    columns: Vec<Column>,
    bytes: usize,
}

/// How many of a sample's messages a row has, or why there is none.
pub(crate) fn end_of_row(sample: &Sample<'_>) -> Result<usize, Reason> {
    let stretches = sample.stretches();
    let [only] = stretches.as_slice() else { return Err(Reason::NeedsMask) };
    if only.turns_before > 0 {
        return Err(Reason::NeedsMask);
    }
    for message in sample.messages().take(only.end) {
        let Message::Assistant { message, .. } = message else { continue };
        for call in &message.tool_calls {
            Typed::of(&call.arguments).value.ok_or(Reason::ArgumentsNotJson)?;
        }
    }
    Ok(only.end)
}

impl VerlFile {
    pub(crate) fn create(path: &Path) -> Result<Self, ExportError> {
        let file = OutFile::create(path)?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let schema = parse_message_type(SCHEMA).map(Arc::new);
        let writer =
            schema.and_then(|schema| SerializedFileWriter::new(file, schema, Arc::new(properties)));
        let writer = writer.map_err(|err| failed(path, err))?;
        Ok(Self { path: path.to_owned(), writer, columns: columns(), bytes: 0 })
    }

    /// Adds a row of a sample's first `end` messages.
    pub(crate) fn push(&mut self, sample: &Sample<'_>, end: usize) -> Result<(), ExportError> {
        for (index, message) in sample.messages().take(end).enumerate() {
            self.message(message, i16::from(index > 0));
            self.bytes += message.text_len();
        }
        let tools = chat::tools_text(sample.tools).unwrap_or_else(|_| "[]".to_owned());
        self.column(8, Some(&tools), 0, 0);
        if self.bytes >= GROUP { self.write_group() } else { Ok(()) }
    }

    /// Levels are those of Dremel: how much of the path is there, and which list
    /// on it goes on.
    fn message(&mut self, message: &Message, repetition: i16) {
        let (role, content) = match message {
            Message::System { content } => ("system", content),
            Message::User { content } => ("user", content),
            Message::Tool { content, .. } => ("tool", content),
            Message::Other { name, content } => (name.as_str(), content),
            Message::Assistant { message, .. } => ("assistant", &message.content),
        };
        self.column(0, Some(role), 1, repetition);
        self.column(1, Some(content), 1, repetition);
        let said = match message {
            Message::Assistant { message, .. } => Some(message),
            _ => None,
        };
        let call_id = match message {
            Message::Tool { call_id, .. } => Some(call_id.as_str()),
            _ => None,
        };
        self.optional(2, said.and_then(|said| said.reasoning.as_deref()), repetition);
        self.optional(3, call_id, repetition);
        let calls = said.map_or(&[][..], |said| said.tool_calls.as_slice());
        if calls.is_empty() {
            for column in 4..8 {
                self.column(column, None, 1, repetition);
            }
        }
        for (index, call) in calls.iter().enumerate() {
            let repetition = if index == 0 { repetition } else { 2 };
            let values = [&call.id, "function", &call.name, &call.arguments];
            for (column, value) in (4..8).zip(values) {
                self.column(column, Some(value), 3, repetition);
            }
        }
    }

    fn optional(&mut self, column: usize, value: Option<&str>, repetition: i16) {
        self.column(column, value, 1 + i16::from(value.is_some()), repetition);
    }

    fn column(&mut self, column: usize, value: Option<&str>, definition: i16, repetition: i16) {
        if let Some(column) = self.columns.get_mut(column) {
            column.push(value, definition, repetition);
        }
    }

    fn write_group(&mut self) -> Result<(), ExportError> {
        let columns = std::mem::replace(&mut self.columns, columns());
        self.bytes = 0;
        let mut write = || -> Result<(), ParquetError> {
            let mut group = self.writer.next_row_group()?;
            for column in &columns {
                let Some(mut writer) = group.next_column()? else { break };
                let (definition, repetition) = (&column.definition, &column.repetition);
                writer.typed::<ByteArrayType>().write_batch(
                    &column.values,
                    Some(definition),
                    Some(repetition),
                )?;
                writer.close()?;
            }
            group.close().map(|_| ())
        };
        write().map_err(|err| failed(&self.path, err))
    }

    /// Returns the bytes of the file.
    pub(crate) fn finish(mut self) -> Result<(u64, u64), ExportError> {
        self.write_group()?;
        let path = self.path;
        let file = self.writer.into_inner().map_err(|err| failed(&path, err))?;
        file.finish()
    }
}

fn columns() -> Vec<Column> {
    (0..COLUMNS).map(|_| Column::default()).collect()
}

fn failed(path: &Path, error: ParquetError) -> ExportError {
    ExportError::Io { path: path.to_owned(), source: std::io::Error::other(error) }
}

//! What a command writes: its beginning and its end, without the middle where
//! that is too much.

use std::collections::VecDeque;
use std::io::Read;

/// One stream. It keeps at most as many bytes as it may.
pub(crate) struct Capture {
    most: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    written: u64,
}

/// What was kept of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) bytes: Vec<u8>,
    pub(crate) omitted: u64,
}

impl Capture {
    pub(crate) fn new(most: u64) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Self { most, head: Vec::new(), tail: VecDeque::new(), written: 0 }
    }

    /// Reads a stream to its end. One that fails has ended.
    pub(crate) fn read_all(mut self, mut from: impl Read) -> Captured {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => self.add(buffer.get(..read).unwrap_or_default()),
                Err(err) if err.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.finish()
    }

    fn add(&mut self, bytes: &[u8]) {
        self.written += bytes.len() as u64;
        let to_head = (self.most / 2).saturating_sub(self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(to_head);
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let room = self.most - self.most / 2;
        self.tail.drain(..self.tail.len().saturating_sub(room));
    }

    fn finish(self) -> Captured {
        let kept = (self.head.len() + self.tail.len()) as u64;
        let omitted = self.written - kept;
        let mut bytes = self.head;
        if omitted > 0 {
            bytes.extend(format!("\n[{omitted} bytes are left out here]\n").into_bytes());
        }
        bytes.extend(self.tail);
        Captured { bytes, omitted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_are_kept_of_what_is_too_much() {
        let text = |most, text: &str| {
            let captured = Capture::new(most).read_all(text.as_bytes());
            (String::from_utf8(captured.bytes).unwrap(), captured.omitted)
        };
        assert_eq!(text(10, "0123456789"), ("0123456789".to_owned(), 0));
        assert_eq!(text(4, "0123456789"), ("01\n[6 bytes are left out here]\n89".to_owned(), 6));
        assert_eq!(text(0, "01"), ("\n[2 bytes are left out here]\n".to_owned(), 2));
    }
}

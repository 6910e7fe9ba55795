//! Server-sent events: the part of the format that chat completions use.

use bytes::BytesMut;

/// Takes the data of events out of pieces of a body.
#[derive(Default)]
pub(super) struct Events {
    /// What has come and is not taken out yet.
    buffer: BytesMut,
    /// How far the buffer has been looked through for a line's end.
    looked: usize,
    /// Data of the event that has not ended yet.
    data: Option<Vec<u8>>,
}

impl Events {
    /// Takes a piece of the body, wherever it was cut.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The data of the next whole event.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        while let Some(line) = self.line() {
            if line.is_empty() {
                if let Some(data) = self.data.take() {
                    return Some(data);
                }
                continue;
            }
            // Comments keep the connection alive; other fields say nothing here.
            let Some(value) = line.strip_prefix(b"data:") else { continue };
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                none => *none = Some(value.to_vec()),
            }
        }
        None
    }

    /// Takes the next whole line, without its end.
    fn line(&mut self) -> Option<BytesMut> {
        let unseen = self.buffer.get(self.looked..)?;
        let Some(end) = unseen.iter().position(|byte| *byte == b'\n') else {
            self.looked = self.buffer.len();
            return None;
        };
        let end = self.looked + end;
        self.looked = 0;
        // Moves no byte, however many lines are ahead.
        let mut line = self.buffer.split_to(end + 1);
        line.truncate(end);
        if line.last() == Some(&b'\r') {
            line.truncate(end - 1);
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: impl Iterator<Item = Vec<u8>>) -> Vec<String> {
        let mut events = Events::default();
        let mut found = Vec::new();
        for piece in pieces {
            events.feed(&piece);
            while let Some(data) = events.next() {
                found.push(String::from_utf8(data).unwrap());
            }
        }
        found
    }

    #[test]
    fn events_are_the_same_wherever_the_body_is_cut() {
        let body =
            b": hello\n\ndata: {\"a\":\ndata: 1}\r\n\r\nevent: x\nid: 1\ndata:two\n\n\ndata: cut";
        let expected = ["{\"a\":\n1}", "two"];
        assert_eq!(events(std::iter::once(body.to_vec())), expected);
        for size in 1..body.len() {
            assert_eq!(events(body.chunks(size).map(<[u8]>::to_vec)), expected, "{size}");
        }
    }
}

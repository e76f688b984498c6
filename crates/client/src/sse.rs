//! Server-sent events (WHATWG HTML, section 9.2): the `data` of each event, from a stream cut anywhere.

/// Puts events together from pieces of a stream.
#[derive(Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    data: Option<Vec<u8>>,
}

/// An event larger than any of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Parser {
    /// Takes a piece and returns the data of every event that ended in it.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Result<Vec<Vec<u8>>, TooLarge> {
        let mut events = Vec::new();
        for &byte in piece {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                events.extend(self.take_line(line.strip_suffix(b"\r").unwrap_or(&line)));
            } else {
                self.line.push(byte);
            }
            if self.line.len() + self.data.as_ref().map_or(0, Vec::len) > EVENT_BYTES_MAX {
                return Err(TooLarge);
            }
        }
        Ok(events)
    }

    fn take_line(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        if line.is_empty() {
            return self.data.take();
        }
        if let Some(rest) = line.strip_prefix(b"data:") {
            let text = rest.strip_prefix(b" ").unwrap_or(rest);
            match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(text);
                }
                None => self.data = Some(text.to_vec()),
            }
        }
        None
    }
}

/// An audit record is under 2 KiB, a piece of a command's output under 64 KiB.
const EVENT_BYTES_MAX: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_events() {
        let stream = b": hello\n\nid: 1\nevent: x\ndata: {\"a\":1}\n\ndata:b\r\ndata: c\r\n\r\ndata: unfinished";
        let expected = vec![b"{\"a\":1}".to_vec(), b"b\nc".to_vec()];
        for cut in 0..stream.len() {
            let mut parser = Parser::default();
            let mut events = parser.feed(&stream[..cut]).expect("small");
            events.extend(parser.feed(&stream[cut..]).expect("small"));
            assert_eq!(events, expected, "cut at {cut}");
        }
    }

    #[test]
    fn an_event_without_end_is_refused() {
        assert_eq!(Parser::default().feed(&vec![b'x'; EVENT_BYTES_MAX + 1]), Err(TooLarge));
    }
}

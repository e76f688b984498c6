//! Where messages of gRPC and of Connect end in a body. Each has five bytes before it: a byte of flags and its length ("Length-Prefixed-Message" of gRPC over
//! HTTP/2, "Enveloped-Message" of the Connect protocol).
//!
//! Between two messages nothing is held back when nothing more is at hand: a client that waits for a message before it says its own gets all of it. Of messages
//! in base64 the last one waits for what follows it, as words of other bodies do: what a host shows there could be read as a message's end.

/// How far a body was read.
pub(crate) struct Envelopes {
    /// What is there of a head.
    head: Vec<u8>,
    /// What is left of the message behind the last whole head.
    left: u64,
    standing: Standing,
    /// Whether there was a message already.
    has_begun: bool,
    /// What is undone first.
    text: Option<Text>,
}

/// Base64 (RFC 4648) on its way off: what is there of a group.
#[derive(Default)]
struct Text {
    bits: u32,
    count: u32,
}

/// What a body's first bytes were worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Messages, so far.
    Framed,
    /// Something else, as a proxy's page of an error.
    Loose,
}

/// Messages that may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvelopeError {
    /// What was said to be a message's end was none.
    #[error("the host's messages do not end where it said")]
    NoEnd,
    /// Nobody could look into it.
    #[error("the host sent a compressed message, which it was asked not to")]
    Compressed,
}

impl Envelopes {
    /// Before the first message.
    pub(crate) const fn new() -> Self {
        Self { head: Vec::new(), left: 0, standing: Standing::Framed, has_begun: false, text: None }
    }

    /// The same, of messages in base64 ("application/grpc-web-text" of gRPC-Web), which may be in pieces with padding of their own.
    pub(crate) fn in_text() -> Self {
        Self { text: Some(Text::default()), ..Self::new() }
    }

    /// Takes the next bytes of the body.
    ///
    /// # Errors
    /// [`EnvelopeError`]; nothing may pass any more.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), EnvelopeError> {
        match self.text.as_mut().map(|text| text.undo(bytes)) {
            Some(undone) => self.read_bytes(&undone),
            None => self.read_bytes(bytes),
        }
    }

    fn read_bytes(&mut self, mut bytes: &[u8]) -> Result<(), EnvelopeError> {
        while !bytes.is_empty() && self.standing == Standing::Framed {
            let now = if self.left > 0 {
                let now = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= now as u64;
                now
            } else {
                let now = bytes.len().min(HEAD_BYTES - self.head.len());
                self.head.extend_from_slice(&bytes[..now]);
                self.look_at_head()?;
                now
            };
            bytes = &bytes[now..];
        }
        Ok(())
    }

    /// Whether all that came are whole messages.
    pub(crate) fn is_between(&self) -> bool {
        self.standing == Standing::Framed && self.head.is_empty() && self.left == 0
    }

    /// Whether nothing of what came needs to be held back.
    pub(crate) fn may_give(&self) -> bool {
        self.text.is_none() && self.is_between()
    }

    fn look_at_head(&mut self) -> Result<(), EnvelopeError> {
        match self.head[0] {
            flags if flags & COMPRESSED != 0 && ENDS.contains(&(flags ^ COMPRESSED)) => return Err(EnvelopeError::Compressed),
            flags if ENDS.contains(&flags) => {}
            _ if self.has_begun => return Err(EnvelopeError::NoEnd),
            _ => self.standing = Standing::Loose,
        }
        if self.head.len() == HEAD_BYTES {
            self.left = self.head[1..].iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
            self.head.clear();
            self.has_begun = true;
        }
        Ok(())
    }
}

impl Text {
    /// What is no digit ends a group, as padding does.
    fn undo(&mut self, text: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(text.len() * 3 / 4 + 1);
        for character in text {
            let Some(digit) = digit(*character) else {
                *self = Self::default();
                continue;
            };
            self.bits = self.bits << 6 | digit;
            self.count += 6;
            if self.count >= 8 {
                self.count -= 8;
                bytes.extend((self.bits >> self.count).to_le_bytes().first());
            }
        }
        bytes
    }
}

const fn digit(character: u8) -> Option<u32> {
    let (first, from) = match character {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'+' | b'-' => (character, 62),
        b'/' | b'_' => (character, 63),
        _ => return None,
    };
    Some((character - first) as u32 + from)
}

const HEAD_BYTES: usize = 5;
const COMPRESSED: u8 = 1;
/// Flags of a message, of the last one of Connect, and of the trailers of gRPC-Web.
const ENDS: [u8; 3] = [0, 2, 0x80];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_behind_its_end_or_is_compressed_is_no_message() {
        for (flags, error) in [
            (1, EnvelopeError::Compressed),
            (3, EnvelopeError::Compressed),
            (0x81, EnvelopeError::Compressed),
            (b'h', EnvelopeError::NoEnd),
        ] {
            let mut envelopes = Envelopes::new();
            assert_eq!(envelopes.read(b"\0\0\0\0\x02ab"), Ok(()));
            assert!(envelopes.is_between());
            assert_eq!(envelopes.read(&[flags]), Err(error), "{flags}");
        }
        assert_eq!(Envelopes::new().read(&[1]), Err(EnvelopeError::Compressed));
    }

    #[test]
    fn what_does_not_begin_as_a_message_has_no_ends() {
        let mut envelopes = Envelopes::new();
        assert_eq!(envelopes.read(b"{\0\0\0\0\0\0"), Ok(()));
        assert!(!envelopes.is_between());
        assert_eq!(envelopes.read(&[0; 50]), Ok(()));
        assert!(!envelopes.is_between());
    }

    #[test]
    fn messages_in_base64_are_read_however_they_are_cut_and_padded() {
        use base64::Engine;
        let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        let (one, end) = (encode(b"\0\0\0\0\x02ab"), encode(b"\x80\0\0\0\x01t"));
        let whole = format!("{one}{end}");
        for cut in 0..=whole.len() {
            let mut envelopes = Envelopes::in_text();
            assert_eq!(envelopes.read(&whole.as_bytes()[..cut]), Ok(()), "{cut}");
            assert_eq!(envelopes.read(&whole.as_bytes()[cut..]), Ok(()), "{cut}");
            assert!(envelopes.is_between(), "{cut}");
        }
        let mut envelopes = Envelopes::in_text();
        let compressed = format!("{one}{}", encode(b"\x01\0\0\0\x02ab"));
        assert_eq!(envelopes.read(compressed.as_bytes()), Err(EnvelopeError::Compressed));
    }

    #[test]
    fn messages_end_where_their_heads_say_however_they_are_cut() {
        let body =
            b"\0\0\0\0\x03abc\0\0\0\0\0\x02\0\0\x01\0".iter().copied().chain([b'x'; 256]).chain(*b"\x80\0\0\0\x01t").collect::<Vec<_>>();
        let ends = [0, 8, 13, 13 + 5 + 256, body.len()];
        for cut in 0..=body.len() {
            let mut envelopes = Envelopes::new();
            assert_eq!(envelopes.read(&body[..cut]), Ok(()));
            assert_eq!(envelopes.is_between(), ends.contains(&cut), "{cut}");
            assert_eq!(envelopes.read(&body[cut..]), Ok(()));
            assert!(envelopes.is_between());
        }
    }
}

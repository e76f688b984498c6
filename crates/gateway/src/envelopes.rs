//! Where messages of gRPC and of Connect end in a body. Each has five bytes before it: a byte of flags and its length ("Length-Prefixed-Message" of gRPC over
//! HTTP/2, "Enveloped-Message" of the Connect protocol).
//!
//! Between two messages nothing is held back when nothing more is at hand: a client that waits for a message before it says its own gets all of it.

/// How far a body was read.
pub(crate) struct Envelopes {
    /// What is there of a head.
    head: Vec<u8>,
    /// What is left of the message behind the last whole head.
    left: u64,
    standing: Standing,
    /// Whether there was a message already.
    has_begun: bool,
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
        Self { head: Vec::new(), left: 0, standing: Standing::Framed, has_begun: false }
    }

    /// Takes the next bytes of the body.
    ///
    /// # Errors
    /// [`EnvelopeError`]; nothing may pass any more.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> Result<(), EnvelopeError> {
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

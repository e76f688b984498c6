//! Whether responses of HTTP/1.1 came to their ends (RFC 9112, section 6.3): a reply may be cut behind its head.

/// What was asked, as far as a response's end depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// HEAD: nothing has to stand behind the head.
    Head,
    /// Anything else.
    Other,
}

/// How the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer said that this was all.
    InOrder,
    /// It broke off.
    Broken,
}

impl Asked {
    /// What a request asks.
    pub(crate) fn of(request: &[u8]) -> Self {
        if request.starts_with(b"HEAD ") { Self::Head } else { Self::Other }
    }
}

/// Whether the bytes are responses, each of them whole, with one among them that is final.
pub(crate) fn are_whole(mut bytes: &[u8], asked: Asked, end: End) -> bool {
    let mut finals = 0;
    while !bytes.is_empty() {
        let Some((head, rest)) = Head::read(bytes) else { return false };
        let Some(behind) = head.body_passed(rest, asked, end) else { return false };
        finals += usize::from(!head.is_interim());
        bytes = behind;
    }
    finals > 0
}

/// What a response's head says of its end.
struct Head {
    status: u16,
    length: Length,
}

/// Where a body ends.
enum Length {
    Bytes(usize),
    Chunks,
    WithTheConnection,
}

impl Head {
    /// Reads a head; none where it is none or is not whole. Behind it stands the rest.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = split(bytes, b"\r\n\r\n")?;
        let mut lines = head.split(|byte| *byte == b'\n');
        let mut words = lines.next()?.split(|byte| *byte == b' ');
        words.next().filter(|version| version.starts_with(b"HTTP/1."))?;
        let status = std::str::from_utf8(words.next()?.trim_ascii()).ok()?.parse().ok()?;
        let mut length = Length::WithTheConnection;
        for line in lines {
            let line = line.to_ascii_lowercase();
            let Some((name, value)) = split(&line, b":") else { continue };
            match name {
                b"transfer-encoding" => length = Length::Chunks,
                b"content-length" if !matches!(length, Length::Chunks) => length = Length::Bytes(number(value, 10)?),
                _ => {}
            }
        }
        Some((Self { status, length }, rest))
    }

    /// Whether another one follows. What is switched to is its own end.
    fn is_interim(&self) -> bool {
        self.status < 200 && self.status != SWITCHED
    }

    /// What stands behind the body; none where the body is not whole.
    fn body_passed<'a>(&self, rest: &'a [u8], asked: Asked, end: End) -> Option<&'a [u8]> {
        match (&self.length, self.status) {
            (_, SWITCHED) => (end == End::InOrder).then_some(&[]),
            _ if self.is_interim() || asked == Asked::Head && rest.is_empty() => Some(rest),
            (_, 204 | 304) => Some(rest),
            (Length::Bytes(bytes), _) => rest.get(*bytes..),
            (Length::Chunks, _) => chunks_passed(rest),
            (Length::WithTheConnection, _) => (end == End::InOrder).then_some(&[]),
        }
    }
}

/// What stands behind the last chunk and its trailers (RFC 9112, section 7.1).
fn chunks_passed(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (line, behind) = split(rest, b"\r\n")?;
        let size = number(line.split(|byte| *byte == b';').next()?, 16)?;
        if size == 0 {
            return trailers_passed(behind);
        }
        rest = behind.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

fn trailers_passed(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (line, behind) = split(rest, b"\r\n")?;
        if line.is_empty() {
            return Some(behind);
        }
        rest = behind;
    }
}

fn number(digits: &[u8], radix: u32) -> Option<usize> {
    usize::from_str_radix(std::str::from_utf8(digits.trim_ascii()).ok()?, radix).ok()
}

/// What stands before and behind the first `mark`.
fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

/// Another protocol is spoken from there on (RFC 9110, section 15.2.2).
const SWITCHED: u16 = 101;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole replies whose end does not depend on the connection.
    const WHOLE: [&str; 8] = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 401 \r\ncontent-length:0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: gzip, chunked\r\n\r\nA\r\n0123456789\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.0 403 No\r\nContent-Length: 1\r\n\r\nx",
    ];

    #[test]
    fn a_reply_is_whole_at_its_last_byte_and_at_none_before() {
        for reply in WHOLE {
            for end in [End::InOrder, End::Broken] {
                for cut in 0..reply.len() {
                    assert!(!are_whole(&reply.as_bytes()[..cut], Asked::Other, end), "{} of {reply}", cut);
                }
                assert!(are_whole(reply.as_bytes(), Asked::Other, end), "{reply}");
                assert!(are_whole(reply.repeat(2).as_bytes(), Asked::Other, end), "{reply}");
            }
        }
    }

    #[test]
    fn what_ends_with_the_connection_is_whole_where_that_ended_in_order() {
        for reply in ["HTTP/1.1 200 OK\r\n\r\nall of it", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\x01\x02"] {
            assert!(are_whole(reply.as_bytes(), Asked::Other, End::InOrder) && !are_whole(reply.as_bytes(), Asked::Other, End::Broken));
        }
    }

    #[test]
    fn an_answer_to_head_has_no_body_or_all_of_it() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
        assert_eq!((Asked::of(b"HEAD / HTTP/1.1"), Asked::of(b"HEADER /")), (Asked::Head, Asked::Other));
        assert!(are_whole(head.as_bytes(), Asked::Head, End::Broken) && !are_whole(head.as_bytes(), Asked::Other, End::InOrder));
        assert!(are_whole(format!("{head}ok").as_bytes(), Asked::Head, End::InOrder));
        assert!(!are_whole(format!("{head}o").as_bytes(), Asked::Head, End::InOrder));
    }

    #[test]
    fn what_is_no_response_is_none() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for reply in [
            String::new(),
            "GET / HTTP/1.1\r\n\r\n".to_owned(),
            "HTTP/1.1 OK\r\n\r\n".to_owned(),
            "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok".to_owned(),
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more".to_owned(),
            format!("{chunked}ffffffffffffffff\r\nok"),
            format!("{chunked}x\r\nok"),
            format!("{chunked}1\r\nok\r\n0\r\n\r\n"),
        ] {
            assert!(!are_whole(reply.as_bytes(), Asked::Other, End::InOrder), "{reply}");
        }
    }
}

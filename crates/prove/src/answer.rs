//! What came back from a host, and whether that is an answer: silence proves nothing, and neither does the first half of one.

use std::io;

use crate::outcome::Outcome;
use crate::whole::{Asked, End, are_whole};

/// What an attempt takes for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It asks nobody.
    Any,
    /// A response of HTTP that came to its end.
    Http,
    /// Whatever ends with the connection, or with its refusal: the attempt breaks the protocol, and nobody has to answer it.
    OrClosed,
}

/// Every byte that came back, and what went wrong.
#[derive(Debug)]
pub struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fault: Option<Fault>,
    pub(crate) asked: Asked,
}

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It could not be sent: no address, no certificates.
    Unable(String),
    /// The system or the peer refused at once.
    Refused(String),
    /// Nobody said anything in time.
    Late(String),
}

impl Reply {
    pub(crate) fn unable(why: &str) -> Self {
        Self { bytes: Vec::new(), fault: Some(Fault::Unable(why.to_owned())), asked: Asked::Other }
    }

    /// What came over a socket.
    pub(crate) fn of(asked: io::Result<Vec<u8>>) -> Self {
        match asked {
            Ok(bytes) => Self { bytes, fault: None, asked: Asked::Other },
            Err(error) => Self { bytes: Vec::new(), fault: Some(Fault::of(&error)), asked: Asked::Other },
        }
    }

    /// The bytes, and the error's text behind them.
    #[must_use]
    pub(crate) fn shown(self) -> Vec<u8> {
        match self.fault {
            None => self.bytes,
            Some(Fault::Unable(why) | Fault::Refused(why) | Fault::Late(why)) => [self.bytes, format!("[{why}]").into_bytes()].concat(),
        }
    }

    /// Whether this is what the attempt takes for an answer.
    pub(crate) fn is(&self, wanted: Answer) -> bool {
        match (wanted, &self.fault) {
            (Answer::Any, _) => true,
            // What came before nobody spoke any more may be the half of it.
            (Answer::Http | Answer::OrClosed, Some(Fault::Unable(_) | Fault::Late(_))) => false,
            (Answer::Http, None) => are_whole(&self.bytes, self.asked, End::InOrder),
            (Answer::Http, Some(Fault::Refused(_))) => are_whole(&self.bytes, self.asked, End::Broken),
            (Answer::OrClosed, None | Some(Fault::Refused(_))) => true,
        }
    }
}

impl Fault {
    pub(crate) fn of(error: &io::Error) -> Self {
        let is_late = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        if is_late { Self::Late(error.to_string()) } else { Self::Refused(error.to_string()) }
    }
}

/// What came of several requests: every one of them has to be answered.
pub(crate) fn outcome(replies: Vec<Reply>, wanted: Answer) -> Outcome {
    let answered = !replies.is_empty() && replies.iter().all(|reply| reply.is(wanted));
    let bytes = replies.into_iter().flat_map(Reply::shown).collect();
    if answered { Outcome::Tried(bytes) } else { Outcome::Unanswered(bytes) }
}

/// Whether there is a status line of HTTP, as hosts and tools write it, or curl's word for one. A request's own line is none.
pub(crate) fn is_http(bytes: &[u8]) -> bool {
    let starts = bytes.windows(STATUS_LINE.len()).enumerate().filter(|(_, window)| *window == STATUS_LINE);
    let mut rests = starts.map(|(at, _)| &bytes[at + STATUS_LINE.len()..]);
    rests.any(|rest| {
        let version = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        matches!(rest.get(version..), Some([b' ', a, b, c, ..]) if version > 0 && [a, b, c].iter().all(|digit| digit.is_ascii_digit()))
    })
}

/// Whether everything that a line of the shell asked for was answered to its end. curl says so of each of its requests, and a line says it of its other tools: see
/// [`SAYS`]. What nothing is said of was not answered.
pub(crate) fn is_answered(said: &[u8], wanted: Answer) -> bool {
    let text = String::from_utf8_lossy(said);
    let mut codes = text.split(SAYS).skip(1).filter_map(|rest| rest.get(..3)).peekable();
    match wanted {
        Answer::Any => true,
        Answer::Http => codes.peek().is_some() && codes.all(|code| code != NO_CODE) && !is_cut(&text),
        Answer::OrClosed => !said.is_empty() && !text.contains(CURL_LATE),
    }
}

/// Whether curl, or git for it, says that a reply did not come to its end.
pub(crate) fn is_cut(text: &str) -> bool {
    CURL_CUT.iter().chain(&GIT_CUT).chain(&LIBCURL_CUT).any(|error| text.contains(error))
}

const STATUS_LINE: &[u8] = b"HTTP/";
/// Stands before the status of each answer that came to its end, or before [`NO_CODE`].
pub(crate) const SAYS: &str = "answered:";
/// The status of no answer.
const NO_CODE: &str = "000";
/// curl's errors for a reply that did not come to its end (libcurl-errors(3)): a part of a file, a time that has run out, nothing, a broken connection, a stream of HTTP/2
/// that was not ended.
const CURL_CUT: [&str; 5] = ["curl: (18)", CURL_LATE, "curl: (52)", "curl: (56)", "curl: (92)"];
/// The same in git's words (remote-curl.c).
const GIT_CUT: [&str; 5] = ["curl 18", "curl 28", "curl 52", "curl 56", "curl 92"];
/// The same where libcurl's own words are shown: git says the rest only of a reply that it wanted to read.
const LIBCURL_CUT: [&str; 7] = [
    "transfer closed with",
    "not closed cleanly",
    "Operation timed out",
    "Empty reply from server",
    "Recv failure",
    "SSL_read:",
    "recv error (",
];
/// curl's error for a time that has run out.
const CURL_LATE: &str = "curl: (28)";

#[cfg(test)]
mod tests {
    use super::*;

    fn late() -> Option<Fault> {
        Some(Fault::of(&io::ErrorKind::WouldBlock.into()))
    }

    #[test]
    fn silence_and_a_missing_address_are_no_answer_to_anything() {
        for wanted in [Answer::Http, Answer::OrClosed] {
            for fault in [late(), Some(Fault::Unable("no address".into()))] {
                assert!(!Reply { bytes: Vec::new(), fault, asked: Asked::Other }.is(wanted));
            }
            assert!(!Reply { bytes: b"half".to_vec(), fault: late(), asked: Asked::Other }.is(wanted));
            assert!(matches!(outcome(Vec::new(), wanted), Outcome::Unanswered(_)));
        }
    }

    #[test]
    fn a_reply_that_was_cut_behind_its_head_is_no_answer() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
        for (bytes, fault) in [
            (format!("{head}ab"), late()),
            (format!("{head}abcd"), late()),
            (format!("{head}ab"), Some(Fault::of(&io::ErrorKind::ConnectionReset.into()))),
            (format!("{head}ab"), None),
            ("HTTP/1.1 200 OK\r\nConte".to_owned(), None),
            ("HTTP/1.1 200 OK\r\n\r\nabcd".to_owned(), Some(Fault::of(&io::ErrorKind::UnexpectedEof.into()))),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n".to_owned(), None),
        ] {
            let reply = Reply { bytes: bytes.into_bytes(), fault, asked: Asked::Other };
            assert!(!reply.is(Answer::Http), "{reply:?}");
        }
        assert!(!Reply { bytes: format!("{head}ab").into_bytes(), fault: late(), asked: Asked::Other }.is(Answer::OrClosed));
        let reset = Some(Fault::of(&io::ErrorKind::ConnectionReset.into()));
        assert!(Reply { bytes: format!("{head}abcd").into_bytes(), fault: reset, asked: Asked::Other }.is(Answer::Http));
    }

    #[test]
    fn a_tool_that_says_nothing_of_the_end_is_no_answer() {
        for said in ["HTTP/1.1 200 OK", "< HTTP/2 401", "HTTP/1.1 200 OK\nerror: RPC failed; curl 18 transfer closed\nanswered:200"] {
            assert!(!is_answered(said.as_bytes(), Answer::Http), "{said}");
        }
    }

    #[test]
    fn a_closed_connection_is_an_answer_where_the_attempt_says_so_only() {
        let closed = || Reply { bytes: Vec::new(), fault: Some(Fault::of(&io::ErrorKind::ConnectionReset.into())), asked: Asked::Other };
        assert!(!closed().is(Answer::Http) && closed().is(Answer::OrClosed));
        assert!(!Reply::of(Ok(Vec::new())).is(Answer::Http) && Reply::of(Ok(Vec::new())).is(Answer::OrClosed));
    }

    #[test]
    fn one_request_without_an_answer_among_many_is_told_with_all_that_came() {
        let answered = || Reply::of(Ok(b"HTTP/1.1 403 Forbidden\r\n\r\n".to_vec()));
        assert!(matches!(outcome(vec![answered(), answered()], Answer::Http), Outcome::Tried(_)));
        let Outcome::Unanswered(bytes) =
            outcome(vec![answered(), Reply { bytes: b"half".to_vec(), fault: late(), asked: Asked::Other }], Answer::Http)
        else {
            panic!("it was not answered");
        };
        assert!(bytes.starts_with(b"HTTP/1.1 403") && bytes.windows(4).any(|window| window == b"half"));
    }

    #[test]
    fn a_status_line_is_told_from_a_requests() {
        for said in [&b"HTTP/1.1 200 OK\r\n"[..], b"< HTTP/2 403 \r\n", b"reply: 'HTTP/1.0 200 OK'", b"xHTTP/1.1 HTTP/1.1 100 Continue"] {
            assert!(is_http(said));
        }
        for said in [&b""[..], b"GET /echo HTTP/1.1\r\nHost: 200\r\n", b"HTTP/", b"HTTP/1.1 OK", b"HTTP/ 200"] {
            assert!(!is_http(said));
        }
    }

    #[test]
    fn a_curl_that_failed_is_no_answer_whatever_it_printed() {
        for said in
            ["curl: (28) Operation timed out\nanswered:000", "HTTP/1.1 200 OK\nanswered:200\nanswered:000", "", "* Trying 1.1.1.1..."]
        {
            assert!(!is_answered(said.as_bytes(), Answer::Http), "{said}");
        }
        for error in CURL_CUT.into_iter().chain(GIT_CUT).chain(LIBCURL_CUT) {
            assert!(
                !is_answered(format!("HTTP/1.1 200 OK\n{error} with 2 out of 10 bytes\nanswered:200").as_bytes(), Answer::Http),
                "{error}"
            );
        }
        assert!(is_answered(b"{}answered:403", Answer::Http) && is_answered(b"answered:200\nanswered:yes", Answer::Http));
        assert!(is_answered(b"curl: (7) refused", Answer::OrClosed) && !is_answered(b"curl: (28) late", Answer::OrClosed));
    }
}

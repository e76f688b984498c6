//! Leave to send a request's body, where the devbox asks for it (RFC 9110, section 10.1.1): its host gives it or answers without. The body is not taken from
//! the devbox before, since taking it is what tells the devbox to send it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http::header::{EXPECT, HeaderValue};
use http::request::Parts;
use http::{Request, StatusCode, Version};
use tokio::sync::watch;
use tokio::time::timeout;

/// What the host has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Awaited,
    /// The body may come.
    Given,
    /// The reply is there, and the body was not asked for.
    Denied,
}

/// One request's leave.
#[derive(Clone)]
pub(crate) struct Leave(watch::Sender<Answer>);

/// Waits for the answer.
pub(crate) type Awaiting = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl Leave {
    /// Whether a request asks for leave. Over HTTP/2 none is asked for: there a host ends a stream that it does not want. HTTP/1.0 knows of none.
    pub(crate) fn is_wanted(parts: &Parts) -> bool {
        let mut said = parts.headers.get_all(EXPECT).iter();
        let one = matches!((said.next(), said.next()), (Some(word), None) if word.as_bytes().eq_ignore_ascii_case(CONTINUE));
        one && parts.version == Version::HTTP_11
    }

    /// Leave that nobody has been asked for yet.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Answer::Awaited))
    }

    /// Asks the host in a request over HTTP/1.1.
    pub(crate) fn ask<B>(&self, request: &mut Request<B>) {
        request.headers_mut().insert(EXPECT, HeaderValue::from_static("100-continue"));
        let leave = self.clone();
        hyper::ext::on_informational(request, move |interim| {
            if interim.status() == StatusCode::CONTINUE {
                leave.answer(Answer::Given);
            }
        });
    }

    /// The host has answered, whether or not it gave leave. Gives whether the body never comes.
    pub(crate) fn is_denied_by_now(&self) -> bool {
        self.answer(Answer::Denied);
        *self.0.borrow() == Answer::Denied
    }

    /// Gives leave without having asked: the host cannot be asked.
    pub(crate) fn give(&self) {
        self.answer(Answer::Given);
    }

    /// Waits for the host's answer, from the first look at it on. A host that does not know the question says nothing, and gets the body.
    pub(crate) fn wait(&self) -> Awaiting {
        let leave = self.clone();
        Box::pin(async move {
            let mut heard = leave.0.subscribe();
            if timeout(WAIT, heard.wait_for(|answer| *answer != Answer::Awaited)).await.is_err() {
                leave.give();
            }
            *heard.borrow()
        })
    }

    fn answer(&self, said: Answer) {
        self.0.send_if_modified(|answer| {
            let is_first = *answer == Answer::Awaited;
            if is_first {
                *answer = said;
            }
            is_first
        });
    }
}

const CONTINUE: &[u8] = b"100-continue";
/// As long as curl waits by itself.
const WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn is_wanted(version: Version, lines: &[&str]) -> bool {
        let mut request = Request::builder().version(version);
        for line in lines {
            request = request.header(EXPECT, *line);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        Leave::is_wanted(&parts)
    }

    #[test]
    fn leave_is_asked_for_in_one_way() {
        assert!(is_wanted(Version::HTTP_11, &["100-Continue"]));
        for (version, lines) in [
            (Version::HTTP_11, &[][..]),
            (Version::HTTP_11, &["100-continue", "100-continue"]),
            (Version::HTTP_11, &["200-ok"]),
            (Version::HTTP_10, &["100-continue"]),
            (Version::HTTP_2, &["100-continue"]),
        ] {
            assert!(!is_wanted(version, lines), "{version:?} {lines:?}");
        }
    }

    #[tokio::test]
    async fn the_first_answer_counts() {
        let leave = Leave::new();
        leave.give();
        assert!(!leave.is_denied_by_now());
        assert_eq!(leave.wait().await, Answer::Given);
        let leave = Leave::new();
        assert!(leave.is_denied_by_now());
        leave.give();
        assert_eq!(leave.wait().await, Answer::Denied);
    }
}

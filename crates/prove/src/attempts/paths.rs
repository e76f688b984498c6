//! Targets and methods that a binding with a path does not cover.

use super::Channel::Paths;
use super::Control::{Absent, Leaks};
use super::To::Narrow;
use super::{Attempt, asks};

macro_rules! narrow {
    ($name:literal, $threat:literal, $control:expr, $start:literal) => {
        narrow!($name, $threat, $control, $start, "")
    };
    ($name:literal, $threat:literal, $control:expr, $start:literal, $more:literal) => {
        asks(
            $name,
            Paths,
            $threat,
            $control,
            Narrow,
            concat!(
                $start,
                " HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {N}\r\nContent-Length: 0\r\n",
                $more,
                "Connection: close\r\n\r\n"
            ),
        )
    };
}

/// The other secret is bound to `GET /narrow`. Its host answers every other target with an echo, and a value that arrives there has leaked.
pub(super) const ATTEMPTS: &[Attempt] = &[
    narrow!("a path beside the bound one", 12, Leaks, "GET /echo"),
    narrow!("a path that only begins like the bound one", 12, Leaks, "GET /narrower"),
    narrow!("climb with ..", 12, Leaks, "GET /narrow/../echo"),
    narrow!("climb with %2e%2e", 12, Leaks, "GET /narrow/%2e%2e/echo"),
    narrow!("climb with an encoded slash", 12, Leaks, "GET /narrow/..%2fecho"),
    narrow!("climb with a double encoding", 12, Leaks, "GET /narrow/%252e%252e/echo"),
    narrow!("climb with a backslash", 12, Leaks, "GET /narrow\\..\\echo"),
    narrow!("climb behind a semicolon", 12, Leaks, "GET /narrow/..;/echo"),
    narrow!("two slashes at the beginning", 12, Leaks, "GET //echo"),
    narrow!("two slashes behind the bound path", 12, Leaks, "GET /narrow//../echo"),
    narrow!("another case", 12, Leaks, "GET /NARROW"),
    narrow!("the bound path in the query", 12, Leaks, "GET /echo?/narrow"),
    narrow!("the bound path in a fragment", 12, Leaks, "GET /echo#/narrow"),
    narrow!("an encoded letter", 12, Leaks, "GET /%6earrow/../echo"),
    narrow!("an overlong UTF-8 slash", 12, Leaks, "GET /narrow/%c0%ae%c0%ae/echo"),
    narrow!("a NUL behind the bound path", 12, Leaks, "GET /narrow%00/../echo"),
    narrow!("the root", 12, Leaks, "GET /"),
    narrow!("the asterisk", 12, Leaks, "OPTIONS *"),
    narrow!("X-Original-URL and X-Rewrite-URL", 12, Leaks, "GET /echo", "X-Original-URL: /narrow\r\nX-Rewrite-URL: /narrow\r\n"),
    narrow!("POST where only GET is bound", 12, Leaks, "POST /narrow"),
    narrow!("DELETE where only GET is bound", 12, Leaks, "DELETE /narrow"),
    narrow!("a method in small letters", 12, Leaks, "get /narrow"),
    narrow!("a method of its own", 12, Leaks, "FROBNICATE /narrow"),
    narrow!("HEAD where only GET is bound", 12, Absent, "HEAD /echo"),
];

//! Clients that mean harm, or are broken, against the built binary: each is bounded and gets no 5xx, and beside it another client is served as ever.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../common/certify.rs"]
mod certify;
mod floods;
#[path = "../common/h2.rs"]
mod h2;
mod inputs;
mod random;
mod rates;
#[allow(dead_code, reason = "the tests of `up` use the rest")]
#[path = "../serving/server.rs"]
mod server;
mod siege;
mod slow;

//! The agents' door of the real program, by its three ways in: the api, a devbox, and standard input.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod canaries;
mod ended;
mod own;
mod ways;

#[path = "../common/http.rs"]
mod http;
#[path = "../common/road.rs"]
mod road;

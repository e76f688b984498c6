//! `tightlip import` with the built program: what becomes of each line, that no value is shown or kept anywhere but in the file, and that the file is never lost.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod access;
mod away;
mod canaries;
mod files;
mod interrupted;
mod killed;
mod lines;
mod place;
mod traps;

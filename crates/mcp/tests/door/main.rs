//! The agents' door, driven over both of its ways in, before a backend that answers from a table.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod asked;
mod elicited;
mod guarded;
mod lines;
mod schemas;
mod table;
mod told;

//! The door for agents: the Model Context Protocol (revisions 2025-11-25 and 2026-07-28), over HTTP and over standard input and output.
//!
//! An agent knows names, learns how to use them, tests them and asks. What lives here: the tools, what they take and give, and the guard before them. What never
//! does: a value, who the caller is, what is decided; that comes from a [`Backend`]. Nothing that a caller sent is logged, and no error repeats it.
#![forbid(unsafe_code)]

mod arguments;
mod elicitation;
mod guard;
pub mod http;
pub mod limits;
mod outcome;
mod problem;
mod schemas;
mod server;
mod skills;
mod source;
pub mod stdio;
mod tool;
mod trouble;
mod twice;
mod usage;
mod views;

pub use futures_util::future::BoxFuture;
pub use outcome::Outcome;
pub use server::Server;
pub use source::{Answered, Backend, Relay, Relayed, Unanswered};
pub use tool::Tool;

/// The name inside a devbox under which the gateway answers by itself. Whatever lies below `.internal` is nobody's on the internet (ICANN, 2024).
pub const DEVBOX_HOST: &str = "tightlip.internal";
/// The path of this door, at the api and inside a devbox.
pub const PATH: &str = "/mcp";
/// Where a devbox reaches it.
pub const DEVBOX_URL: &str = "https://tightlip.internal/mcp";
/// The variable that says so inside a devbox.
pub const URL_VARIABLE: &str = "TIGHTLIP_MCP_URL";

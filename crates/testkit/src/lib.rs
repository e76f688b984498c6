//! What the project's tests share: the harness of `tightlip prove`, under the names that tests use.
#![forbid(unsafe_code)]

pub use prove::{Canary, Launch, Named, Server, Upstream, UpstreamSpec};

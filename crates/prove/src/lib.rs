//! `tightlip prove`: attacks a throw-away tightlip on this machine and searches every byte that an agent or a stranger received for the planted values.
//!
//! The harness lives here whole: canaries and their forms, loopback upstreams, a throw-away server, the attempts, and the control that must leak. The
//! project's own canary test uses the same pieces.
#![forbid(unsafe_code)]

mod answer;
pub mod attempts;
pub mod canary;
pub mod clients;
pub mod harness;
mod judge;
pub mod knock;
pub mod names;
pub mod outcome;
mod page;
pub mod probe;
pub mod report;
pub mod scene;
pub mod server;
mod shell;
mod unpack;
pub mod upstream;
mod wards;
mod whole;

pub use canary::Canary;
pub use harness::{Plan, run};
pub use server::{Launch, Named, Server};
pub use upstream::{Upstream, UpstreamSpec};

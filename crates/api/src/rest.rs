//! The REST surface: one file per noun, one handler per route, each *parse, one service call, view*.

mod agents;
mod bindings;
mod devboxes;
pub mod documents;
mod events;
mod executions;
mod gateways;
mod health;
mod keys;
mod metrics;
mod requests;
pub mod router;
mod secrets;
mod skills;

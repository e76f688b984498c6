//! The REST surface: one file per noun, one handler per route, each *parse, one service call, view*.

mod bindings;
pub mod documents;
mod events;
mod health;
mod keys;
mod metrics;
pub mod router;
mod secrets;

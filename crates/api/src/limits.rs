//! The limits of this door, each with its reason. Those of the nouns stand in `model::limits`.

use std::time::Duration;

/// How long a request may take, its body included: a durable write on a slow disk takes milliseconds.
pub const REQUEST_TIME: Duration = Duration::from_secs(30);
/// How long a client may take for its first bytes, or for a request's head; also how long an idle connection is kept.
pub const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long an HTTP/2 connection may leave a ping unanswered.
pub const PING_TIME: Duration = Duration::from_secs(20);
/// Connections at a time: each costs some ten kilobytes.
pub const CONNECTIONS_MAX: usize = 1024;
/// Streams of one HTTP/2 connection at a time.
pub const STREAMS_MAX: u32 = 128;
/// Threads that wait for the store: group commit wants as many writers as wait, reads are short.
pub const BLOCKING_THREADS_MAX: usize = 128;
/// Clients that follow events at a time: each asks the store and the gateway a few times a second.
pub const FOLLOWERS_MAX: usize = 32;
/// How often events are looked for on behalf of a follower.
pub const FOLLOW_TICK: Duration = Duration::from_millis(250);
/// How often a follower that gets nothing is told that the connection lives.
pub const FOLLOW_ALIVE: Duration = Duration::from_secs(15);
/// Events on one page; more is clamped.
pub const EVENTS_MAX: usize = 1000;
/// How long the gateway may take to answer.
pub const GATEWAY_TIME: Duration = Duration::from_secs(2);
/// Requests that wait for the gateway at a time; more are answered at once that it is away.
pub const GATEWAY_WAITERS_MAX: usize = 8;
/// Answers to earlier questions that are thrown away before one of ours: what piled up while the gateway was away.
pub const LATE_ANSWERS_MAX: usize = 64;
/// How long open requests may take to end when the server stops.
pub const STOP_TIME: Duration = Duration::from_secs(5);
/// How often data keys past their life are wiped.
pub const WIPE_TICK: Duration = Duration::from_millis(50);
/// Room on the store's disk below which the server says that it is not ready: several of the largest groups of changes that are committed together.
pub const DISK_FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// How often it is written down when API keys were used: each key at most once a minute.
pub const USES_TICK: Duration = Duration::from_secs(15);
/// How long somebody who connected to `control.sock` may take to ask.
pub const CONTROL_TIME: Duration = Duration::from_secs(1);
/// Connections that wait to be accepted.
pub const BACKLOG: i32 = 1024;
/// How much of a body that is too large is read and thrown away before the connection is cut.
pub const BODY_DRAIN_BYTES_MAX: usize = 1024 * 1024;
/// How long the server waits before it accepts again when the system is out of descriptors.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A credential; ours have 47 characters. Longer ones are no key of ours and are not hashed.
pub const CREDENTIAL_BYTES_MAX: usize = 512;

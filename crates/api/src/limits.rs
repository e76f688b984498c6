//! The limits of this door, each with its reason. Those of the nouns stand in `model::limits`.

use std::time::Duration;

use model::limits::VALUE_BYTES_MAX;

/// How long a request may take, its body included: a durable write on a slow disk takes milliseconds, the longest wait for a devbox [`STATUS_HOLD`].
pub const REQUEST_TIME: Duration = Duration::from_secs(40);
/// How long a request waits for a devbox's state: by the contract.
pub const STATUS_HOLD: Duration = Duration::from_secs(30);
/// How long a request waits for a command's end: by the contract.
pub const COMMAND_HOLD: Duration = Duration::from_secs(25);
/// How long a client that follows a command's output waits for one piece before the gateway is asked again, and checks the key again.
pub const OUTPUT_HOLD: Duration = Duration::from_secs(10);
/// How long the gateway may take, beyond [`GATEWAY_TIME`], to do something with a devbox: durable writes, and a process that starts.
pub const DEVBOX_TIME: Duration = Duration::from_secs(3);
/// How long the gateway may take to end a devbox: its processes are asked first.
pub const DEVBOX_END_TIME: Duration = Duration::from_secs(20);
/// How long a body may take, of that: 128 KiB over a slow line take seconds.
pub const BODY_TIME: Duration = Duration::from_secs(20);
/// How long a body that nobody wants is read and thrown away, so that its sender reads our answer.
pub const DISCARD_TIME: Duration = Duration::from_secs(2);
/// How long a client may take for its first request, or for a request's head; also how long an idle HTTP/1.1 connection is kept.
pub const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long a connection is kept on which no request begins and no answer goes on. Longer than [`REQUEST_TIME`], and than followers wait for a sign.
pub const QUIET_TIME: Duration = Duration::from_secs(45);
/// How long an idle connection is kept when less than a quarter of [`CONNECTIONS_MAX`] is left.
pub const CROWDED_TIME: Duration = Duration::from_secs(5);
/// How long a connection that was quiet for too long, or is idle when the server stops, may take to end in order.
pub const ENDING_TIME: Duration = Duration::from_secs(1);
/// How long a client may take to shake hands: two round trips.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Clients that shake hands at a time. More than one network may have connections, so that none keeps the others out.
pub const HANDSHAKES_MAX: usize = CONNECTIONS_MAX / 2;
/// How often the certificate's files are looked at. A change is taken once two looks agree.
pub const TLS_LOOK: Duration = Duration::from_millis(500);
/// How long an HTTP/2 connection may leave a ping unanswered.
pub const PING_TIME: Duration = Duration::from_secs(20);
/// Connections at a time: each costs some ten kilobytes.
pub const CONNECTIONS_MAX: usize = 1024;
/// Of those, connections of one network.
pub const CONNECTIONS_PER_NETWORK_MAX: usize = CONNECTIONS_MAX / 4;
/// Streams of one HTTP/2 connection at a time.
pub const STREAMS_MAX: u32 = 128;
/// What an HTTP/2 client may send of one body before we read it.
pub const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// What an HTTP/2 client may send of all its bodies before we read them: one whole body. Times [`CONNECTIONS_MAX`] it is the most that unread bodies cost.
pub const CONNECTION_WINDOW_BYTES: u32 = 128 * 1024;
/// What is kept of one HTTP/2 answer that its client does not take.
pub const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Streams that an HTTP/2 client may open and reset before we saw them: beyond it the connection ends (CVE-2023-44487).
pub const PENDING_RESETS_MAX: usize = 20;
/// Streams that we may reset for an HTTP/2 client's errors before the connection ends (CVE-2025-8671).
pub const LOCAL_RESETS_MAX: usize = 100;
/// Headers of one request: clients send some twenty.
pub const HEADERS_MAX: usize = 100;
/// What all bodies that are held at a time may take.
pub const BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The entry page's form: a value of which each byte is written with three characters, or six where it is a line's end; and a little for the rest.
pub const FORM_BYTES_MAX: usize = 6 * VALUE_BYTES_MAX + 4 * 1024;
/// What all forms that are held at a time may take: people type them.
pub const FORMS_BYTES_MAX: usize = 16 * FORM_BYTES_MAX;
/// A form's code or key, and its digest, each as it is written there: an API key has 47 characters, a digest 64.
pub const PROOF_BYTES_MAX: usize = 1024;
/// How long a browser keeps an entry page's session. The gateway ends it by itself.
pub const SESSION_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long the gateway is told that a value was stored, until it has heard: it starts again within seconds.
pub const STORED_TIME: Duration = Duration::from_secs(15);
/// How long is waited before it is told again.
pub const STORED_PAUSE: Duration = Duration::from_secs(1);
/// Requests that have a thread or wait for one: a client that takes its requests back leaves its work behind, which must not pile up.
pub const WORK_MAX: usize = 4 * BLOCKING_THREADS_MAX;
/// Requests a second with one API key, where other machines reach the api and nothing is set: far beyond what a client does, below what keeps others out.
pub const KEY_REQUESTS_PER_SECOND: u32 = 1000;
/// Requests a second from one network, likewise: many clients may stand behind one address.
pub const ADDRESS_REQUESTS_PER_SECOND: u32 = 2000;
/// How many seconds' worth of requests may come at once.
pub const BURST_SECONDS: u32 = 2;
/// Failed authentications a second from one network: a client with a wrong key tries a few times.
pub const FAILURES_PER_SECOND: u32 = 10;
/// How many of them may come at once.
pub const FAILURES_BURST: u32 = 50;
/// Refusals a second, for asking too often, that one network is told at once: beyond that it does not wait as it was told to.
pub const REFUSALS_PER_SECOND: u32 = 50;
/// How many of them may come at once.
pub const REFUSALS_BURST: u32 = 200;
/// How much later the others are told: a connection that floods costs ten answers a second in place of thousands.
pub const REFUSAL_PAUSE: Duration = Duration::from_millis(100);
/// Refusals that are held back at a time, each some hundred bytes; more are told at once.
pub const REFUSALS_HELD_MAX: usize = 4 * 1024;
/// Keys, and networks, that are counted apart: less than a megabyte for each table.
pub const RATES_COUNTED_MAX: usize = 16 * 1024;
/// How often those that did not ask lately are forgotten.
pub const SWEEP_TICK: Duration = Duration::from_secs(10);
/// Threads that wait for the store: group commit wants as many writers as wait, reads are short.
pub const BLOCKING_THREADS_MAX: usize = 128;
/// Threads that serve connections; what blocks has its own.
pub const WORKERS: usize = 3;
/// Looks at a row that these threads do themselves at a time: a disk that hangs leaves one to serve.
pub const LOOKS_MAX: usize = WORKERS - 1;
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
/// And to answer what it writes down first: as long as a disk that is busy may take.
pub const GATEWAY_WRITE_TIME: Duration = Duration::from_secs(10);
/// Requests that wait for the gateway at a time; more are answered at once that it is away.
pub const GATEWAY_WAITERS_MAX: usize = 1024;
/// Of those, requests that wait for devboxes and commands: what answers at once is not kept out by them.
pub const HOLDS_MAX: usize = GATEWAY_WAITERS_MAX * 3 / 4;
/// How long open requests may take to end when the server stops: less than the supervisor waits.
pub const STOP_TIME: Duration = Duration::from_secs(3);
/// How often data keys past their life are wiped.
pub const WIPE_TICK: Duration = Duration::from_millis(50);
/// How long one look at whether the server is ready serves all who ask: strangers may ask as often as they like.
pub const READY_LIFE: Duration = Duration::from_millis(250);
/// Room on the store's disk below which the server says that it is not ready: several of the largest groups of changes that are committed together.
pub const DISK_FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// How often it is written down when API keys were used: each key at most once a minute.
pub const USES_TICK: Duration = Duration::from_secs(15);
/// How long somebody who connected to `control.sock` may take to ask.
pub const CONTROL_TIME: Duration = Duration::from_secs(1);
/// Descriptors that the process needs at most: a connection each, and the store's files.
pub const DESCRIPTORS_MAX: u64 = 2 * CONNECTIONS_MAX as u64;
/// Connections that wait to be accepted.
pub const BACKLOG: i32 = 1024;
/// How much of a body that is too large is read and thrown away before the connection is cut.
pub const BODY_DRAIN_BYTES_MAX: usize = 1024 * 1024;
/// How long the server waits before it accepts again when the system is out of descriptors.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A credential; ours have 47 characters. Longer ones are no key of ours and are not hashed.
pub const CREDENTIAL_BYTES_MAX: usize = 512;
/// Digits of each number in a cursor: what the store counts with has 63 bits, and no chain comes near that.
pub const CURSOR_DIGITS_MAX: usize = 18;

//! Every limit of the house, each with its reason. Bytes unless the name says otherwise.

/// A value: the largest credentials in use (service-account files, certificate bundles) are under 16 KiB.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// A value that is to be swapped: anything shorter could occur in a reply by chance, and could be guessed from what the scrubber replaces.
pub const BROKERED_VALUE_BYTES_MIN: usize = 8;
/// A dotenv file: those in use have some kilobytes, and it is held whole in memory that is wiped.
pub const DOTENV_FILE_BYTES_MAX: usize = 1024 * 1024;
/// Entries of a dotenv file: ten times those of the largest in use; each that is stored is a request.
pub const DOTENV_ENTRIES_MAX: usize = 1000;
/// Wrong lines of a dotenv file that are named at once: more are not read.
pub const DOTENV_WRONG_LINES_MAX: usize = 20;
/// A name: what file systems and DNS allow as well.
pub const NAME_BYTES_MAX: usize = 255;
/// A request body to the api: the largest value, JSON-escaped, with room.
pub const API_BODY_BYTES_MAX: usize = 128 * 1024;
/// Secrets on one page; more is clamped.
pub const PAGE_ITEMS_MAX: usize = 5000;
/// Secrets on one page when the caller does not say.
pub const PAGE_ITEMS_DEFAULT: usize = 20;
/// Tokens of one devbox: bounds the scrubber's patterns.
pub const DEVBOX_TOKENS_MAX: usize = 100;
/// A request's or reply's head: what common servers accept.
pub const HEADER_LIST_BYTES_MAX: usize = 64 * 1024;
/// A request's body that values may be written into: credentials stand in small ones, and it is held whole.
pub const ARMED_BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a data key is used and kept, until its rows are committed. Milliseconds.
pub const DATA_KEY_LIFE_MS: u64 = 100;
/// How long a numbered request gets the same answer again: by the contract. Milliseconds.
pub const ANSWER_LIFE_MS: i64 = 24 * 60 * 60 * 1000;
/// How often open connections look for a revocation. Milliseconds.
pub const REVOCATION_TICK_MS: u64 = 100;
/// Explicit bindings of one secret.
pub const BINDINGS_PER_SECRET_MAX: usize = 50;
/// `--allow` patterns of one devbox.
pub const ALLOW_PATTERNS_MAX: usize = 200;
/// What people call an account or a key: fits into a line of a table.
pub const LABEL_CHARS_MAX: usize = 100;
/// API keys of one account that are good at a time: one for each machine and job of a large team; bounds what a stolen key can make.
pub const KEYS_PER_ACCOUNT_MAX: usize = 200;
/// How far ahead a key's end may lie, seconds: ten years. Whoever wants more names no end.
pub const KEY_LIFE_SECONDS_MAX: u64 = 10 * 365 * 24 * 60 * 60;
/// Accounts of one installation: listed one after the other, and made by hand.
pub const ACCOUNTS_MAX: u64 = 1000;
/// Keys whose uses are remembered between two writings.
pub const USES_NOTED_MAX: usize = 10_000;
/// Names that one devbox may have looked up: one /16 of synthetic addresses.
pub const DEVBOX_NAMES_MAX: usize = 60_000;
/// A message between two of our own processes: one packet, under the kernel's default socket buffer.
pub const LINK_MESSAGE_BYTES_MAX: usize = 160 * 1024;
/// Bindings, or events, in one message between two of our own processes.
pub const LINK_PAGE_ITEMS_MAX: usize = 200;
/// Descriptors in one message between two of our own processes.
pub const LINK_FDS_MAX: usize = 64;
/// What a devbox keeps in memory: its private folders, `/tmp` and home included. Enough for a build's caches; the host's memory is the other bound.
pub const DEVBOX_MEMORY_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// Processes and threads of one devbox: large parallel builds stay far below.
pub const DEVBOX_PROCESSES_MAX: u64 = 4096;
/// `.env` files and sockets masked in one work folder: each is a mount.
pub const DEVBOX_MASKS_MAX: usize = 1000;
/// Entries of a work folder, all of which are looked at for `.env` files and repositories: the largest monorepos with their packages and builds. A work folder
/// with more is none.
pub const DEVBOX_SEARCH_ENTRIES_MAX: usize = 2_000_000;
/// A repository's configuration, or one of its hooks: larger ones are hidden, not copied.
pub const DEVBOX_REPOSITORY_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Repositories (submodules included) of one work folder, and files in one's hooks.
pub const DEVBOX_REPOSITORY_FILES_MAX: usize = 200;
/// Lines that tell what was not kept.
pub const DEVBOX_NOTES_MAX: usize = 50;
/// Further headers of a gateway config: by the contract.
pub const CUSTOM_HEADERS_MAX: usize = 8;
/// A gateway config's description: a paragraph.
pub const DESCRIPTION_CHARS_MAX: usize = 1000;
/// A further header's text: what common servers take in one line is twice as much.
pub const HEADER_VALUE_BYTES_MAX: usize = 4096;
/// Gateway configs of one account: each team's upstreams; bounds a page.
pub const GATEWAY_CONFIGS_MAX: usize = 1000;
/// Devboxes of the API's that are open at a time, over all accounts: each is three processes and its descriptors.
pub const HOSTED_DEVBOXES_MAX: usize = 500;
/// Those of one account among them: no account takes all.
pub const HOSTED_DEVBOXES_PER_ACCOUNT_MAX: u64 = 300;
/// Ended devboxes of the API's that are remembered for each account, beside those of the last day.
pub const HOSTED_ENDED_KEPT_MAX: usize = 1000;
/// How long a devbox of the API's lives when the caller does not say. Milliseconds: an hour.
pub const KEEP_ALIVE_DEFAULT_MS: u64 = 60 * 60 * 1000;
/// How long it may be asked to live. Milliseconds: two days.
pub const KEEP_ALIVE_MAX_MS: u64 = 48 * 60 * 60 * 1000;
/// Commands of one devbox that run at a time, and ended ones that are remembered.
pub const EXECUTIONS_MAX: usize = 200;
/// A command's text: what one argument may have (execve(2), MAX_ARG_STRLEN), with room for the shell's own.
pub const COMMAND_BYTES_MAX: usize = 100 * 1024;
/// What is kept of each stream of a command's output: what came last.
pub const OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// What is kept of the output of one devbox's commands together: what came last.
pub const DEVBOX_OUTPUT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Output in one message between two of our own processes; base64 makes a third more of it.
pub const OUTPUT_CHUNK_BYTES_MAX: usize = 64 * 1024;
/// Lines of output that a finished command is shown with.
pub const OUTPUT_LINES_DEFAULT: usize = 100;
/// Entries of a devbox's metadata or variables, and the length of one: what a process's environment bears many times.
pub const DEVBOX_ENTRIES_MAX: usize = 200;
/// A key or value of metadata, or a variable's value.
pub const DEVBOX_ENTRY_BYTES_MAX: usize = 32 * 1024;
/// Pairings of one account that wait for a person: more than anybody reads at once; fits into one message.
pub const PAIRINGS_WAITING_MAX: usize = 50;
/// Secrets of one account whose values are given as they are: an exception, listed in one message.
pub const EXPOSURES_MAX: usize = 200;
/// Networks from which one devbox's connections may come to the forward proxy: a cluster's nodes are one or two.
pub const REMOTE_SOURCES_MAX: usize = 20;
/// A credential at the forward proxy, as shown: ours has 47 characters.
pub const PROXY_CREDENTIAL_BYTES_MAX: usize = 256;
/// Requests of one account's agents that wait for a person: more than anybody reads at once.
pub const REQUESTS_WAITING_MAX: usize = 50;
/// Those that were asked with one API key, or by devboxes that were made with it, among them: no key takes all.
pub const REQUESTS_PER_KEY_MAX: usize = 40;
/// Those of one devbox among them: no agent takes all.
pub const REQUESTS_PER_DEVBOX_MAX: usize = 10;
/// How long a request of an agent's waits for a person. Milliseconds: a day, so that one made in the evening is seen in the morning.
pub const REQUEST_LIFE_MS: i64 = 24 * 60 * 60 * 1000;
/// How long the link to the page for one value works, and how long the page works once it was opened. Milliseconds: a quarter of an hour, to fetch a value somewhere.
pub const REQUEST_LINK_LIFE_MS: i64 = 15 * 60 * 1000;
/// Hosts that one request names: what a person reads before saying yes.
pub const REQUEST_HOSTS_MAX: usize = 20;
/// The name of a secret that is asked for: what stands in one line of a terminal, beside our own words.
pub const REQUEST_NAME_BYTES_MAX: usize = 64;
/// Methods that one request names, and the length of one: what is registered, and the longest of WebDAV's (RFC 4918).
pub const REQUEST_METHODS_MAX: usize = 10;
/// See [`REQUEST_METHODS_MAX`].
pub const REQUEST_METHOD_BYTES_MAX: usize = 20;
/// An agent's own words: a paragraph.
pub const REQUEST_REASON_CHARS_MAX: usize = 1000;
/// Wrong proofs at one request's page: more are not mistakes. With a code of 40 bits, one guess in two hundred thousand million is right.
pub const REQUEST_PROOFS_MAX: u32 = 5;

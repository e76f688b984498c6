-- What both databases have.
CREATE TABLE meta (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The chain: hash = SHA-256(previous hash, body's length as u64 big-endian, body). The columns beside repeat the body, to find by.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    name TEXT,
    body TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_account ON events (account);
CREATE INDEX events_by_name ON events (account, name) WHERE name IS NOT NULL;

-- Always empty: readiness writes here to see whether writing works.
CREATE TABLE probe (bytes BLOB NOT NULL) STRICT;

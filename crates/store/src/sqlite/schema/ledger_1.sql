CREATE TABLE bindings (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL,
    secret TEXT NOT NULL,
    binding TEXT NOT NULL,
    created INTEGER NOT NULL,
    mac BLOB NOT NULL
) STRICT;
CREATE INDEX bindings_by_secret ON bindings (secret, id);

-- Wrapped keys and tokens stand in the two tables below only, and neither ever loses a row, so that what is set to NULL when a devbox closes was the only
-- copy; the reason stands at the store's ciphertexts.
CREATE TABLE devboxes (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    allow TEXT NOT NULL,
    resume BLOB NOT NULL,
    ca_pem TEXT NOT NULL,
    ca_key BLOB,
    opened INTEGER NOT NULL,
    closed INTEGER
) STRICT;
CREATE INDEX devboxes_open ON devboxes (number) WHERE closed IS NULL;

CREATE TABLE grants (
    number INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    devbox TEXT NOT NULL REFERENCES devboxes (id),
    account TEXT NOT NULL,
    secret TEXT NOT NULL,
    created INTEGER NOT NULL,
    ended INTEGER,
    env TEXT NOT NULL,
    name TEXT NOT NULL,
    token BLOB
) STRICT;
CREATE INDEX grants_by_devbox ON grants (devbox);

CREATE TABLE accounts (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    devbox_capability INTEGER NOT NULL,
    created INTEGER NOT NULL,
    -- How many secrets it has, so that a page's total costs nothing.
    secrets INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL REFERENCES accounts (id),
    hash BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;

-- Ciphertext stands in the two tables below only, and neither ever loses a row: new ones go to the end, and what is to go is set to NULL. Where rows are put
-- in the middle or taken out, SQLite rebuilds pages, and now and then leaves a moved cell's bytes in a page's free space, which secure_delete does not
-- reach (measured: one to five of a thousand). A table that only grows at its end moves no cell, so what secure_delete wipes was the only copy. The price:
-- about ten bytes stay of each row, and the room of a short ciphertext is not used again.
CREATE TABLE data_keys (
    number INTEGER PRIMARY KEY,
    id TEXT UNIQUE,
    suite INTEGER,
    recipient TEXT,
    encapsulated BLOB,
    ciphertext BLOB,
    created INTEGER,
    signer TEXT,
    signature BLOB
) STRICT;

CREATE TABLE ciphertexts (
    number INTEGER PRIMARY KEY,
    salt BLOB,
    ciphertext BLOB
) STRICT;

CREATE TABLE secrets (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    kind TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    data_key TEXT NOT NULL REFERENCES data_keys (id),
    ciphertext INTEGER NOT NULL REFERENCES ciphertexts (number),
    UNIQUE (account, name)
) STRICT;
CREATE INDEX secrets_by_age ON secrets (account, id);
CREATE INDEX secrets_by_data_key ON secrets (data_key);

-- Both are set when a grant is made and never after: which gateway it is for, under which label, and whether its token is the gateway's own.
ALTER TABLE grants ADD COLUMN gateway TEXT;
ALTER TABLE grants ADD COLUMN label TEXT;
ALTER TABLE grants ADD COLUMN role TEXT;

-- What the API's devboxes are beside what every devbox is. A table of its own, since these rows grow, and a row of `devboxes` must not: see the comment there.
-- `request` is SHA-256 of route and number; `status` repeats the last of `states`, to find by.
CREATE TABLE hosted (
    devbox TEXT PRIMARY KEY NOT NULL REFERENCES devboxes (id),
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    request BLOB,
    about TEXT NOT NULL,
    states TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    UNIQUE (key, request)
) STRICT, WITHOUT ROWID;
CREATE INDEX hosted_by_account ON hosted (account, devbox);

-- A secret that is bound nowhere and the destination that a gateway config names for it: what a person is asked. Gives no permission; a binding does.
CREATE TABLE pairings (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL,
    secret TEXT NOT NULL,
    binding TEXT NOT NULL,
    devbox TEXT NOT NULL,
    config TEXT NOT NULL,
    status TEXT NOT NULL,
    created INTEGER NOT NULL,
    decided INTEGER,
    mac BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pairings_by_secret ON pairings (secret, id);
CREATE INDEX pairings_waiting ON pairings (account, id) WHERE status = 'waiting';

-- Whether a secret's value may be given to devboxes as it is.
CREATE TABLE exposures (
    secret TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL,
    plain INTEGER NOT NULL,
    created INTEGER NOT NULL,
    mac BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX exposures_by_account ON exposures (account, secret) WHERE plain;

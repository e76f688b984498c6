-- What agents ask of a person. Each row carries the gateway's MAC; none is ever removed, so that every event of a request has its row. `link` and `session` are hashes.
CREATE TABLE requests (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL,
    devbox TEXT,
    key TEXT NOT NULL,
    wish TEXT NOT NULL,
    reason TEXT NOT NULL,
    link BLOB,
    link_number INTEGER NOT NULL,
    link_expires INTEGER NOT NULL,
    opened INTEGER NOT NULL,
    session BLOB,
    session_expires INTEGER NOT NULL,
    shown_to TEXT,
    tries INTEGER NOT NULL,
    allowed INTEGER,
    allowed_by TEXT,
    proof TEXT,
    secret TEXT,
    token BLOB,
    status TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    decided INTEGER,
    mac BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_open ON requests (account, id) WHERE status IN ('waiting', 'entered', 'lapsed');
CREATE INDEX requests_by_link ON requests (link) WHERE link IS NOT NULL;
CREATE INDEX requests_by_session ON requests (session) WHERE session IS NOT NULL;

-- Hosts that a devbox may reach since a person let it, beside those of its row, which must not grow: see the comment there. Under the devbox's mark.
CREATE TABLE allowed (
    devbox TEXT NOT NULL REFERENCES devboxes (id),
    host TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (devbox, host)
) STRICT, WITHOUT ROWID;

-- What was refused, to be shown newest first. As in the steps before, an event that was damaged says nothing here.
CREATE INDEX events_of_refusals ON events (account, seq) WHERE instr(body, '"kind":"refused"');

ALTER TABLE api_keys ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN expires INTEGER;
ALTER TABLE api_keys ADD COLUMN revoked INTEGER;
ALTER TABLE api_keys ADD COLUMN last_used INTEGER;
CREATE INDEX api_keys_by_account ON api_keys (account, id);
CREATE INDEX api_keys_not_revoked ON api_keys (account) WHERE revoked IS NULL;

-- What was answered to a change that its caller numbered, so that the same request gets the same answer. `request` is SHA-256 of route and number; `secret` is
-- the metadata that was shown.
CREATE TABLE answers (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    request BLOB NOT NULL,
    secret TEXT NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (key, request)
) STRICT;
CREATE INDEX answers_by_age ON answers (created);

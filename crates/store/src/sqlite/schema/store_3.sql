-- Destinations. Two that every account has stand in no row: `model::gateway::builtin`.
CREATE TABLE gateway_configs (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    mechanism TEXT NOT NULL,
    headers TEXT NOT NULL,
    description TEXT,
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX gateway_configs_by_age ON gateway_configs (account, id);
CREATE INDEX gateway_configs_by_name ON gateway_configs (account, name, id);

-- An answer may show another noun than a secret: its metadata, or an API key's id.
ALTER TABLE answers RENAME COLUMN secret TO shown;
ALTER TABLE answers ADD COLUMN noun TEXT NOT NULL DEFAULT 'secret';

-- The gateway's marks on what its rows say together: of a secret, its bindings, its exposure and its pairings; of an open devbox, its row and its grants. A row
-- that was removed or put back to an older one leaves each remaining row's own mark whole, and not this one. `generation` counts the events that tell of such
-- changes, so that an older mark with its older rows is told by the events.
CREATE TABLE marks (
    noun TEXT NOT NULL,
    id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (noun, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX events_of_decisions ON events (json_extract(body, '$.secret')) WHERE json_extract(body, '$.kind') IN
    ('binding_created', 'binding_deleted', 'pairing_requested', 'pairing_approved', 'pairing_refused', 'secret_exposed', 'secret_brokered');
CREATE INDEX events_of_ends ON events (json_extract(body, '$.devbox')) WHERE json_extract(body, '$.kind') = 'devbox_closed';

-- The greatest version of a secret of which an event tells: no older row of it is opened. As in the step before, an event that was damaged says nothing here.
CREATE INDEX events_of_versions ON events (
    CASE WHEN json_valid(body) THEN json_extract(body, '$.secret') END,
    CASE WHEN json_valid(body) THEN json_extract(body, '$.version') END
) WHERE instr(body, '"version":');

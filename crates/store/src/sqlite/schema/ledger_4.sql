-- Which values went to which hosts, out of the events of first uses: a host's replies are kept free of them. An event that was damaged says nothing here, and
-- stands out in its chain.
CREATE INDEX events_sent ON events (
    account,
    CASE WHEN json_valid(body) THEN json_extract(body, '$.host') END,
    CASE WHEN json_valid(body) THEN json_extract(body, '$.secret') END
) WHERE instr(body, '"kind":"secret_first_used"');

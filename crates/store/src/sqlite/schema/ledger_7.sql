
-- An account's requests of any state, newest first, a page at a time.
CREATE INDEX requests_by_account ON requests (account, id);

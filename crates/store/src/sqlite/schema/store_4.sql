-- The gateway's mark on a key that it saw made; NULL on keys that it did not.
ALTER TABLE api_keys ADD COLUMN mac BLOB;

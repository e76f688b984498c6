//! Rows of both databases, changed one by one in copies of one folder.

use rusqlite::Connection;

use crate::house::{House, copy, verify};
use crate::server::{Server, up, wait_for};

/// The row of a secret by its name.
const OTHER: &str = "(SELECT ciphertext FROM secrets WHERE name = 'OTHER')";
const KEY: &str = "(SELECT data_key FROM secrets WHERE name = 'OTHER')";

#[test]
fn a_flipped_bit_in_any_sealed_column_is_found() {
    let house = House::make();
    let flip = |column: &str| {
        format!("unhex(substr(hex({column}), 1, length(hex({column})) - 2) || CASE WHEN hex({column}) LIKE '%00' THEN '01' ELSE '00' END)")
    };
    for column in ["salt", "ciphertext"] {
        house.assert_found(
            &format!("UPDATE ciphertexts SET {column} = {} WHERE number = {OTHER}", flip(column)),
            "secrets",
            "does not open",
        );
    }
    for (column, words) in [("encapsulated", "signature"), ("ciphertext", "signature"), ("signature", "signature")] {
        house.assert_found(&format!("UPDATE data_keys SET {column} = {} WHERE id = {KEY}", flip(column)), "data_keys", words);
    }
    for (set, words) in [("created = created + 1", "signature"), ("signer = 'vk_0000000000000000'", "no api"), ("suite = 1", "signature")] {
        house.assert_found(&format!("UPDATE data_keys SET {set} WHERE id = {KEY}"), "data_keys", words);
    }
    house.assert_found(&format!("UPDATE ciphertexts SET salt = x'00' WHERE number = {OTHER}"), "secrets", "makes no sense");
}

#[test]
fn a_row_that_was_swapped_moved_renamed_or_removed_is_found() {
    let house = House::make();
    let github = "(SELECT ciphertext FROM secrets WHERE name = 'GITHUB_TOKEN')";
    let swap = format!(
        "CREATE TEMP TABLE t AS SELECT {OTHER} AS a, {github} AS b;
         UPDATE secrets SET ciphertext = CASE name WHEN 'OTHER' THEN (SELECT b FROM t) ELSE (SELECT a FROM t) END;"
    );
    house.assert_found(&swap, "secrets", "does not open");
    let tenant = "(SELECT id FROM accounts WHERE name = 'tenant')";
    house.assert_found(&format!("UPDATE secrets SET account = {tenant} WHERE name = 'OTHER'"), "secrets", "does not open");
    house.assert_found("UPDATE secrets SET name = 'RENAMED' WHERE name = 'OTHER'", "secrets", "no event tells of it");
    house.assert_found("DELETE FROM secrets WHERE name = 'OTHER'", "secrets", "its row is gone");
    house.assert_found("UPDATE secrets SET updated = updated + 1 WHERE name = 'OTHER'", "secrets", "times");
    house.assert_found("UPDATE secrets SET version = 9 WHERE name = 'OTHER'", "secrets", "no event tells of its version");
    house.assert_found("UPDATE accounts SET secrets = 7", "accounts", "number of secrets");
    house.assert_found("DELETE FROM accounts WHERE name = 'tenant'", "accounts", "its row is gone");
    let swapped_keys = "CREATE TEMP TABLE k AS SELECT number, encapsulated, ciphertext, signature FROM data_keys WHERE id IS NOT NULL;
         UPDATE data_keys SET encapsulated = (SELECT encapsulated FROM k WHERE k.number <> data_keys.number LIMIT 1),
            ciphertext = (SELECT ciphertext FROM k WHERE k.number <> data_keys.number LIMIT 1),
            signature = (SELECT signature FROM k WHERE k.number <> data_keys.number LIMIT 1) WHERE id IS NOT NULL;";
    house.assert_found(swapped_keys, "data_keys", "signature");
}

#[test]
fn a_row_that_was_put_back_to_an_older_version_is_found_and_refused_by_a_gateway_that_was_started_since() {
    let house = House::make();
    let old = house.copy("old");
    let mut server = house.serve();
    house.tool(&["secret", "set", "OTHER"], "the third value of another");
    assert!(server.stop().success());
    let conn = Connection::open(house.data().join("store/tightlip.db")).unwrap();
    conn.execute_batch(&format!(
        "PRAGMA foreign_keys = OFF; ATTACH '{}' AS old;
         UPDATE ciphertexts SET (salt, ciphertext) = (SELECT c.salt, c.ciphertext FROM old.secrets s JOIN old.ciphertexts c ON c.number = s.ciphertext WHERE s.name = 'OTHER')
            WHERE number = (SELECT ciphertext FROM secrets WHERE name = 'OTHER');
         UPDATE data_keys SET (id, suite, recipient, encapsulated, ciphertext, created, signer, signature) =
            (SELECT k.id, k.suite, k.recipient, k.encapsulated, k.ciphertext, k.created, k.signer, k.signature FROM old.secrets s JOIN old.data_keys k ON k.id = s.data_key WHERE s.name = 'OTHER')
            WHERE id = (SELECT data_key FROM secrets WHERE name = 'OTHER');
         UPDATE secrets SET (version, updated, data_key) = (SELECT version, updated, data_key FROM old.secrets WHERE name = 'OTHER') WHERE name = 'OTHER';",
        old.join("store/tightlip.db").display()
    ))
    .unwrap();
    conn.close().unwrap();
    let verdict = verify(&house.data());
    assert_eq!(verdict.assert_finds("secrets", "older version")["name"], "OTHER");
    // It opens: only the events tell.
    assert!(!verdict.text.contains("does not open"), "{}", verdict.text);
    let _server = house.serve();
    let refused = crate::house::call(&house.data(), &["bind", "OTHER", "--host", "b.example.com"], "");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(7) && said.contains("changed outside tightlip"), "{said}");
    verify(&house.data()).assert_finds("secrets", "older version");
}

#[test]
fn a_planted_or_changed_api_key_is_found() {
    let house = House::make();
    let plant = "INSERT INTO api_keys (id, account, hash, scopes, created, name, mac) SELECT 'key_' || substr(id, 5, 20) || 'x', account,
        randomblob(32), scopes, created, 'planted', mac FROM api_keys LIMIT 1";
    house.assert_found(plant, "api_keys", "mark");
    house.assert_found("UPDATE api_keys SET scopes = 'read,secrets,devbox,keys' WHERE scopes = 'read'", "api_keys", "mark");
    house.assert_found("UPDATE api_keys SET revoked = NULL WHERE scopes = 'read'", "api_keys", "it was revoked");
    house.assert_found("DELETE FROM api_keys WHERE scopes = 'read'", "api_keys", "its row is gone");
}

#[test]
fn a_changed_or_planted_row_of_the_gateways_is_found() {
    let house = House::make();
    house.assert_found(
        "ledger:UPDATE bindings SET binding = replace(binding, 'api.example.com', 'evil.example.com') /* ledger */",
        "bindings",
        "mark",
    );
    house.assert_found("ledger:UPDATE exposures SET plain = 0 /* ledger */", "exposures", "mark");
    let plant = "ledger:INSERT INTO bindings (id, account, secret, binding, created, mac) SELECT 'bnd_000000000000000000001', account, secret, binding, created, mac
        FROM bindings LIMIT 1 /* ledger */";
    house.assert_found(plant, "bindings", "mark");
    let pairing = "ledger:INSERT INTO pairings (id, account, secret, binding, devbox, config, status, created, mac)
        SELECT 'prq_000000000000000000001', account, secret, binding, 'dbx_000000000000000000001', 'gwc_000000000000000000001', 'waiting', 5, zeroblob(32)
        FROM bindings LIMIT 1 /* ledger */";
    house.assert_found(pairing, "pairings", "mark");
    // A row of another account's secret, under a mark that was made for this one.
    house.assert_found("ledger:UPDATE bindings SET account = 'acc_000000000000000000001' /* ledger */", "bindings", "mark");
    // A copy has no anchor where it is, and nothing else that does not hold.
    copy(&house.data(), &house.beside("untouched"));
    let verdict = verify(&house.beside("untouched"));
    verdict.assert_finds("anchor", "no anchor");
    assert_eq!(verdict.said["findings"].as_array().unwrap().len(), 1, "{}", verdict.text);
}

#[test]
fn a_row_without_an_id_is_found_in_every_table() {
    let house = House::make();
    let owner = "(SELECT id FROM accounts ORDER BY number LIMIT 1)";
    let found = |sql: &str, table: &str| house.assert_found(sql, table, "without an id");
    found(
        &format!(
            "INSERT INTO ciphertexts (salt, ciphertext) SELECT salt, ciphertext FROM ciphertexts WHERE number = {OTHER};
             INSERT INTO secrets SELECT '', account, 'PLANTED', version, kind, created, updated, data_key, (SELECT max(number) FROM ciphertexts)
                FROM secrets WHERE name = 'OTHER';
             UPDATE accounts SET secrets = secrets + 1 WHERE id = {owner}"
        ),
        "secrets",
    );
    found("INSERT INTO accounts (id, name, devbox_capability, created) VALUES ('', 'planted', 1, 5)", "accounts");
    found(
        &format!("INSERT INTO api_keys (id, account, hash, scopes, created) VALUES ('', {owner}, randomblob(32), 'read', 5)"),
        "api_keys",
    );
    found(
        &format!(
            "INSERT INTO gateway_configs (id, account, name, endpoint, mechanism, headers, created)
             VALUES ('', {owner}, 'planted', 'https://a.example.com', '\"bearer\"', '[]', 5)"
        ),
        "gateway_configs",
    );
    for (columns, table) in [
        ("bindings SELECT '', account, secret, binding, created, mac FROM bindings LIMIT 1", "bindings"),
        ("exposures SELECT '', account, plain, created, mac FROM exposures LIMIT 1", "exposures"),
        ("pairings VALUES ('', 'a', 's', '{}', 'd', 'c', 'waiting', 5, NULL, zeroblob(32))", "pairings"),
        (
            "requests (id, account, key, wish, reason, link_number, link_expires, opened, session_expires, tries, status, created, expires, mac)
                VALUES ('', 'a', 'k', '{}', '', 0, 0, 0, 0, 0, 'waiting', 5, 5, zeroblob(32))",
            "requests",
        ),
        ("devboxes (id, account, key, allow, resume, ca_pem, opened, closed) VALUES ('', 'a', 'k', '[]', zeroblob(32), '', 5, 5)", "devboxes"),
    ] {
        found(&format!("ledger:INSERT INTO {columns} /* ledger */"), table);
    }
    house.assert_found("ledger:INSERT INTO marks VALUES ('secret', '', 1, zeroblob(32)) /* ledger */", "marks", "removed, added");
}

#[test]
fn a_row_of_the_gateways_that_was_removed_or_put_back_is_found_and_nothing_passes_by_what_is_left() {
    let house = House::make();
    for table in ["bindings", "exposures"] {
        house.assert_found(&format!("ledger:DELETE FROM {table} /* ledger */"), "marks", "removed");
    }
    house.assert_found("ledger:DELETE FROM marks /* ledger */", "marks", "is gone");
    // What was said before, with its marks: only the events tell.
    let old = house.copy("old");
    let mut server = house.serve();
    house.tool(&["expose", "OTHER", "--brokered"], "");
    house.tool(&["bind", "GITHUB_TOKEN", "--host", "api.github.com", "--methods", "GET", "--path", "/repos/me"], "");
    assert!(server.stop().success());
    let conn = Connection::open(house.data().join("gateway/gateway.db")).unwrap();
    conn.execute_batch(&format!(
        "ATTACH '{}' AS old; DELETE FROM bindings; INSERT INTO bindings SELECT * FROM old.bindings; DELETE FROM exposures;
         INSERT INTO exposures SELECT * FROM old.exposures; DELETE FROM marks; INSERT INTO marks SELECT * FROM old.marks;",
        old.join("gateway/gateway.db").display()
    ))
    .unwrap();
    conn.close().unwrap();
    verify(&house.data()).assert_finds("marks", "put back to older ones");
    let _server = house.serve();
    for name in ["OTHER", "GITHUB_TOKEN"] {
        let refused = crate::house::call(&house.data(), &["bind", name, "--host", "b.example.com"], "");
        assert_eq!(refused.status.code(), Some(7), "{}", String::from_utf8_lossy(&refused.stderr));
    }
    let shown = house.tool(&["bindings"], "");
    assert!(!shown.contains("api.github.com") && !shown.contains("api.example.com"), "a binding is in force: {shown}");
}

#[test]
fn a_devbox_that_was_given_another_secret_is_found_and_not_taken_up() {
    let house = House::make();
    let mut command = up(&house.data());
    command.args(["--gateway", "127.0.0.1:0"]);
    let server = Server::spawned(command, &house.data());
    house.tool(&["devbox", "env", "--secret", "OTHER", "--out", house.beside("box").to_str().unwrap()], "");
    drop(server);
    wait_for("the lock", || (!crate::house::call(&house.data(), &["verify"], "").stdout.is_empty()).then_some(()));
    verify(&house.data()).assert_holds();
    let github = "(SELECT secret FROM bindings WHERE binding LIKE '%api.github.com%')";
    house.assert_found(&format!("ledger:UPDATE grants SET secret = {github} /* ledger */"), "devboxes", "grants were changed");
    house.assert_found("ledger:UPDATE devboxes SET allow = '[\"evil.example.com\"]' /* ledger */", "devboxes", "grants were changed");
}

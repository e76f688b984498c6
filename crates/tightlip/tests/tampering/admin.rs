//! An admin key that somebody put in the place of the one that was made.

use std::fs;

use crate::house::{House, call, verify};

#[test]
fn an_admin_key_that_was_not_made_here_is_named_and_opens_nothing() {
    let house = House::make();
    let path = house.data().join("gateway/admin-key");
    let own = fs::read_to_string(&path).unwrap();
    verify(&house.data()).assert_holds();
    let planted = format!("{}aaaa", &own[..own.len() - 4]);
    for put in [planted.as_str(), "tla_0000000000000000000000000000000000000000000", ""] {
        fs::write(&path, put).unwrap();
        verify(&house.data()).assert_finds("files", "was changed outside tightlip");
    }
    fs::write(&path, &planted).unwrap();
    let server = house.serve();
    let made = fs::read_to_string(&path).unwrap();
    assert!(made != planted && made != own && made.starts_with("tla_"));
    house.tool(&["bind", "OTHER", "--host", "b.example.com"], "");
    for old in [&planted, &own] {
        fs::write(&path, old).unwrap();
        assert_eq!(call(&house.data(), &["bind", "OTHER", "--host", "evil.example.com"], "").status.code(), Some(4));
    }
    fs::write(&path, &made).unwrap();
    drop(server);
}

#[test]
fn an_admin_key_that_is_removed_is_made_anew() {
    let house = House::make();
    let path = house.data().join("gateway/admin-key");
    let own = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    verify(&house.data()).assert_finds("files", "it is gone");
    let _server = house.serve();
    assert_ne!(fs::read_to_string(&path).unwrap(), own);
    house.tool(&["bind", "OTHER", "--host", "b.example.com"], "");
    verify(&house.data()).assert_holds();
}

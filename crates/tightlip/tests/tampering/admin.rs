//! An admin key that somebody put in the place of the one that was made.

use std::fs;

use crate::house::{House, call, verify};
use crate::server::kill_9;

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
fn an_admin_key_that_was_not_made_here_is_taken_by_no_gateway_that_is_started_again() {
    let house = House::make();
    let mut server = house.serve();
    server.wait_until_both_serve();
    let path = house.data().join("gateway/admin-key");
    let own = fs::read_to_string(&path).unwrap();
    fs::write(&path, "tla_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
    let gateway = server.child("__gateway", None);
    kill_9(gateway);
    server.child("__gateway", Some(gateway));
    server.wait_until_both_serve();
    for arguments in [&["bind", "OTHER", "--host", "evil.example.com"][..], &["verify"]] {
        let refused = call(&house.data(), arguments, "");
        assert_eq!(refused.status.code(), Some(4), "{arguments:?}: {}", String::from_utf8_lossy(&refused.stderr));
    }
    assert!(server.stop().success());
    verify(&house.data()).assert_finds("files", "was changed outside tightlip");
    fs::write(&path, own).unwrap();
    verify(&house.data()).assert_holds();
}

#[test]
fn a_link_in_the_place_of_the_admin_key_is_replaced_and_what_it_leads_to_left_alone() {
    let house = House::make();
    let path = house.data().join("gateway/admin-key");
    let elsewhere = house.beside("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    let own = fs::read(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    verify(&house.data()).assert_finds("files", "was changed outside tightlip");
    let _server = house.serve();
    assert!(fs::symlink_metadata(&path).unwrap().is_file() && fs::read(&path).unwrap() != own && fs::read(&elsewhere).unwrap() == own);
    house.tool(&["bind", "OTHER", "--host", "b.example.com"], "");
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

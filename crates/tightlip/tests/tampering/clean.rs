//! Folders that nobody touched: whatever was done with them by tightlip itself, everything holds.

use std::fs;

use crate::house::{House, call, verify};
use crate::server::kill_9;

#[test]
fn an_untouched_folder_holds_after_varied_use_and_crashes() {
    let house = House::bare();
    let mut server = house.serve();
    verify(&house.data()).assert_holds();
    house.fill();
    verify(&house.data()).assert_holds();
    for round in 0..3 {
        house.tool(&["secret", "set", "GONE"], &format!("value number {round}"));
        house.tool(&["secret", "set", "GONE"], &format!("value number {round}, again"));
        house.tool(&["secret", "delete", "GONE"], "");
    }
    house.tool(&["unbind", "OTHER"], "");
    house.tool(&["bind", "OTHER", "--host", "c.example.com", "--as", "bearer"], "");
    house.tool(&["expose", "OTHER", "--brokered"], "");
    house.tool(&["gateway-config", "create", "mine", "--endpoint", "https://up.example.com", "--as", "bearer"], "");
    let devbox = house.tool(&["devbox", "create", "--secret", "OTHER"], "");
    verify(&house.data()).assert_holds();
    house.tool(&["devbox", "shutdown", devbox.trim()], "");
    house.tool(&["backup", house.beside("x.backup").to_str().unwrap()], "");
    verify(&house.data()).assert_holds();
    // Children first, then all of it, without a word.
    kill_9(server.child("__gateway", None));
    server.wait_until_both_serve();
    verify(&house.data()).assert_holds();
    house.tool(&["secret", "set", "LAST"], "written just before the crash");
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    crate::server::wait_for("the lock", || (!call(&house.data(), &["verify"], "").stdout.is_empty()).then_some(()));
    verify(&house.data()).assert_holds();
    let mut server = house.serve();
    server.wait_until_both_serve();
    assert!(server.stop().success());
    verify(&house.data()).assert_holds();
    house.tool(&["restore", house.beside("x.backup").to_str().unwrap(), "--force", "--accept-rollback"], "");
    verify(&house.data()).assert_holds();
    house.serve().wait_until_both_serve();
}

#[test]
fn a_look_changes_nothing_and_leaves_nothing() {
    let house = House::make();
    let before = crate::server::snapshot(&house.data());
    let verdict = verify(&house.data());
    verdict.assert_holds();
    assert_eq!(verdict.said["anchor"]["state"], "holds");
    assert!(crate::server::snapshot(&house.data()) == before);
    let none = call(&house.beside("none"), &["verify"], "");
    assert_eq!((none.status.code(), house.beside("none").exists()), (Some(3), false));
    let _kept = fs::read(house.anchor()).unwrap();
}

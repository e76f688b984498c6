//! Hosts that cannot be reached or believed, that say no, or whose clock is another.

use std::net::TcpListener;

use testkit::Canary;

use crate::certify::Authority;
use crate::found::Found;
use crate::standin::{Mood, Standin};
use crate::world::{API, OTHER, World};

/// The one broken thing about the host, with the words that mend it.
fn refused(world: &World, code: &str, next: &str) {
    Found::on(world, &["KEY"]).broken().assert(&format!("https://{API}"), &format!("({code})"), next);
}

#[test]
fn a_host_that_says_no_is_told_from_a_gateway_that_does() {
    let world = World::start();
    world.tool(&["secret", "set", "KEY"], "another value than the right one");
    let found = Found::on(&world, &["KEY"]);
    found.assert_well();
    found.find(&format!("https://{API}"), "note").assert(
        &format!("https://{API}"),
        "answered 401: it is the host that says no",
        "tightlip secret set",
    );
}

#[test]
fn a_host_without_an_address_is_named() {
    let mut world = World::start();
    world.write(&world.resolved(&[OTHER]));
    world.start_anew();
    refused(&world, "upstream_unresolved", &format!("getent hosts {API}"));
}

#[test]
fn a_host_that_takes_no_connection_is_named() {
    let mut world = World::start();
    // An address of loopback that no other test takes a port of.
    let place = TcpListener::bind("127.77.0.2:0").unwrap();
    let settings = world.resolved(&[API]).replace(&world.standin.address.to_string(), &place.local_addr().unwrap().to_string());
    drop(place);
    world.write(&settings);
    world.start_anew();
    refused(&world, "upstream_unreachable", &format!("curl -v https://{API}/"));
}

#[test]
fn an_authority_that_nobody_trusts_is_named() {
    let mut world = World::start();
    world.write(&world.resolved(&[API]).replace("upstream_ca = \"ca.pem\"\n", ""));
    world.start_anew();
    refused(&world, "upstream_untrusted", "set `[gateway] upstream_ca` in tightlip.toml");
}

#[test]
fn a_certificate_of_the_future_sends_people_to_their_clock() {
    let (canary, authority) = (Canary::make("").unwrap(), Authority::new());
    let standin = Standin::certified(&authority, &authority.certify_from(&[API], 3000), &[canary.value()]);
    let world = World::with(canary, standin);
    world.tool(&["secret", "set", "KEY", "--host", API], world.canary.value());
    refused(&world, "upstream_untrusted", "look at this machine's clock");
}

#[test]
fn a_host_that_breaks_off_is_named() {
    let world = World::start();
    world.standin.feel(Mood::Breaking);
    refused(&world, "upstream_broken", "look at the host's own status");
}

#[test]
fn a_clock_that_is_not_the_hosts_is_named() {
    let world = World::start();
    world.standin.feel(Mood::Elsewhen);
    let found = Found::on(&world, &["KEY"]);
    found.broken().assert("clock", &format!("ahead of that of {API}"), "timedatectl set-ntp true");
}

//! Gateways by base URL.

use model::Refusal;

use crate::world::{API, World};

const ASK: &str = "curl -sSi $MINE_URL/ -H \"Authorization: Bearer $MINE\"";

fn with_gateway() -> World {
    let world = World::start();
    world.tool(&["gateway-config", "create", "mine", "--endpoint", &format!("https://{API}")], "");
    world
}

/// A server on which a secret that is bound nowhere waits for a person; the request's id.
fn waiting(world: &World) -> String {
    let told = world.tool(&["requests", "--json"], "");
    told.split("\"id\"").nth(1).unwrap().split('"').nth(1).unwrap().to_owned()
}

fn with_pairing() -> World {
    let world = World::bare();
    world.tool(&["secret", "set", "KEY"], world.canary.value());
    world.tool(&["gateway-config", "create", "mine", "--endpoint", &format!("https://{API}")], "");
    world
}

pub fn gateway_token_missing() {
    let world = with_gateway();
    let devbox = world.devbox(&["--gateway", "MINE=mine:KEY"]);
    devbox
        .refused("curl -sSi $MINE_URL/", Refusal::GatewayTokenMissing)
        .says("send the gws_ text of this devbox's environment as a Bearer");
    devbox.passes(ASK);
}

pub fn gateway_gone() {
    let world = with_gateway();
    let devbox = world.devbox(&["--gateway", "MINE=mine:KEY"]);
    devbox.passes(ASK);
    let list: serde_json::Value = serde_json::from_str(&world.tool(&["gateway-config", "list", "--json"], "")).unwrap();
    let config = list["gateway_configs"].as_array().unwrap().iter().find(|config| config["name"] == "mine").unwrap();
    world.tool(&["gateway-config", "delete", config["id"].as_str().unwrap()], "");
    let mend = devbox.refused(ASK, Refusal::GatewayGone);
    mend.run("gateway-config create", &[("CONFIG", "another"), ("URL", &format!("https://{API}"))], "");
    let id = mend.run("devbox create", &[("PREFIX", "MINE"), ("CONFIG", "another"), ("NAME", "KEY")], "");
    world.within(id.trim()).passes(ASK);
}

pub fn pairing_pending() {
    let world = with_pairing();
    let devbox = world.devbox(&["--gateway", "MINE=mine:KEY"]);
    let mend = devbox.refused(ASK, Refusal::PairingPending);
    assert!(mend.run("requests", &[], "").contains("KEY"));
    mend.run("approve", &[("ID", &waiting(&world))], "");
    devbox.passes(ASK);
}

pub fn pairing_refused() {
    let world = with_pairing();
    let devbox = world.devbox(&["--gateway", "MINE=mine:KEY"]);
    world.tool(&["refuse", &waiting(&world)], "");
    devbox.refused(ASK, Refusal::PairingRefused).run("bind ", &[("NAME", "KEY"), ("HOST", API)], "");
    devbox.passes(ASK);
}

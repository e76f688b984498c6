//! `GET /v1/secrets`
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use server::Server;

#[tokio::test]
async fn a_limit_that_is_no_number_is_refused() {
    let server = Server::start();
    for limit in ["-1", "x", "1.5", "20.0", "+5", "0x10", "canary"] {
        server.get(&format!("/v1/secrets?limit={limit}")).await.is(400, "limit_invalid");
    }
    server.get("/v1/secrets?starting_after=canary").await.is(400, "starting_after_invalid");
    server.get("/v1/secrets?limit=%ff%fe").await.is(400, "limit_invalid");
}

#[tokio::test]
async fn pages_go_from_the_newest_to_the_oldest_and_meet() {
    let server = Server::start();
    for number in 0..25 {
        server.create(&format!("S{number}")).await;
    }
    let first = server.get("/v1/secrets").await;
    let names = first.each("secrets", "name");
    assert_eq!((names.len(), names[0].as_str()), (20, "S24"));
    assert_eq!((&first.json()["has_more"], &first.json()["total_count"]), (&true.into(), &25.into()));
    let last = first.each("secrets", "id").pop().unwrap();
    // A page goes on also where its last secret is gone.
    server.post(&format!("/v1/secrets/{}/delete", names[19]), "").await;
    let second = server.get(&format!("/v1/secrets?starting_after={last}")).await;
    assert_eq!(second.each("secrets", "name"), ["S4", "S3", "S2", "S1", "S0"]);
    assert_eq!(second.json()["has_more"], false);
}

#[tokio::test]
async fn zero_means_the_default_and_too_many_are_clamped() {
    let server = Server::start();
    for number in 0..22 {
        server.create(&format!("S{number}")).await;
    }
    for (query, count) in [("limit=0", 20), ("limit=", 20), ("limit=1", 1), ("limit=5000", 22), ("limit=99999999999999999999999", 22)] {
        assert_eq!(server.get(&format!("/v1/secrets?{query}")).await.each("secrets", "name").len(), count, "{query}");
    }
}

#[tokio::test]
async fn another_account_sees_nothing() {
    let server = Server::start();
    server.create("TOKEN").await;
    let theirs = server.call("GET", "/v1/secrets", Some(&server.stranger), "").await;
    assert_eq!((theirs.each("secrets", "name").len(), &theirs.json()["total_count"]), (0, &0.into()));
}

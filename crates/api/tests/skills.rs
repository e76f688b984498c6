//! The skill and what a model reads first, as the server hands them out: to everyone, whole, and with no link that leads nowhere.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use server::{Reply, Server};

async fn open(server: &Server, path: &str) -> Reply {
    server.call("GET", path, None, "").await
}

#[tokio::test]
async fn what_is_no_file_of_the_skill_is_not_served() {
    let server = Server::start();
    let base = format!("/skills/{}", skill::NAME);
    for path in [
        "/skills".to_owned(),
        base.clone(),
        format!("{base}/"),
        format!("{base}/../index.json"),
        format!("{base}/LICENSE"),
        "/skills/other/SKILL.md".to_owned(),
    ] {
        open(&server, &path).await.is(404, "route_unknown");
    }
}

#[tokio::test]
async fn every_file_of_the_skill_is_served_as_it_stands() {
    let server = Server::start();
    for file in skill::FILES {
        let reply = open(&server, &format!("/skills/{}/{}", skill::NAME, file.path)).await;
        assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, file.text), "{}", file.path);
        assert_eq!(reply.headers["content-type"], format!("{}; charset=utf-8", file.media_type));
    }
    let index = open(&server, "/skills/index.json").await.json();
    assert_eq!(index["skills"][0]["files"], serde_json::json!(skill::FILES.map(|file| file.path)));
}

#[tokio::test]
async fn every_link_for_models_leads_somewhere() {
    let server = Server::start();
    for (base, page) in [("", "/llms.txt"), ("/skills/", "/skills/")] {
        let text = open(&server, page).await.text;
        let links: Vec<&str> = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert!(links.len() >= 5, "{page}");
        for link in links.into_iter().filter(|link| !link.starts_with("https://")) {
            let reply = open(&server, &format!("{base}{link}")).await;
            assert_eq!(reply.status, 200, "{page} links to {link}");
        }
    }
}

#[test]
fn what_a_model_reads_first_has_the_form_that_models_are_told_of() {
    // llmstxt.org: a title, a summary as a quote, prose without headings, then sections of nothing but links.
    let text = api::rest::documents::LLMS;
    let mut blocks = text.split("\n## ");
    let head: Vec<&str> = blocks.next().unwrap().split("\n\n").collect();
    assert!(head[0].starts_with("# ") && head[1].starts_with("> "));
    assert!(head[2..].iter().all(|part| !part.starts_with('#')));
    for block in blocks {
        let mut lines = block.lines().skip(1).filter(|line| !line.is_empty());
        assert!(lines.all(|line| line.starts_with("- [") && line.contains("](/") && line.contains("): ")), "{block}");
    }
}

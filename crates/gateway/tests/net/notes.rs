//! A host's no to a request whose placeholder stood where none is swapped: the client is told whose fault it is.

use crate::upstream::{Step, always, say};
use crate::world::{API, OTHER, Plan, VALUE, World, binding};

async fn world(status: &str) -> World {
    let steps: Vec<Step> = vec![say(format!("HTTP/1.1 {status}\r\nx-tightlip-note: of-the-hosts-own\r\ncontent-length: 2\r\n\r\nno"))];
    let plan = Plan::default().secret("KEY", VALUE, vec![binding(API)]).upstream(API, always(steps.clone())).upstream(OTHER, always(steps));
    plan.allow(OTHER).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_without_an_unswapped_placeholder_is_the_hosts_own() {
    for (status, with_token) in [("401 Unauthorized", false), ("200 OK", true), ("404 Not Found", true)] {
        let world = world(status).await;
        let headers = if with_token { format!("x-anything: {}\r\n", world.token("KEY")) } else { String::new() };
        assert_eq!(world.get(API, "/", &headers).await.header("x-tightlip-note"), None, "{status}");
    }
    let world = world("403 Forbidden").await;
    let both = format!("{}x-anything: {}\r\n", world.bearer("KEY"), world.token("KEY"));
    for headers in [world.bearer("KEY"), both] {
        let reply = world.get(API, "/", &headers).await;
        assert_eq!((reply.status, reply.header("x-tightlip-note")), (403, None), "the host saw the value");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_to_a_placeholder_that_stands_where_none_is_swapped_says_so() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let world = world(status).await;
        let token = world.token("KEY");
        for host in [API, OTHER] {
            for (target, headers) in [
                ("/".to_owned(), format!("x-anything: Key {token}\r\n")),
                (format!("/path?key={token}&more"), String::new()),
                (format!("/path/{token}"), String::new()),
            ] {
                let reply = world.get(host, &target, &headers).await;
                assert_eq!(reply.header("x-tightlip-note"), Some("placeholder_not_swapped"), "{host}{target}: {reply:?}");
                assert_eq!((reply.refusal(), reply.text().as_str()), (None, "no"), "the reply is the host's all the same");
            }
        }
    }
}

//! What comes back another way than it went: from another host, to another devbox, under another name, as a sum, or from another path than was decided about.

use model::Binding;

use crate::upstream::{Step, always, echo, plain, say};
use crate::world::{API, OTHER, Plan, VALUE, World, binding};

const SECOND: &str = "Another-value_of.the-same~account/98765";

fn holds(text: &str, value: &str) -> bool {
    value.as_bytes().windows(8).any(|window| text.as_bytes().windows(8).any(|other| other == window))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_the_devbox_is_kept_out_of_replies_of_hosts_where_it_is_not_bound() {
    let body = format!("before {VALUE} after");
    let world = Plan::default()
        .bound("KEY", VALUE, API)
        .upstream(API, echo())
        .upstream(OTHER, always(vec![plain(&body)]))
        .allow(OTHER)
        .start()
        .await;
    let reply = world.get(OTHER, "/", "").await;
    assert_eq!(reply.text(), format!("before {} after", "*".repeat(VALUE.len())));
    assert_eq!(reply.header("content-length"), Some(body.len().to_string().as_str()), "its length is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_nothing_of_a_value_comes_from_such_a_host_as_it_was_said() {
    let said = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"x\"\r\ncontent-md5: x\r\n\r\nplain";
    let world =
        Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).upstream(OTHER, always(vec![say(said)])).allow(OTHER).start().await;
    let reply = world.get(OTHER, "/", "").await;
    assert_eq!((reply.text().as_str(), reply.header("content-length"), reply.header("content-md5")), ("plain", Some("5"), Some("x")));
}

/// A world whose host shows what it was sent last, and a devbox beside it with another secret for the same host.
async fn remembering() -> (World, World) {
    let steps = vec![plain(&format!("the last one said {VALUE}"))];
    let world = Plan::default().bound("KEY", VALUE, API).bound("SECOND", SECOND, API).upstream(API, always(steps)).start().await;
    let beside = world.neighbour(&["SECOND"]);
    (world, beside)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_devbox_of_the_account_sent_to_a_host_is_masked() {
    let (world, beside) = remembering().await;
    // Nobody sent it there: the host knows it from elsewhere.
    assert!(holds(&beside.get(API, "/", "").await.text(), VALUE));
    let sent = world.get(API, "/", &world.bearer("KEY")).await;
    assert_eq!(sent.text(), format!("the last one said {}", world.token("KEY")));
    for headers in [String::new(), beside.bearer("SECOND")] {
        let reply = beside.get(API, "/last", &headers).await;
        assert_eq!(reply.text(), format!("the last one said {}", "*".repeat(VALUE.len())));
    }
    // Nor does a devbox see it that is opened later, or after the first one has ended.
    world.house.gate.close(&world.card.devbox).unwrap();
    let later = world.neighbour(&["SECOND"]);
    assert!(!holds(&later.get(API, "/last", "").await.text(), VALUE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_gone_stands_in_nobodys_way() {
    let (world, beside) = remembering().await;
    world.get(API, "/", &world.bearer("KEY")).await;
    world.delete("KEY");
    assert_eq!(beside.get(API, "/last", &beside.bearer("SECOND")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_coded_under_another_name_is_withheld() {
    for head in ["200 OK\r\nim: gzip", "226 IM Used", "200 OK\r\nconnect-content-encoding: gzip", "200 OK\r\nx-content-encoding: br"] {
        let steps = vec![say(format!("HTTP/1.1 {head}\r\ncontent-length: 3\r\n\r\nabc")), Step::Close];
        let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(steps)).start().await;
        assert_eq!(world.get(API, "/", "").await.refusal().as_deref(), Some("reply_unreadable"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_host_is_asked_for_a_coding_under_another_name() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).start().await;
    world.get(API, "/", "a-im: gzip\r\nconnect-accept-encoding: gzip\r\nwant-repr-digest: sha-256=1\r\n").await;
    let seen = world.received(API)[0].to_ascii_lowercase();
    assert!(seen.contains("\r\nconnect-accept-encoding: identity\r\n"), "{seen}");
    assert!(!seen.contains("a-im") && !seen.contains("want-repr-digest"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_over_a_reply_of_a_host_with_a_binding_are_dropped() {
    let said = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-digest: x\r\nx-amz-checksum-crc32: x\r\nx-kept: 1\r\n\r\nok";
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(vec![say(said)])).start().await;
    let reply = world.get(API, "/", &world.bearer("KEY")).await;
    assert_eq!((reply.header("content-digest"), reply.header("x-amz-checksum-crc32"), reply.header("x-kept")), (None, None, Some("1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_of_a_host_that_knows_a_value_is_given_by_a_name_that_leads_back_to_it() {
    let said = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\netag: \"5d41402abc4b2a76\"\r\n\r\nok";
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(vec![say(said)])).start().await;
    let reply = world.get(API, "/", &world.bearer("KEY")).await;
    let name = reply.header("etag").unwrap();
    assert!(!name.contains("5d41402abc4b2a76"), "{name}");
    world.get(API, "/", &format!("if-none-match: {name}\r\n")).await;
    assert!(world.received(API)[1].contains("if-none-match: \"5d41402abc4b2a76\"\r\n"), "{}", world.received(API)[1]);
    let without = world.get(API, "/", "").await;
    assert_eq!(without.header("etag"), Some(name), "the page is the same, whoever reads it");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_lead_to_another_path_or_method_do_not_pass_a_binding_that_names_some() {
    let overrides = "x-original-url: /admin\r\nX-Rewrite-URL: /admin\r\nx-http-method-override: DELETE\r\n";
    let narrow =
        |path: &str, methods: &str| Binding { path: path.parse().unwrap(), methods: methods.parse().unwrap_or_default(), ..binding(API) };
    for (bound, passes) in [(narrow("/public", ""), false), (narrow("/", "GET"), false), (binding(API), true)] {
        let world = Plan::default().secret("KEY", VALUE, vec![bound]).upstream(API, echo()).start().await;
        let reply = world.get(API, "/public/x", &format!("{overrides}{}", world.bearer("KEY"))).await;
        assert_eq!(reply.status, 200);
        let seen = world.received(API)[0].to_ascii_lowercase();
        for name in ["x-original-url", "x-rewrite-url", "x-http-method-override"] {
            assert_eq!(seen.contains(name), passes, "{seen}");
        }
    }
}

/// What `world`'s host was sent with these headers, in lower case.
async fn sent(world: &World, headers: &str) -> String {
    assert_eq!(world.get(API, "/public/x", headers).await.status, 200);
    world.received(API).last().unwrap().to_ascii_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_name_another_host_do_not_pass_with_a_value_whatever_its_binding_names() {
    let names = ["forwarded", "x-forwarded-host", "x-forwarded-server", "x-host", "x_original_host", "x-http-host-override"];
    let overrides: String = names.iter().map(|name| format!("{name}: other.example.com\r\n")).collect();
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).start().await;
    let with = sent(&world, &format!("{overrides}x-forwarded-for: 192.0.2.1\r\n{}", world.bearer("KEY"))).await;
    assert!(with.contains(&VALUE.to_ascii_lowercase()) && with.contains("x-forwarded-for"), "{with}");
    let without = sent(&world, &overrides).await;
    for name in names {
        let line = format!("\r\n{name}: ");
        assert!(!with.contains(&line) && without.contains(&line), "{name}: {with} {without}");
    }
    // Wherever the value stands.
    let by = |form: &str| vec![Binding { form: form.parse().unwrap(), ..binding(API) }];
    let world = Plan::default().secret("KEY", VALUE, by("query:key")).upstream(API, echo()).start().await;
    world.get(API, &format!("/x?key={}", world.token("KEY")), &overrides).await;
    let world_of_bodies = Plan::default().secret("KEY", VALUE, by("body")).upstream(API, echo()).start().await;
    let body = format!("{{\"key\":\"{}\"}}", world_of_bodies.token("KEY"));
    let head = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    world_of_bodies.connect(API).await.ask(&format!("POST / HTTP/1.1\r\nhost: {API}\r\n{head}{overrides}\r\n{body}")).await;
    for (world, value) in [(&world, "that_is.a%3dsecret"), (&world_of_bodies, "that_is.a=secret")] {
        let seen = world.received(API)[0].to_ascii_lowercase();
        assert!(seen.contains(value) && !seen.contains("other.example.com"), "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_path_in_a_header_is_covered_by_a_binding_of_every_path_and_by_no_other() {
    let sources = ["x-goog-copy-source: /b/o", "X-Amz-Copy-Source: b/o", "x-ms-copy-source: b", "x-ms-rename-source: b", "Destination: /b"];
    let narrow =
        |path: &str, methods: &str| Binding { path: path.parse().unwrap(), methods: methods.parse().unwrap_or_default(), ..binding(API) };
    for source in sources {
        let world = Plan::default().secret("KEY", VALUE, vec![narrow("/public", "")]).upstream(API, echo()).start().await;
        let reply = world.get(API, "/public/x", &format!("{source}\r\n{}", world.bearer("KEY"))).await;
        assert_eq!((reply.refusal().as_deref(), world.upstreams[API].connections()), (Some("request_not_bound"), 0), "{source}");
        assert!(sent(&world, &format!("{source}\r\n")).await.contains(&source.to_ascii_lowercase()), "without a value it passes");
        assert!(!sent(&world, &world.bearer("KEY")).await.contains(&source.to_ascii_lowercase()), "without such a header the value does");
        for bound in [narrow("/", "GET"), binding(API)] {
            let world = Plan::default().secret("KEY", VALUE, vec![bound]).upstream(API, echo()).start().await;
            assert!(sent(&world, &format!("{source}\r\n{}", world.bearer("KEY"))).await.contains(&source.to_ascii_lowercase()));
        }
    }
}

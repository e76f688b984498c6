//! HTTP/2 on both legs, and on one: values, trailers, messages of gRPC, many requests at a time, and their ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::http2::{AnyBody, Service, body, get, pieces, read, service};
use crate::upstream::{always, echo, plain};
use crate::world::{API, OTHER, Plan, VALUE, binding};

fn header<'r>(request: &'r Request<Incoming>, name: &str) -> &'r str {
    request.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Answers with what was in `authorization`, in a header, the body and a trailer.
fn telling() -> Service {
    service(|request| async move {
        let said = header(&request, "authorization").to_owned();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-said", said.parse().unwrap());
        trailers.insert("x-tightlip-refusal", "undecided".parse().unwrap());
        Response::builder().header("x-said", &said).body(body(said, Some(trailers))).unwrap()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_stands_where_the_token_stood_and_no_part_of_the_reply_holds_it() {
    let world = Plan::default().bound("KEY", VALUE, API).http2(API, telling()).start().await;
    let token = world.token("KEY");
    let reply = world.connect_http2(API).await.get(API, "/v1/things?a=b", Some(&token)).await;
    assert_eq!((reply.status, reply.refusal(), reply.is_whole), (200, None, true));
    let said = format!("Bearer {token}");
    assert_eq!((reply.headers["x-said"].to_str().unwrap(), reply.text().as_str()), (said.as_str(), said.as_str()));
    assert_eq!(reply.trailers["x-said"], said.as_str());
    assert!(!reply.trailers.contains_key("x-tightlip-refusal"), "only we say it");
    let seen = &world.received(API)[0];
    assert!(seen.starts_with("GET https://api.example.com/v1/things?a=b HTTP/2.0\n"), "{seen}");
    assert!(seen.contains(&format!("authorization: Bearer {VALUE}")) && !seen.contains("\nhost:"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn either_leg_may_be_the_older_one() {
    let world = Plan::default()
        .secret("KEY", VALUE, vec![binding(API), binding(OTHER)])
        .http2(API, telling())
        .upstream(OTHER, echo())
        .start()
        .await;
    let token = world.token("KEY");
    let older = world.get(API, "/x", &world.bearer("KEY")).await;
    assert_eq!((older.status, older.text()), (200, format!("Bearer {token}")));
    let request = Request::post(format!("https://{OTHER}/x"))
        .header("authorization", format!("Bearer {token}"))
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .body(body("a body", None))
        .unwrap();
    let reply = world.connect_http2(OTHER).await.ask(request).await;
    assert_eq!(reply.status, 200);
    let seen = &world.received(OTHER)[0];
    for line in ["POST /x HTTP/1.1\r\n", "cookie: a=1; b=2\r\n", "host: other.example.com\r\n", "a body"] {
        assert!(seen.contains(line), "{line}: {seen}");
    }
    assert!(seen.contains(VALUE) && !reply.text().contains(VALUE) && !seen.contains("te: "), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_share_a_connection_where_the_host_can() {
    let world = Plan::default()
        .secret("KEY", VALUE, vec![binding(API), binding(OTHER)])
        .http2(API, service(|request| async move { Response::new(body(request.uri().path().to_owned(), None)) }))
        .upstream(OTHER, echo())
        .start()
        .await;
    for (host, shared) in [(API, true), (OTHER, false)] {
        let connection = world.connect_http2(host).await;
        let asked = (0..60).map(|number| {
            let (connection, token, host) = (connection.clone(), world.token("KEY"), host.to_owned());
            tokio::spawn(async move {
                let path = format!("/number/{number}");
                let reply = connection.get(&host, &path, Some(&token)).await;
                assert_eq!(reply.status, 200);
                assert!(reply.text().contains(&path), "{path}: {}", reply.text());
            })
        });
        for asked in asked.collect::<Vec<_>>() {
            asked.await.unwrap();
        }
        let connections = world.upstreams[host].connections();
        assert!(if shared { connections == 1 } else { (1..=60).contains(&connections) }, "{host}: {connections}");
        let before = connections;
        for _ in 0..5 {
            assert_eq!(connection.get(host, "/again", Some(&world.token("KEY"))).await.status, 200);
        }
        assert_eq!(world.upstreams[host].connections(), before, "kept ones are used again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_told_as_over_http1() {
    let world = Plan::default().bound("KEY", VALUE, API).http2(API, telling()).http2(OTHER, telling()).allow(OTHER).start().await;
    let connection = world.connect_http2(OTHER).await;
    assert_eq!(connection.get(OTHER, "/", Some(&world.token("KEY"))).await.refusal(), Some("host_not_bound"));
    assert_eq!(connection.get(API, "/", None).await.refusal(), Some("name_mismatch"));
    let two_names = Request::get(format!("https://{OTHER}/")).header("host", API).body(body("", None)).unwrap();
    assert_eq!(connection.ask(two_names).await.refusal(), Some("name_mismatch"));
    let traced = Request::builder().method("TRACE").uri(format!("https://{OTHER}/")).body(body("", None)).unwrap();
    assert_eq!(connection.ask(traced).await.refusal(), Some("method_forbidden"));
    assert_eq!(connection.get(OTHER, "/", None).await.status, 200, "the connection goes on");
    assert!(world.received(API).is_empty() && world.received(OTHER).len() == 1);
}

/// A message of gRPC: not compressed, its length, its bytes.
fn message(bytes: &[u8]) -> Vec<u8> {
    [&[0], &u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_grpc_keep_their_lengths() {
    let answer = service(|request| async move {
        let said = header(&request, "authorization").to_owned();
        let coding = if request.uri().path() == "/packed" { "gzip" } else { "identity" };
        let asked = request.into_body().collect().await.unwrap().to_bytes();
        let bytes =
            [message(said.as_bytes()), message(b"between"), asked.to_vec(), message(format!("{said} twice {said}").as_bytes())].concat();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        Response::builder()
            .header("content-type", "application/grpc+proto")
            .header("grpc-encoding", coding)
            .body(body(bytes, Some(trailers)))
            .unwrap()
    });
    let world = Plan::default().bound("KEY", VALUE, API).http2(API, answer).start().await;
    let connection = world.connect_http2(API).await;
    let ask = |path: &str| {
        Request::post(format!("https://{API}{path}"))
            .header("authorization", format!("Bearer {}", world.token("KEY")))
            .header("content-type", "application/grpc+proto")
            .header("grpc-accept-encoding", "gzip, identity")
            .header("te", "trailers")
            .body(body(message(b"hello"), None))
            .unwrap()
    };
    let reply = connection.ask(ask("/service/Method")).await;
    let masked = format!("Bearer {}", "*".repeat(VALUE.len()));
    let expected =
        [message(masked.as_bytes()), message(b"between"), message(b"hello"), message(format!("{masked} twice {masked}").as_bytes())]
            .concat();
    assert_eq!(String::from_utf8_lossy(&reply.body), String::from_utf8_lossy(&expected));
    assert_eq!(reply.trailers["grpc-status"], "0");
    let seen = &world.received(API)[0];
    assert!(seen.starts_with("POST https://api.example.com/service/Method HTTP/2.0\n"), "{seen}");
    assert!(seen.contains("te: trailers") && seen.contains("grpc-accept-encoding: identity") && seen.contains(VALUE), "{seen}");
    assert_eq!(connection.ask(ask("/packed")).await.refusal(), Some("reply_unreadable"));
}

/// Answers with pieces that the test says, by path.
type Said = Arc<Mutex<HashMap<String, UnboundedSender<&'static str>>>>;

fn saying(said: &Said) -> Service {
    let said = Arc::clone(said);
    service(move |request| {
        let (give, take) = unbounded_channel();
        said.lock().unwrap().insert(request.uri().path().to_owned(), give);
        async move { Response::builder().header("content-type", "text/event-stream").body(pieces(take)).unwrap() }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_given_before_the_next_is_said() {
    let said = Said::default();
    let world = Plan::default().bound("KEY", VALUE, API).http2(API, saying(&said)).start().await;
    let connection = world.connect_http2(API).await;
    let mut reply = connection.begin(get(API, "/events", Some(&world.token("KEY")))).await.unwrap();
    for event in ["data: one\n\n", "data: two\n\n", "data: three\n\n"] {
        let begun = Instant::now();
        said.lock().unwrap()["/events"].send(event).unwrap();
        let frame = reply.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(frame.data_ref().unwrap().as_ref(), event.as_bytes());
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    said.lock().unwrap().clear();
    let rest = read(reply).await;
    assert!(rest.is_whole && rest.body.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_ends_cuts_its_own_exchange_and_no_other() {
    for change in ["delete", "update", "unbind"] {
        let said = Said::default();
        let world = Plan::default()
            .bound("KEY", VALUE, API)
            .bound("OTHER_KEY", "another-value-for-the-same-host", API)
            .http2(API, saying(&said))
            .allow(API)
            .start()
            .await;
        let connection = world.connect_http2(API).await;
        let mine = connection.begin(get(API, "/mine", Some(&world.token("KEY")))).await.unwrap();
        let mut other = connection.begin(get(API, "/other", Some(&world.token("OTHER_KEY")))).await.unwrap();
        said.lock().unwrap()["/mine"].send("begun\n").unwrap();
        let begun = Instant::now();
        match change {
            "delete" => world.delete("KEY"),
            "update" => world.update("KEY", "another-value-of-the-same-secret"),
            _ => world.unbind("KEY"),
        }
        let reply = read(mine).await;
        assert!(!reply.is_whole && begun.elapsed() < Duration::from_secs(1), "{change}: {:?}", begun.elapsed());
        said.lock().unwrap()["/other"].send("goes on\n").unwrap();
        assert_eq!(other.body_mut().frame().await.unwrap().unwrap().data_ref().unwrap().as_ref(), b"goes on\n", "{change}");
        assert_eq!(world.upstreams[API].connections(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_still_coming_is_cut_too() {
    let (give, mut taken) = unbounded_channel();
    let swallow = service(move |request| {
        let give = give.clone();
        async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                let is_over = frame.is_err();
                let _ = give.send(frame.map(|frame| frame.into_data().unwrap().len()).map_err(drop));
                if is_over {
                    break;
                }
            }
            Response::new(crate::http2::body("", None))
        }
    });
    let world = Plan::default().bound("KEY", VALUE, API).http2(API, swallow).start().await;
    let connection = world.connect_http2(API).await;
    let (say, said) = unbounded_channel();
    let request = get(API, "/", Some(&world.token("KEY"))).map(|_| -> AnyBody { pieces(said) });
    let (mut parts, coming) = request.into_parts();
    parts.method = http::Method::POST;
    let asking = {
        let connection = connection.clone();
        tokio::spawn(async move { connection.begin(Request::from_parts(parts, coming)).await })
    };
    say.send("first").unwrap();
    assert_eq!(taken.recv().await, Some(Ok(5)));
    world.delete("KEY");
    let begun = Instant::now();
    assert_eq!(taken.recv().await, Some(Err(())), "the upstream's stream is reset");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let reply = asking.await.unwrap();
    assert!(reply.is_err() || read(reply.unwrap()).await.refusal() == Some("secret_gone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_end_after_its_reply() {
    let world = Plan::default().bound("KEY", VALUE, API).http2(API, telling()).http2(OTHER, telling()).allow(OTHER).start().await;
    let token = world.token("KEY");
    // Refused by us, and answered by a host that does not read on.
    for (host, status) in [(OTHER, 403), (API, 200)] {
        let connection = world.connect_http2(host).await;
        let (say, said) = unbounded_channel();
        let request = get(host, "/", Some(&token)).map(|_| -> AnyBody { pieces(said) });
        let reply = read(connection.begin(request).await.unwrap()).await;
        assert!(reply.is_whole && reply.status == status, "{host}: {reply:?}");
        // A reset would have come before what is answered later.
        for _ in 0..20 {
            assert_eq!(connection.get(host, "/later", Some(&token)).await.status, status);
        }
        assert!(!say.is_closed(), "{host}: the stream was reset before the request's end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_ends_with_the_devbox() {
    let said = Said::default();
    let mut world = Plan::default().bound("KEY", VALUE, API).http2(API, saying(&said)).start().await;
    let connection = world.connect_http2(API).await;
    let token = world.token("KEY");
    let first = connection.begin(get(API, "/first", Some(&token))).await.unwrap();
    let second = connection.begin(get(API, "/second", Some(&token))).await.unwrap();
    drop(world.attached.take());
    assert!(!read(first).await.is_whole && !read(second).await.is_whole);
    assert!(connection.begin(get(API, "/third", Some(&token))).await.is_err());
    world.upstreams[API].until_closed("the devbox ended").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_host_closed_is_replaced() {
    let world = Plan::default().bound("KEY", VALUE, API).http2(API, telling()).upstream(OTHER, always(vec![plain("x")])).start().await;
    let connection = world.connect_http2(API).await;
    let token = world.token("KEY");
    assert_eq!(connection.get(API, "/", Some(&token)).await.status, 200);
    world.upstreams[API].close_all();
    for _ in 0..3 {
        assert_eq!(connection.get(API, "/", Some(&token)).await.status, 200);
    }
    assert_eq!(world.upstreams[API].connections(), 2);
}

//! What is told of each request, outside of it: a number of our own in the answer and in the log, its route, status and time in the figures.
//!
//! A caller's own words stand in neither: the route is the router's, and the caller's number (`x-request-id`) is not repeated.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method};
use tracing::Instrument;

use crate::desk::Desk;
use crate::problem::ProblemCode;

/// Numbers requests: one stream of numbers for each process, that no other process has.
#[derive(Debug)]
pub(crate) struct Numbers {
    start: u64,
    next: AtomicU64,
}

impl Numbers {
    pub(crate) fn new() -> Self {
        // Without randomness two processes may give the same numbers: a nuisance in a log, no more.
        let start = vault::random_u128().map_or(0, |number| u64::try_from(number >> 64).unwrap_or_default());
        Self { start, next: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        let number = (u128::from(self.start) << 64) | u128::from(self.next.fetch_add(1, Ordering::Relaxed));
        format!("req_{}", model::id::base62(number, NUMBER_CHARS))
    }
}

/// Sees a request through and tells of it.
pub(crate) async fn observe(desk: &Desk, request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    let started = Instant::now();
    let number = desk.metrics.numbers.next();
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| NO_ROUTE.to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", id = %number);
    let mut response = next(request).instrument(span.clone()).await;
    let (status, took) = (response.status().as_u16(), started.elapsed());
    let code = response.extensions().get::<ProblemCode>().map(|problem| problem.0);
    span.in_scope(|| {
        tracing::debug!(method, route, status, code, took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX), "answered")
    });
    if let Some(code) = code {
        desk.metrics.problem(code);
    }
    if let Ok(value) = HeaderValue::from_str(&number) {
        response.headers_mut().insert(NUMBER, value);
    }
    desk.metrics.answered(method, route, status, took);
    response
}

/// The method's word, of those that a request may have; others are not repeated.
fn known(method: &Method) -> &'static str {
    let known = [Method::GET, Method::POST, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let at = known.iter().position(|known| known == method);
    at.map_or("other", |at| ["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"][at])
}

/// Under which an answer tells its request's number.
const NUMBER: HeaderName = HeaderName::from_static("x-tightlip-request");
/// What stands for a path that is no route of ours.
const NO_ROUTE: &str = "none";
/// 128 bits in base62.
const NUMBER_CHARS: usize = 22;

//! Figures for whoever watches the server, as OpenMetrics text. Labels are words of ours alone: routes, statuses, codes.

use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use link::front::Figures;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use service::Commits;

use crate::observe::Numbers;

/// What is counted in this process.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) numbers: Numbers,
    registry: Mutex<Registry>,
    requests: Family<Answered, Counter>,
    times: Family<Route, Histogram, fn() -> Histogram>,
    problems: Family<Code, Counter>,
}

/// An answer, as it is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

/// What is counted elsewhere, as it is now.
pub(crate) struct Elsewhere {
    /// The store's writer.
    pub(crate) commits: Commits,
    /// The gateway; none while it does not answer.
    pub(crate) gateway: Option<Figures>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let (requests, problems) = (Family::default(), Family::default());
        let times = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        registry.register("http_requests", "Requests answered by the api", requests.clone());
        registry.register("http_request_seconds", "Time from a request's head to its answer's head", times.clone());
        registry.register("http_problems", "Answers other than 200 of the api, by their code", problems.clone());
        Self { numbers: Numbers::new(), registry: Mutex::new(registry), requests, times, problems }
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, method: &'static str, route: String, status: u16, took: Duration) {
        self.times.get_or_create(&Route { route: route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&Answered { method, route, status: status.into() }).inc();
    }

    /// Counts a problem.
    pub(crate) fn problem(&self, code: &'static str) {
        self.problems.get_or_create(&Code { code }).inc();
    }

    /// All figures as OpenMetrics text.
    pub(crate) fn text(&self, elsewhere: &Elsewhere) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        encode_registry(&mut text, &elsewhere.registry())?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

impl Elsewhere {
    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register("store_commits", "Groups of changes committed by the api", counter(self.commits.groups));
        registry.register("store_changes", "Changes in those groups", counter(self.commits.changes));
        registry.register("gateway_up", "Whether the gateway answers", gauge(i64::from(self.gateway.is_some())));
        let Some(gateway) = &self.gateway else { return registry };
        let refusals = Family::<Code, Counter>::default();
        for (refusal, count) in &gateway.refusals {
            refusals.get_or_create(&Code { code: refusal.code() }).inc_by(*count);
        }
        let lag = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        lag.set(Duration::from_millis(gateway.lag_ms).as_secs_f64());
        registry.register("gateway_uses", "Requests of devboxes that carried a value to a host", counter(gateway.uses));
        registry.register("gateway_refusals", "Requests of devboxes that were refused, by code", refusals);
        registry.register("gateway_devboxes", "Devboxes that are open", gauge(i64::try_from(gateway.devboxes).unwrap_or(i64::MAX)));
        let pending = gauge(i64::try_from(gateway.pending).unwrap_or(i64::MAX));
        registry.register("gateway_events_pending", "Uses and refusals counted and not written yet", pending);
        registry.register("gateway_event_lag_seconds", "How long the oldest of those may have waited", lag);
        registry
    }
}

fn counter(count: u64) -> Counter {
    let counter = Counter::default();
    counter.inc_by(count);
    counter
}

fn gauge(value: i64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(value);
    gauge
}

const PREFIX: &str = "tightlip";
/// From what a read of the store takes to what no request may take.
const SECONDS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 30.0];

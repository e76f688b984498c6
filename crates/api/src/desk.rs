//! What every handler has at hand: the house, the line to the gateway, the names we answer to.

use std::sync::Arc;
use std::time::Instant;

use link::front::{Ask, Tell};
use model::AccountId;
use service::House;
use tokio::sync::{Semaphore, watch};

use crate::front::Front;
use crate::host::Hosts;
use crate::limits::{BODIES_BYTES_MAX, FOLLOWERS_MAX, FORMS_BYTES_MAX, HOLDS_MAX, LOOKS_MAX, WORK_MAX};
use crate::metrics::Metrics;
use crate::places::Network;
use crate::rates::{RateLimits, Rates};
use crate::shares::Shares;

/// The api's state.
pub struct Desk {
    pub(crate) house: House,
    pub(crate) front: Front,
    pub(crate) hosts: Hosts,
    /// Places for clients that follow events.
    pub(crate) followers: Shares<AccountId>,
    /// Places for requests that wait for devboxes and commands.
    pub(crate) holds: Shares<AccountId>,
    /// Whether there are devboxes over the API.
    pub(crate) hosts_devboxes: bool,
    /// Places for looks at a row on the threads that serve connections.
    pub(crate) looks: Semaphore,
    pub(crate) metrics: Metrics,
    pub(crate) rates: Rates,
    /// A permit for each byte of the bodies that are held at a time.
    pub(crate) bodies: Shares<AccountId>,
    /// Likewise for the entry page's forms, whose senders are known by their networks only.
    pub(crate) forms: Shares<Option<Network>>,
    /// What the last look at readiness found, and when.
    pub(crate) readiness: tokio::sync::Mutex<Option<(Instant, Vec<String>)>>,
    /// A permit for each request that has a thread or waits for one.
    pub(crate) work: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
}

impl Desk {
    /// A desk over an opened house, a line to the gateway, and the names that the server answers to. Devboxes are off.
    #[must_use]
    pub fn new(house: House, front: Front, hosts: Hosts) -> Self {
        Self {
            house,
            front,
            hosts,
            followers: Shares::new(FOLLOWERS_MAX, FOLLOWERS_MAX / 4),
            holds: Shares::new(HOLDS_MAX, HOLDS_MAX / 3),
            hosts_devboxes: false,
            looks: Semaphore::new(LOOKS_MAX),
            metrics: Metrics::new(),
            rates: Rates::new(RateLimits::OFF),
            bodies: Shares::new(BODIES_BYTES_MAX, BODIES_BYTES_MAX / 8),
            forms: Shares::new(FORMS_BYTES_MAX, FORMS_BYTES_MAX / 4),
            readiness: tokio::sync::Mutex::default(),
            work: Arc::new(Semaphore::new(WORK_MAX)),
            stopping: watch::Sender::new(false),
        }
    }

    /// The same desk, at which callers may ask so often and not more.
    #[must_use]
    pub fn limited(self, limits: RateLimits) -> Self {
        Self { rates: Rates::new(limits), ..self }
    }

    /// The same desk, at which devboxes may be asked for: code that runs on the gateway's machine.
    #[must_use]
    pub fn with_devboxes(self) -> Self {
        Self { hosts_devboxes: true, ..self }
    }

    /// Writes down when API keys were used, here and at the gateway. Blocks. What cannot be written now is written the next time.
    pub fn write_uses(&self) {
        let of_gateway = if let Ok(Tell::KeyUses(uses)) = self.front.ask(Ask::KeyUses) { uses } else { Vec::new() };
        if let Err(error) = self.house.write_uses(&of_gateway) {
            tracing::warn!("failed to write down when API keys were used: {error}");
        }
    }

    /// Ends the answers that would go on for ever.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Comes back when the server stops.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // An error means that the sender is gone, and we hold it.
        let _ = stopping.wait_for(|stop| *stop).await;
    }
}

//! Others' sandboxes: an environment is made and told once; the gateway keeps the devbox, and ends it in time or with the API key that asked for it.

use std::sync::Arc;
use std::time::Duration;

use link::cli::{MadeRemote, NewRemote, Variable};
use model::limits::REVOCATION_TICK_MS;
use model::{DevboxId, EnvName, ProxyUrl, Refusal, ShutdownReason};
use service::{Caller, DevboxDenial, NewCa};
use tokio::time::MissedTickBehavior;

use super::trouble::Trouble;
use super::{End, Hosting, Kind, Place, lock};
use crate::ca::Authority;

/// What is made of a request before anybody is told.
struct Made {
    place: Arc<Place>,
    told: MadeRemote,
}

impl Hosting {
    /// Makes the environment of somebody else's sandbox, which is served when this returns. The same request again ends what it made before.
    pub(crate) async fn create_remote(self: &Arc<Self>, caller: Caller, wanted: NewRemote) -> Result<MadeRemote, Trouble> {
        let proxy = self.proxy.ok_or(Trouble::ProxyOff)?;
        let url = wanted.gateway_url.clone().or_else(|| ProxyUrl::at(proxy)).ok_or(Trouble::NoProxyUrl)?;
        let _turn = self.shares.turn(&caller.account.id).await;
        let Ok(_thread) = self.shares.thread_apart().await else { return Err(Trouble::Denied(DevboxDenial::Internal)) };
        if let Some(request) = wanted.request {
            let (gate, caller) = (Arc::clone(&self.gate), caller.clone());
            let before = tokio::task::spawn_blocking(move || gate.requested_remote(&caller, &request)).await;
            let before = before.unwrap_or(Err(DevboxDenial::Internal))?;
            if let Some(place) = before.and_then(|before| self.place(&before)) {
                self.finish(&place, End::shutdown(ShutdownReason::ApiShutdown)).await?;
            }
        }
        let (hosting, runtime) = (Arc::clone(self), tokio::runtime::Handle::current());
        let made = tokio::task::spawn_blocking(move || {
            let _within = runtime.enter();
            hosting.make_remote(&caller, wanted, &url)
        });
        let Made { place, told } = made.await.unwrap_or(Err(Trouble::Denied(DevboxDenial::Internal)))?;
        tracing::info!(devbox = %place.id, secrets = told.placeholders.len(), "environment of another's sandbox made");
        Ok(told)
    }

    fn make_remote(&self, caller: &Caller, wanted: NewRemote, url: &ProxyUrl) -> Result<Made, Trouble> {
        let bundle = wanted.bundle.clone();
        if !is_path(&bundle) {
            return Err(Trouble::BundleUnfit);
        }
        let devbox = self.gate.make_devbox_id().map_err(|_| DevboxDenial::Internal)?;
        let authority = Authority::make(&devbox, self.clock.now()).map_err(|_| DevboxDenial::Internal)?;
        let ca_pem = authority.pem().to_owned();
        let ca = NewCa { devbox, pem: ca_pem.clone(), key: authority.key_der() };
        let reserved: Vec<EnvName> = environment("", "").into_iter().filter_map(|variable| variable.name.parse().ok()).collect();
        let sources = wanted.sources.clone();
        let made = self.gate.create_remote(caller, wanted, ca, &reserved)?;
        let place = match self.admit(&made.hosted, made.card, Kind::Remote) {
            Ok(place) => place,
            Err(trouble) => {
                let end = End::failure(&trouble.to_string());
                self.gate.transition(&made.hosted.id, end.status, end.failure, end.reason, self.clock.now())?;
                return Err(trouble);
            }
        };
        let attached = self.net.attach_remote(place.card.clone(), authority, vault::hash_token(made.credential.as_str()), sources);
        // Nobody knows of it yet, and nobody holds its turn.
        if let Ok(mut turn) = place.turn.try_lock() {
            *turn = Some(attached);
        }
        let mut env = environment(&url.with_credential(&made.credential), &bundle);
        env.extend(made.urls.into_iter().map(|(name, value)| Variable { name: name.to_string(), value }));
        let told = MadeRemote { devbox: made.hosted, credential: made.credential, placeholders: made.placeholders, env, ca_pem };
        Ok(Made { place, told })
    }

    /// Takes up others' sandboxes that an earlier gateway left. What cannot be is ended.
    pub(crate) async fn adopt_remotes(self: &Arc<Self>) {
        let gate = Arc::clone(&self.gate);
        let told = tokio::task::spawn_blocking(move || gate.open_remotes()).await;
        let Ok(Ok(told)) = told else {
            tracing::error!("failed to read which devboxes of others' sandboxes are open");
            return;
        };
        for id in told {
            if let Err(trouble) = self.take_up_remote(&id).await {
                tracing::warn!(devbox = %id, "a devbox of another's sandbox is given up: {trouble}");
                let (gate, now, end) = (Arc::clone(&self.gate), self.clock.now(), End::failure(super::LOST));
                let written = tokio::task::spawn_blocking(move || gate.transition(&id, end.status, end.failure, end.reason, now)).await;
                if !matches!(written, Ok(Ok(_))) {
                    tracing::error!("failed to record a devbox's end");
                }
            }
        }
    }

    async fn take_up_remote(&self, id: &DevboxId) -> Result<(), Trouble> {
        let (gate, devbox) = (Arc::clone(&self.gate), id.clone());
        let taken = tokio::task::spawn_blocking(move || gate.take_up_remote(&devbox)).await;
        let taken = taken.unwrap_or(Err(DevboxDenial::Internal))?;
        let authority = Authority::restore(&taken.resumed.ca_pem, &taken.resumed.ca_key).map_err(|_| DevboxDenial::Internal)?;
        let sources = taken.hosted.about.remote.clone().unwrap_or_default().sources;
        let place = self.admit(&taken.hosted, taken.resumed.card, Kind::Remote)?;
        *place.turn.lock().await = Some(self.net.attach_remote(place.card.clone(), authority, taken.credential, sources));
        tracing::info!(devbox = %id, "devbox of another's sandbox taken up");
        Ok(())
    }

    /// Ends others' sandboxes whose API key has ended. Nothing else would: they hold no connection to whoever asked for them.
    pub(crate) async fn mind_the_keys(self: Arc<Self>) {
        let mut tick = tokio::time::interval(Duration::from_millis(REVOCATION_TICK_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seen, mut ticks) = (None, 0_u32);
        loop {
            tick.tick().await;
            ticks = ticks.wrapping_add(1);
            let remotes: Vec<Arc<Place>> = lock(&self.open).values().filter(|place| place.kind == Kind::Remote).cloned().collect();
            if remotes.is_empty() {
                continue;
            }
            let hosting = Arc::clone(&self);
            let look = tokio::task::spawn_blocking(move || {
                let state = hosting.gate.state().ok();
                // A key also ends in time, which changes nothing in the store.
                if state.is_some() && state == seen && !ticks.is_multiple_of(TICKS_BETWEEN_LOOKS) {
                    return (state, Vec::new());
                }
                let has_ended = |place: &Arc<Place>| matches!(hosting.gate.key_stands(&place.card), Err(Refusal::TokenEnded));
                (state, remotes.into_iter().filter(has_ended).collect::<Vec<_>>())
            });
            let Ok((state, ended)) = look.await else { continue };
            seen = state;
            for place in ended {
                let hosting = Arc::clone(&self);
                tokio::spawn(async move { drop(hosting.finish(&place, End::shutdown(ShutdownReason::ApiKeyEnded)).await) });
            }
        }
    }
}

/// Every variable but the placeholders.
fn environment(proxy: &str, bundle: &str) -> Vec<Variable> {
    let through = PROXY_VARIABLES.iter().map(|name| (*name, proxy.to_owned()));
    let beside = NO_PROXY_VARIABLES.iter().map(|name| (*name, NO_PROXY.to_owned()));
    let node = [("NODE_USE_ENV_PROXY", "1".to_owned())];
    let door = [(mcp::URL_VARIABLE, mcp::DEVBOX_URL.to_owned())];
    let all = through.chain(beside).chain(node).chain(door).chain(devbox::trust_env_at(bundle));
    all.map(|(name, value)| Variable { name: name.to_owned(), value }).collect()
}

/// An absolute path that stands in an environment file, a manifest and a shell's word as it is.
fn is_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    text.starts_with('/') && !text.ends_with('/') && text.len() <= PATH_BYTES_MAX && text.chars().all(plain)
}

/// curl reads the lower-case one alone for plain http.
const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// What is the sandbox's own.
const NO_PROXY: &str = "localhost,127.0.0.1,::1";
/// path_resolution(7), PATH_MAX.
const PATH_BYTES_MAX: usize = 1024;
/// With a tick of 100 ms: every half second.
const TICKS_BETWEEN_LOOKS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundles_path_is_one_that_needs_no_quotes() {
        for text in ["", "bundle.pem", "/a/", "/a b", "/a\nB=c", "/a'b", "/$HOME/x", &format!("/{}", "x".repeat(PATH_BYTES_MAX))] {
            assert!(!is_path(text), "{text}");
        }
        assert!(is_path("/etc/tightlip/bundle.pem"));
    }

    #[test]
    fn every_variable_is_set_once() {
        let env = environment("http://p", "/b");
        let names: std::collections::HashSet<&str> = env.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(names.len(), env.len());
        for (name, value) in [("https_proxy", "http://p"), ("NODE_USE_ENV_PROXY", "1"), ("CURL_CA_BUNDLE", "/b")] {
            assert!(env.iter().any(|variable| variable.name == name && variable.value == value), "{name}");
        }
    }
}

//! The settings that decide where values go. `tightlip.toml` carries no mark, since a person edits it: whoever writes it is trusted with these, and `tightlip
//! verify` tells what they say.

use std::path::Path;

use link::cli::TrustedSetting;

use super::ways::Ways;
use super::{Config, Resolve};

impl Config {
    /// Those of this file that are set.
    #[must_use]
    pub fn trusted(&self) -> Vec<TrustedSetting> {
        settings(&self.resolve, self.upstream_ca.as_deref(), &self.ways, self.accept_pairings)
    }
}

/// Those that are set, as they are called in the file.
#[must_use]
pub fn settings(resolve: &[Resolve], upstream_ca: Option<&Path>, ways: &Ways, accept_pairings: bool) -> Vec<TrustedSetting> {
    let setting = |name: &str, value: String| TrustedSetting { name: format!("[gateway] {name}"), value };
    let mut set: Vec<TrustedSetting> = Vec::new();
    set.extend(resolve.iter().map(|named| setting("resolve", format!("{}:{} is dialled at {}", named.host, named.port, named.address))));
    set.extend(upstream_ca.map(|path| setting("upstream_ca", format!("{} certifies hosts, too", path.display()))));
    set.extend(
        ways.proxy.iter().map(|proxy| setting("upstream_proxy", format!("hosts are reached through {}:{}", proxy.name, proxy.port))),
    );
    set.extend(ways.pass_through.iter().map(|host| setting("pass_through", format!("{host} is reached unseen"))));
    set.extend(accept_pairings.then(|| setting("accept_pairings", "unbound secrets are bound as callers ask".to_owned())));
    set
}

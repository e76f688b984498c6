//! The environment of somebody else's sandbox as its caller sees it, this once.

use std::collections::{BTreeMap, BTreeSet};

use link::cli::MadeRemote;
use serde::Serialize;

use super::devboxes::DevboxView;

/// Everything that the sandbox needs.
#[derive(Serialize)]
pub(crate) struct EnvironmentView {
    devbox: DevboxView,
    environment_variables: BTreeMap<String, String>,
    /// Variables that hold the credential or a placeholder: not for logs.
    confidential: BTreeSet<String>,
    /// Variables whose placeholder leads nowhere yet.
    unbound: BTreeSet<String>,
    ca_certificate: String,
}

impl From<MadeRemote> for EnvironmentView {
    fn from(made: MadeRemote) -> Self {
        let MadeRemote { devbox, credential, placeholders, env, ca_pem } = made;
        let holds = env.iter().filter(|variable| variable.value.contains(credential.as_str())).map(|variable| variable.name.clone());
        let confidential = holds.chain(placeholders.iter().map(|given| given.env.to_string())).collect();
        let unbound = placeholders.iter().filter(|given| given.unbound).map(|given| given.env.to_string()).collect();
        let held = placeholders.into_iter().map(|given| (given.env.to_string(), given.token.as_str().to_owned()));
        let environment_variables = env.into_iter().map(|variable| (variable.name, variable.value)).chain(held).collect();
        Self { devbox: devbox.into(), environment_variables, confidential, unbound, ca_certificate: ca_pem }
    }
}

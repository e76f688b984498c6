//! What people decide and look at: bindings, pairings, agents' requests, exposure. Whoever changes one shows the admin key beside an API key.

use link::agents::{AskedView, Meant};
use link::cli::{Exposure, Reply};
use model::{Binding, HostPattern, PairingId, RequestId, SecretId, SecretName};
use service::Gate;

use super::refused::Refused;

pub(super) fn bind(gate: &Gate, admin_key: &str, api_key: &str, name: &SecretName, binding: Binding) -> Result<Reply, Refused> {
    let caller = gate.authenticate(Some(api_key))?;
    Ok(Reply::Bindings { bindings: gate.bind(admin_key, &caller, name, binding)?, next: None })
}

pub(super) fn unbind(gate: &Gate, admin_key: &str, api_key: &str, name: &SecretName, host: Option<&HostPattern>) -> Result<Reply, Refused> {
    let caller = gate.authenticate(Some(api_key))?;
    Ok(Reply::Bindings { bindings: gate.unbind(admin_key, &caller, name, host)?, next: None })
}

pub(super) fn bindings(gate: &Gate, api_key: &str, name: Option<&SecretName>, after: Option<&SecretId>) -> Result<Reply, Refused> {
    let caller = gate.authenticate(Some(api_key))?;
    let (bindings, next) = gate.views_for(&caller, name, after)?;
    Ok(Reply::Bindings { bindings, next })
}

pub(super) fn requests(gate: &Gate, api_key: &str) -> Result<Reply, Refused> {
    let caller = gate.authenticate(Some(api_key))?;
    Ok(Reply::Pairings(gate.requests(&caller)?))
}

pub(super) fn approve(gate: &Gate, admin_key: &str, api_key: &str, id: &PairingId) -> Result<Reply, Refused> {
    let caller = gate.authenticate(Some(api_key))?;
    Ok(Reply::Bindings { bindings: gate.approve(admin_key, &caller, id)?, next: None })
}

pub(super) fn refuse(gate: &Gate, admin_key: &str, api_key: &str, id: &PairingId) -> Result<Reply, Refused> {
    let caller = gate.authenticate(Some(api_key))?;
    gate.refuse(admin_key, &caller, id)?;
    Ok(Reply::Done)
}

pub(super) fn asked(gate: &Gate, admin_key: Option<&str>, api_key: &str, after: Option<&RequestId>) -> Result<Vec<AskedView>, Refused> {
    let caller = gate.authenticate(Some(api_key))?;
    Ok(gate.asked(admin_key, &caller, after)?)
}

pub(super) fn approve_asked(gate: &Gate, admin_key: &str, api_key: &str, id: &RequestId, meant: Option<&Meant>) -> Result<Reply, Refused> {
    let caller = gate.authenticate(Some(api_key))?;
    Ok(Reply::Decided(Box::new(gate.approve_request(admin_key, &caller, id, meant)?)))
}

pub(super) fn refuse_asked(gate: &Gate, admin_key: &str, api_key: &str, id: &RequestId) -> Result<Reply, Refused> {
    let caller = gate.authenticate(Some(api_key))?;
    Ok(Reply::Decided(Box::new(gate.refuse_request(admin_key, &caller, id)?)))
}

pub(super) fn expose(gate: &Gate, admin_key: &str, api_key: &str, name: &SecretName, exposure: Exposure) -> Result<Reply, Refused> {
    let caller = gate.authenticate(Some(api_key))?;
    gate.expose(admin_key, &caller, name, exposure)?;
    Ok(Reply::Done)
}

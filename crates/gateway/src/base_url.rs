//! Requests by base URL: a devbox sends them to a name of ours, with a gateway's token, and they leave to the endpoint of the gateway's config.
//!
//! The config is what the api wrote, looked up anew for each request. It says where and how; whether the secret may go there is the service's to decide.

use http::header::{ACCEPT_CHARSET, HeaderMap, HeaderName, HeaderValue};
use http::{Uri, uri};
use model::binding::is_reserved_header;
use model::gateway::is_second_path_header;
use model::{Form, Mechanism, Refusal};
use service::via::gateway_label;
use service::{DevboxCard, Gate, Piece, Via};

use crate::disguises::ask_for_plain;
use crate::exchange::Ask;
use crate::find::find;
use crate::greet::{Destination, Scheme};
use crate::listen::Devbox;
use crate::overrides::drop_overrides;
use crate::path::Path;

/// A gateway of a devbox, as its config is now.
#[derive(Clone)]
pub(crate) struct Door(Via);

impl Door {
    /// The gateway that the devbox speaks to; none where the host is an ordinary one. Waits for the databases.
    ///
    /// # Errors
    /// Where the devbox has no gateway of this name, its config is gone, or nothing can be decided.
    pub(crate) fn find(devbox: &Devbox, said: &Destination) -> Result<Option<Self>, Refusal> {
        let Some(label) = gateway_label(&said.host) else { return Ok(None) };
        devbox.net.gate.gateway_at(&devbox.card, label).map(|via| Some(Self(via)))
    }

    /// Whether its config is still what it was.
    pub(crate) fn stands(&self, gate: &Gate, card: &DevboxCard) -> bool {
        gate.gateway_stands(card, &self.0)
    }

    /// Where its requests go.
    pub(crate) fn to(&self) -> Destination {
        let endpoint = &self.0.config.endpoint;
        Destination { host: endpoint.host().clone(), port: endpoint.port(), scheme: Scheme::Https }
    }

    /// Puts the endpoint's path before the request's, which must have one reading only: whatever climbs would leave the endpoint.
    ///
    /// # Errors
    /// [`Refusal::PathAmbiguous`].
    pub(crate) fn lead(&self, uri: &mut Uri, path: &Path) -> Result<Path, Refusal> {
        let Path::Plain(path) = path else { return Err(Refusal::PathAmbiguous) };
        let base = self.0.config.endpoint.path().as_str().trim_end_matches('/');
        let target = uri.path_and_query().map_or("/", uri::PathAndQuery::as_str);
        *uri = format!("{base}{target}").parse().map_err(|_| Refusal::RequestMalformed)?;
        Ok(Path::Plain(format!("{base}{path}")))
    }
}

/// Takes the token off, wherever it stands, and writes the credential as the config says, then its further headers.
///
/// # Errors
/// [`Refusal::GatewayTokenMissing`] where there is no token, and whatever the service refuses.
pub(crate) fn write_credentials(ask: &Ask, Door(via): &Door, headers: &mut HeaderMap) -> Result<(), Refusal> {
    let (gate, card) = (&ask.devbox.net.gate, &ask.devbox.card);
    let extra: Vec<String> = match &via.config.mechanism {
        Mechanism::Header(key) => vec![key.as_str().to_owned()],
        Mechanism::Bearer | Mechanism::Basic => Vec::new(),
    };
    let tokens = find(headers, &extra, |candidate| gate.lookup(card, candidate))?;
    if tokens.is_empty() {
        return Err(Refusal::GatewayTokenMissing);
    }
    // Another token beside it stands for another secret, which has no business at this endpoint.
    if tokens.iter().any(|found| found.token != *via.gateway.token()) {
        return Err(Refusal::HostNotBound);
    }
    for found in &tokens {
        headers.remove(&found.header);
    }
    if !matches!(ask.path, Path::Plain(_)) {
        return Err(Refusal::PathAmbiguous);
    }
    for piece in gate.resolve_gateway(card, via, ask.asked()?)? {
        match piece {
            Piece::Credential(armed) => {
                ask.live.carries(armed.secret, armed.version);
                vault::arm::write(armed.value, armed.permit.form(), headers).map_err(|_| Refusal::ValueUnfit)?;
            }
            // Parsing refuses such names; the row is the api's, so they are refused here as well.
            Piece::Text { header, .. } | Piece::Secret { header, .. } if is_reserved_header(&header.as_str().replace('_', "-")) => {
                return Err(Refusal::RequestMalformed);
            }
            // What the agent sends of these was asked for, and what a config adds was not.
            Piece::Text { header, .. } | Piece::Secret { header, .. } if is_second_path_header(header.as_str()) => {}
            Piece::Secret { header, armed } => {
                ask.live.carries(armed.secret, armed.version);
                let form = Form::Header { name: header.as_str().to_owned() };
                vault::arm::write(armed.value, &form, headers).map_err(|_| Refusal::ValueUnfit)?;
            }
            Piece::Text { header, text } => {
                let name = HeaderName::from_bytes(header.as_str().as_bytes()).map_err(|_| Refusal::RequestMalformed)?;
                headers.insert(name, HeaderValue::from_str(text.as_str()).map_err(|_| Refusal::RequestMalformed)?);
            }
        }
    }
    // Those that the agent sent are gone by now; these are of a config that is older than the rule.
    drop_overrides(headers);
    ask_for_plain(headers);
    headers.remove(ACCEPT_CHARSET);
    Ok(())
}

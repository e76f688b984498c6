//! Refusals: every reason for which a devbox's request does not leave, with its stable code and its mend.

use serde::{Deserialize, Serialize};

/// Why the gateway refused a request. Holds nothing that the caller sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The devbox may not reach this host.
    HostNotAllowed,
    /// The connection went to an address that no name was looked up for.
    AddressUnmapped,
    /// SNI, Host, authority and the looked-up name are not one name.
    NameMismatch,
    /// The request could not be read without doubt.
    RequestMalformed,
    /// The path could be read in two ways.
    PathAmbiguous,
    /// TRACE, TRACK or CONNECT.
    MethodForbidden,
    /// WebSocket or another upgrade.
    UpgradeUnsupported,
    /// The token belongs to another devbox.
    TokenForeign,
    /// The token's devbox or grant has ended.
    TokenEnded,
    /// The secret behind the token was deleted.
    SecretGone,
    /// The secret has no binding at all.
    SecretUnbound,
    /// The secret is bound, but not to this host and port.
    HostNotBound,
    /// The secret is bound to this host, but not for this method or path.
    RequestNotBound,
    /// The secret is bound to this host, but not where its token stands, or not in the form in which the gateway config writes it.
    FormNotBound,
    /// A request to a gateway without the gateway's token.
    GatewayTokenMissing,
    /// The gateway's config was deleted, or names a secret that the devbox was not given.
    GatewayGone,
    /// A person has yet to say whether the gateway config may have the secret.
    PairingPending,
    /// A person said that the gateway config may not have the secret.
    PairingRefused,
    /// The value cannot be written in the binding's form (line breaks, or not text).
    ValueUnfit,
    /// The stored row did not open: changed, moved, or sealed for somebody else.
    SecretTampered,
    /// The upstream's address is private, local or otherwise not the internet.
    AddressForbidden,
    /// The upstream's name does not resolve.
    UpstreamUnresolved,
    /// The upstream did not accept the connection.
    UpstreamUnreachable,
    /// The upstream's certificate did not verify.
    UpstreamUntrusted,
    /// The upstream's answer broke off or was malformed before its head.
    UpstreamBroken,
    /// The upstream took too long.
    UpstreamTimeout,
    /// The operator's own proxy cannot be reached, or did not open a connection to the upstream.
    UpstreamProxyRefused,
    /// The answer was encoded although it was asked not to be, so it cannot be scrubbed.
    ReplyUnreadable,
    /// A body into which a value may have to be written is larger than what is looked through.
    BodyTooLarge,
    /// A body into which a value may have to be written is compressed.
    BodyUnreadable,
    /// A request to the forward proxy without its credential.
    ProxyCredentialMissing,
    /// A request to the forward proxy with a credential that is none, or no more.
    ProxyCredentialWrong,
    /// The forward proxy's credential came from another network than its devbox's.
    ProxySourceForbidden,
    /// A request that the forward proxy does not take: it takes CONNECT, and plain http only to answer it.
    ProxyFormUnknown,
    /// A limit was reached.
    LimitReached,
    /// The decision could not be made (store or events unavailable).
    Undecided,
}

impl Refusal {
    /// Every refusal there is.
    pub const ALL: [Self; 36] = [
        Self::HostNotAllowed,
        Self::AddressUnmapped,
        Self::NameMismatch,
        Self::RequestMalformed,
        Self::PathAmbiguous,
        Self::MethodForbidden,
        Self::UpgradeUnsupported,
        Self::TokenForeign,
        Self::TokenEnded,
        Self::SecretGone,
        Self::SecretUnbound,
        Self::HostNotBound,
        Self::RequestNotBound,
        Self::FormNotBound,
        Self::GatewayTokenMissing,
        Self::GatewayGone,
        Self::PairingPending,
        Self::PairingRefused,
        Self::ValueUnfit,
        Self::SecretTampered,
        Self::AddressForbidden,
        Self::UpstreamUnresolved,
        Self::UpstreamUnreachable,
        Self::UpstreamUntrusted,
        Self::UpstreamBroken,
        Self::UpstreamTimeout,
        Self::UpstreamProxyRefused,
        Self::ReplyUnreadable,
        Self::BodyTooLarge,
        Self::BodyUnreadable,
        Self::ProxyCredentialMissing,
        Self::ProxyCredentialWrong,
        Self::ProxySourceForbidden,
        Self::ProxyFormUnknown,
        Self::LimitReached,
        Self::Undecided,
    ];

    /// The stable code, as in `x-tightlip-refusal`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::HostNotAllowed => "host_not_allowed",
            Self::AddressUnmapped => "address_unmapped",
            Self::NameMismatch => "name_mismatch",
            Self::RequestMalformed => "request_malformed",
            Self::PathAmbiguous => "path_ambiguous",
            Self::MethodForbidden => "method_forbidden",
            Self::UpgradeUnsupported => "upgrade_unsupported",
            Self::TokenForeign => "token_foreign",
            Self::TokenEnded => "token_ended",
            Self::SecretGone => "secret_gone",
            Self::SecretUnbound => "secret_unbound",
            Self::HostNotBound => "host_not_bound",
            Self::RequestNotBound => "request_not_bound",
            Self::FormNotBound => "form_not_bound",
            Self::GatewayTokenMissing => "gateway_token_missing",
            Self::GatewayGone => "gateway_gone",
            Self::PairingPending => "pairing_pending",
            Self::PairingRefused => "pairing_refused",
            Self::ValueUnfit => "value_unfit",
            Self::SecretTampered => "secret_tampered",
            Self::AddressForbidden => "address_forbidden",
            Self::UpstreamUnresolved => "upstream_unresolved",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamUntrusted => "upstream_untrusted",
            Self::UpstreamBroken => "upstream_broken",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::UpstreamProxyRefused => "upstream_proxy_refused",
            Self::ReplyUnreadable => "reply_unreadable",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyUnreadable => "body_unreadable",
            Self::ProxyCredentialMissing => "proxy_credential_missing",
            Self::ProxyCredentialWrong => "proxy_credential_wrong",
            Self::ProxySourceForbidden => "proxy_source_forbidden",
            Self::ProxyFormUnknown => "proxy_form_unknown",
            Self::LimitReached => "limit_reached",
            Self::Undecided => "undecided",
        }
    }

    /// What happened and how it is mended, for the person who reads the agent's log. `NAME` and `HOST` are words for the reader, never the caller's bytes.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::HostNotAllowed => HOST_NOT_ALLOWED,
            Self::AddressUnmapped => "this devbox reaches hosts by name only; use the host's name instead of an address",
            Self::NameMismatch => NAME_MISMATCH,
            Self::RequestMalformed => REQUEST_MALFORMED,
            Self::PathAmbiguous => "the path could be read in two ways; send it without '..', '//', encoded slashes or encoded dots",
            Self::MethodForbidden => "TRACE, TRACK and CONNECT do not pass the gateway; use GET, POST or another method",
            Self::UpgradeUnsupported => UPGRADE_UNSUPPORTED,
            Self::TokenForeign => "this placeholder belongs to another devbox and was not sent; use the one in this devbox's environment",
            Self::TokenEnded => TOKEN_ENDED,
            Self::SecretGone => SECRET_GONE,
            Self::SecretUnbound => "this secret is bound to no host, so it cannot leave; bind it with `tightlip bind NAME --host HOST`",
            Self::HostNotBound => HOST_NOT_BOUND,
            Self::RequestNotBound => REQUEST_NOT_BOUND,
            Self::FormNotBound => FORM_NOT_BOUND,
            Self::GatewayTokenMissing => GATEWAY_TOKEN_MISSING,
            Self::GatewayGone => GATEWAY_GONE,
            Self::PairingPending => PAIRING_PENDING,
            Self::PairingRefused => PAIRING_REFUSED,
            Self::ValueUnfit => VALUE_UNFIT,
            Self::SecretTampered => SECRET_TAMPERED,
            Self::AddressForbidden => ADDRESS_FORBIDDEN,
            Self::UpstreamUnresolved => UPSTREAM_UNRESOLVED,
            Self::UpstreamUnreachable => UPSTREAM_UNREACHABLE,
            Self::UpstreamUntrusted => UPSTREAM_UNTRUSTED,
            Self::UpstreamBroken => "the host's answer broke off or was malformed; try again, or look at the host's own status",
            Self::UpstreamTimeout => "the host did not answer in time; try again, or look at the host's own status",
            Self::UpstreamProxyRefused => UPSTREAM_PROXY_REFUSED,
            Self::ReplyUnreadable => REPLY_UNREADABLE,
            Self::BodyTooLarge => BODY_TOO_LARGE,
            Self::BodyUnreadable => BODY_UNREADABLE,
            Self::ProxyCredentialMissing => PROXY_CREDENTIAL_MISSING,
            Self::ProxyCredentialWrong => PROXY_CREDENTIAL_WRONG,
            Self::ProxySourceForbidden => PROXY_SOURCE_FORBIDDEN,
            Self::ProxyFormUnknown => PROXY_FORM_UNKNOWN,
            Self::LimitReached => LIMIT_REACHED,
            Self::Undecided => UNDECIDED,
        }
    }

    /// The HTTP status of the refusal.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::RequestMalformed | Self::PathAmbiguous | Self::ProxyFormUnknown => 400,
            Self::TokenForeign | Self::TokenEnded | Self::GatewayTokenMissing => 401,
            Self::HostNotAllowed
            | Self::AddressUnmapped
            | Self::SecretGone
            | Self::SecretUnbound
            | Self::HostNotBound
            | Self::RequestNotBound
            | Self::FormNotBound
            | Self::GatewayGone
            | Self::PairingPending
            | Self::PairingRefused
            | Self::AddressForbidden
            | Self::ProxySourceForbidden => 403,
            Self::MethodForbidden => 405,
            Self::BodyTooLarge => 413,
            Self::BodyUnreadable => 415,
            Self::ProxyCredentialMissing | Self::ProxyCredentialWrong => 407,
            Self::NameMismatch => 421,
            Self::LimitReached => 429,
            Self::UpgradeUnsupported => 501,
            Self::UpstreamUnresolved
            | Self::UpstreamUnreachable
            | Self::UpstreamUntrusted
            | Self::UpstreamBroken
            | Self::UpstreamProxyRefused
            | Self::ReplyUnreadable => 502,
            Self::ValueUnfit | Self::SecretTampered | Self::Undecided => 503,
            Self::UpstreamTimeout => 504,
        }
    }
}

// What takes more than a line.
const HOST_NOT_ALLOWED: &str = "this devbox may not reach this host: none of its secrets is bound there; bind one with `tightlip bind NAME --host HOST`, or start the devbox with `tightlip run --allow HOST`";
const NAME_MISMATCH: &str =
    "the TLS name, the Host header and the looked-up name differ; one connection serves one name, so let the client open one for each host";
const REQUEST_MALFORMED: &str =
    "the request could be read in more than one way; send one Host, one Content-Length, and a plain header list";
const UPGRADE_UNSUPPORTED: &str = "this change of protocol does not pass the gateway: only WebSocket does, over HTTP/1.1, and over TLS unless a secret is bound to the host's port 80; use plain requests";
const TOKEN_ENDED: &str = "this placeholder's devbox has ended, or the API key that opened it has; start a new devbox with a key that is good, by `tightlip run --secret NAME` or `tightlip devbox create --secret NAME`";
const SECRET_GONE: &str = "the secret behind this placeholder was deleted; store it again with `tightlip secret set NAME`, and start a new devbox, by `tightlip run --secret NAME` or `tightlip devbox create --secret NAME`";
const HOST_NOT_BOUND: &str =
    "this secret is not bound to this host, so the request was not sent; bind it with `tightlip bind NAME --host HOST`";
const REQUEST_NOT_BOUND: &str = "this secret's bindings for this host do not cover this method or path, or a second path that a header names; see `tightlip bindings NAME`, and add to them with `tightlip bind NAME --host HOST --methods METHOD`";
const FORM_NOT_BOUND: &str = "this secret's bindings for this host do not cover the place where its placeholder stands, or the form in which the gateway config writes it; see `tightlip bindings`, and bind it with `tightlip bind NAME --host HOST --as FORM`";
const GATEWAY_TOKEN_MISSING: &str = "the request to this gateway does not carry its token (whatever else it carries); send the gws_ text of this devbox's environment as a Bearer or in the upstream's own header";
const GATEWAY_GONE: &str = "the gateway config was deleted, or it names a secret now that this devbox was not given; make one with `tightlip gateway-config create CONFIG --endpoint URL`, and a new devbox with `tightlip devbox create --gateway PREFIX=CONFIG:NAME`";
const PAIRING_PENDING: &str = "nobody has approved yet that this secret goes to this gateway's endpoint; see `tightlip requests`, and approve it with `tightlip approve ID`";
const PAIRING_REFUSED: &str =
    "it was refused that this secret goes to this gateway's endpoint; if that was a mistake, bind it with `tightlip bind NAME --host HOST`";
const VALUE_UNFIT: &str = "the stored value cannot be written into a header, or is too short to be kept out of replies; store one of at least 8 characters and no line breaks: `tightlip secret set NAME`; the form `basic` wants USER:PASSWORD: where the value is a password or token alone, bind it with `tightlip bind NAME --host HOST --as basic:USER`";
const SECRET_TAMPERED: &str = "the stored secret does not open: its row was changed or moved; store it again with `tightlip secret set NAME`, and look at `tightlip events`";
const ADDRESS_FORBIDDEN: &str = "the host resolves to a private or local address; if that is right, name it under `[gateway] resolve` in tightlip.toml, and start the server anew: `tightlip down`, then `tightlip up`";
const UPSTREAM_UNRESOLVED: &str = "the host's name does not resolve on the gateway's machine; see there what `getent hosts HOST` says, or name its address under `[gateway] resolve` in tightlip.toml, and start the server anew: `tightlip down`, then `tightlip up`";
const UPSTREAM_UNREACHABLE: &str = "the host does not accept connections from the gateway's machine; see there what `curl -v https://HOST/` says; where hosts are reached through a proxy only, set `[gateway] upstream_proxy` in tightlip.toml";
const UPSTREAM_UNTRUSTED: &str = "the host's certificate did not verify; for a private authority set `[gateway] upstream_ca` in tightlip.toml, and start the server anew: `tightlip down`, then `tightlip up`; where the host is a public one, look at this machine's clock";
const UPSTREAM_PROXY_REFUSED: &str = "the proxy of `[gateway] upstream_proxy` cannot be reached, or opened no connection to this host (it may want another password, or keep this host back); look at its log, and at `upstream_proxy_credentials` and `no_proxy` in tightlip.toml";
const REPLY_UNREADABLE: &str = "the host sent an encoded answer although it was asked not to; it cannot be checked for values and was withheld; ask for what it sends as it is";
const BODY_TOO_LARGE: &str = "a secret is bound to the bodies of such requests, and this one is larger than the 1 MiB that is looked through; narrow the binding to the requests that need it: `tightlip unbind NAME --host HOST`, then `tightlip bind NAME --host HOST --as body --methods METHOD --path PATH`";
const BODY_UNREADABLE: &str = "a secret is bound to the bodies of such requests, and this one is compressed; send it as it is, or narrow the binding to the requests that need it: `tightlip unbind NAME --host HOST`, then `tightlip bind NAME --host HOST --as body --methods METHOD --path PATH`";
const LIMIT_REACHED: &str = "a limit of the gateway was reached (connections at a time, credentials in one request, guesses at the forward proxy); send fewer at a time, and try again";
const UNDECIDED: &str = "the gateway could not decide (its store or its event log is unavailable), so the request was not sent; see `tightlip doctor` and the output of `tightlip up`, and try again";
// What the forward proxy says.
const PROXY_CREDENTIAL_MISSING: &str =
    "the forward proxy wants its credential; use the whole HTTPS_PROXY of `tightlip devbox env`, user and password included";
const PROXY_CREDENTIAL_WRONG: &str =
    "this credential is none of the forward proxy's, or its devbox has ended; make a new environment with `tightlip devbox env`";
const PROXY_SOURCE_FORBIDDEN: &str =
    "this credential is not taken from this network; make a new environment with `tightlip devbox env --source CIDR`";
const PROXY_FORM_UNKNOWN: &str = "the forward proxy takes CONNECT, and plain http:// requests only to send them to https; let the client tunnel https, as HTTPS_PROXY asks";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_refusal_has_its_own_code_and_a_mend() {
        let codes: HashSet<&str> = Refusal::ALL.into_iter().map(Refusal::code).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        for refusal in Refusal::ALL {
            assert!((400..=599).contains(&refusal.status()));
            assert!(refusal.message().len() > 40, "{}", refusal.code());
        }
    }

    #[test]
    fn the_list_for_people_is_complete_and_true() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/refusals.md");
        let text = std::fs::read_to_string(path).expect("the list");
        let told: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
        let line = |refusal: Refusal| format!("| `{}` | {} | {} |", refusal.code(), refusal.status(), refusal.message());
        assert_eq!(told, Refusal::ALL.map(line));
    }
}

//! Every refusal, as a person meets it: a real client in a devbox, or behind the forward proxy, is refused; the answer is what `docs/refusals.md` says; the
//! command that it names is run as it stands, and the same request succeeds. A code without a case does not compile.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests; one that cannot run here says so")]

mod bindings;
mod gateways;
mod hosts;
mod proxy;
mod requests;
mod secrets;
mod upstreams;

#[path = "../common/certify.rs"]
mod certify;
#[path = "../common/standin.rs"]
mod standin;
#[path = "../common/world.rs"]
mod world;

/// One test for each code, and a match that knows them all.
macro_rules! cases {
    ($($code:ident => $module:ident::$name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                $module::$name();
            }
        )*

        /// The test of a code is called as the code.
        const fn test_of(refusal: model::Refusal) -> &'static str {
            match refusal {
                $(model::Refusal::$code => stringify!($name),)*
            }
        }
    };
}

cases! {
    HostNotAllowed => hosts::host_not_allowed,
    AddressUnmapped => hosts::address_unmapped,
    NameMismatch => hosts::name_mismatch,
    RequestMalformed => requests::request_malformed,
    PathAmbiguous => requests::path_ambiguous,
    MethodForbidden => requests::method_forbidden,
    UpgradeUnsupported => requests::upgrade_unsupported,
    TokenForeign => secrets::token_foreign,
    TokenEnded => secrets::token_ended,
    SecretGone => secrets::secret_gone,
    SecretUnbound => bindings::secret_unbound,
    HostNotBound => bindings::host_not_bound,
    RequestNotBound => bindings::request_not_bound,
    FormNotBound => bindings::form_not_bound,
    GatewayTokenMissing => gateways::gateway_token_missing,
    GatewayGone => gateways::gateway_gone,
    PairingPending => gateways::pairing_pending,
    PairingRefused => gateways::pairing_refused,
    ValueUnfit => secrets::value_unfit,
    SecretTampered => secrets::secret_tampered,
    AddressForbidden => hosts::address_forbidden,
    UpstreamUnresolved => upstreams::upstream_unresolved,
    UpstreamUnreachable => upstreams::upstream_unreachable,
    UpstreamUntrusted => upstreams::upstream_untrusted,
    UpstreamBroken => upstreams::upstream_broken,
    UpstreamTimeout => upstreams::upstream_timeout,
    UpstreamProxyRefused => upstreams::upstream_proxy_refused,
    ReplyUnreadable => upstreams::reply_unreadable,
    BodyTooLarge => bindings::body_too_large,
    BodyUnreadable => bindings::body_unreadable,
    ProxyCredentialMissing => proxy::proxy_credential_missing,
    ProxyCredentialWrong => proxy::proxy_credential_wrong,
    ProxySourceForbidden => proxy::proxy_source_forbidden,
    ProxyFormUnknown => proxy::proxy_form_unknown,
    LimitReached => requests::limit_reached,
    Undecided => secrets::undecided,
}

#[test]
fn every_code_has_the_case_of_its_name() {
    for refusal in model::Refusal::ALL {
        assert_eq!(test_of(refusal), refusal.code());
    }
}

//! The forward proxy for others' sandboxes.

use model::Refusal;

use crate::world::{API, Mend, PLAIN, Sandbox, World};

/// The request as it should be, refused before there is a tunnel. Clients show no body of such an answer, and do so where they asked for plain http.
fn refused<'a>(sandbox: &Sandbox<'a>, more: &str, refusal: Refusal) -> Mend<'a> {
    sandbox.ask(&format!("{PLAIN} {more}")).assert_refused(refusal);
    sandbox.refused(&format!("{} {more}", PLAIN.replace("https://", "http://")), refusal)
}

pub fn proxy_credential_missing() {
    let world = World::start();
    let sandbox = world.environment(&[]);
    let bare = format!("-x http://{}", world.proxy);
    refused(&sandbox, &bare, Refusal::ProxyCredentialMissing).says("use the whole HTTPS_PROXY of `tightlip devbox env`");
    sandbox.passes(&format!("{PLAIN} -x \"$HTTPS_PROXY\""));
}

pub fn proxy_credential_wrong() {
    let world = World::start();
    let sandbox = world.environment(&[]);
    sandbox.passes(PLAIN);
    let listed = world.tool(&["devbox", "list"], "");
    let id = listed.lines().last().unwrap().split_whitespace().next().unwrap();
    world.tool(&["devbox", "shutdown", id], "");
    let mend = refused(&sandbox, "", Refusal::ProxyCredentialWrong);
    assert_eq!(mend.filled("devbox env", &[]), ["devbox", "env"]);
    world.environment(&[]).passes(PLAIN);
}

pub fn proxy_source_forbidden() {
    let world = World::start();
    let elsewhere = world.environment(&["--source", "10.201.0.0/24"]);
    let mend = refused(&elsewhere, "", Refusal::ProxySourceForbidden);
    let arguments = mend.filled("devbox env", &[("CIDR", "127.0.0.0/8")]);
    world.environment(&arguments.iter().skip(2).map(String::as_str).collect::<Vec<_>>()).passes(PLAIN);
}

pub fn proxy_form_unknown() {
    let world = World::start();
    let sandbox = world.environment(&[]);
    let to = |url: &str| format!("curl -sSi --noproxy '' -x \"$HTTPS_PROXY\" {url} -H \"Authorization: Bearer $KEY\"");
    sandbox.refused(&to(&format!("http://{API}:8080/")), Refusal::ProxyFormUnknown).says("let the client tunnel https");
    sandbox.passes(&to(&format!("https://{API}/")));
}

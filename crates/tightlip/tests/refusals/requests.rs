//! Requests that can be read in more than one way, or of a sort that does not pass.

use model::Refusal;

use crate::world::{API, PLAIN, World};

pub fn request_malformed() {
    let world = World::start();
    let devbox = world.with_key();
    devbox.refused(&format!("{PLAIN} -H 'Host:'"), Refusal::RequestMalformed).says("send one Host");
    devbox.passes(PLAIN);
}

pub fn path_ambiguous() {
    let world = World::start();
    let devbox = world.with_key();
    let to = |path: &str| format!("curl -sSi --path-as-is https://{API}{path} -H \"Authorization: Bearer $KEY\"");
    devbox.refused(&to("/a/../b"), Refusal::PathAmbiguous).says("send it without '..'");
    devbox.passes(&to("/b"));
}

pub fn method_forbidden() {
    let world = World::start();
    let devbox = world.with_key();
    devbox.refused(&format!("{PLAIN} -X TRACE"), Refusal::MethodForbidden).says("use GET, POST or another method");
    devbox.passes(&format!("{PLAIN} -X POST"));
}

pub fn upgrade_unsupported() {
    let world = World::start();
    let devbox = world.with_key();
    let upgrade = format!("{PLAIN} --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: h2c'");
    devbox.refused(&upgrade, Refusal::UpgradeUnsupported).says("use plain requests");
    devbox.passes(PLAIN);
}

pub fn limit_reached() {
    let world = World::start();
    let devbox = world.with_key();
    let cookies = |count: usize| {
        let script = format!("print('; '.join('c%d=a-value-of-sixteen-%d' % (n, n) for n in range({count})))");
        format!("curl -sSi https://{API}/ -H \"Authorization: Bearer $KEY\" -H \"Private-Token: $(python3 -c \"{script}\")\"")
    };
    devbox.refused(&cookies(300), Refusal::LimitReached).says("send fewer at a time");
    devbox.passes(&cookies(20));
}

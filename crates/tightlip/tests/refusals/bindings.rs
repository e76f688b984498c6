//! Where a secret may go, and in which form.

use model::Refusal;

use crate::world::{API, OTHER, PLAIN, World};

pub fn secret_unbound() {
    let world = World::bare();
    world.tool(&["secret", "set", "KEY"], world.canary.value());
    world.tool(&["secret", "set", "BOUND", "--host", API], "another value");
    let devbox = world.devbox(&["--secret", "KEY", "--secret", "BOUND"]);
    devbox.refused(PLAIN, Refusal::SecretUnbound).run("bind", &[("NAME", "KEY"), ("HOST", API)], "");
    devbox.passes(PLAIN);
}

pub fn host_not_bound() {
    let world = World::start();
    world.tool(&["secret", "set", "ELSEWHERE", "--host", OTHER], "another value");
    let devbox = world.devbox(&["--secret", "KEY", "--secret", "ELSEWHERE"]);
    let line = format!("curl -sSi https://{OTHER}/ -H \"Authorization: Bearer $KEY\"");
    devbox.refused(&line, Refusal::HostNotBound).run("bind", &[("NAME", "KEY"), ("HOST", OTHER)], "");
    devbox.passes(&line);
}

pub fn request_not_bound() {
    let world = World::bare();
    world.tool(&["secret", "set", "KEY"], world.canary.value());
    world.tool(&["bind", "KEY", "--host", API, "--methods", "GET", "--path", "/here"], "");
    let devbox = world.with_key();
    let to = |method: &str, path: &str| format!("curl -sSi -X {method} https://{API}{path} -H \"Authorization: Bearer $KEY\"");
    devbox.passes(&to("GET", "/here"));
    for (method, path) in [("POST", "/here"), ("GET", "/there")] {
        let mend = devbox.refused(&to(method, path), Refusal::RequestNotBound);
        assert!(mend.run("bindings", &[("NAME", "KEY")], "").contains("/here"));
        mend.run("bind ", &[("NAME", "KEY"), ("HOST", API), ("METHOD", method)], "");
        devbox.passes(&to(method, path));
    }
}

pub fn form_not_bound() {
    let world = World::bare();
    world.tool(&["secret", "set", "KEY"], world.canary.value());
    world.tool(&["bind", "KEY", "--host", API, "--as", "query:key"], "");
    let devbox = world.with_key();
    devbox.refused(PLAIN, Refusal::FormNotBound).run("bind ", &[("NAME", "KEY"), ("HOST", API), ("FORM", "bearer")], "");
    devbox.passes(PLAIN);
    devbox.passes(&format!("curl -sSi \"https://{API}/?key=$KEY\""));
}

/// A secret that is bound to all bodies, and to headers too.
fn bound_to_bodies() -> World {
    let world = World::bare();
    world.tool(&["secret", "set", "KEY"], world.canary.value());
    world.tool(&["bind", "KEY", "--host", API, "--as", "body"], "");
    world
}

/// What a body that cannot be looked through is told: nothing but the requests that need it are to be bound.
fn narrow(world: &World, refused: &str, refusal: Refusal) {
    let devbox = world.with_key();
    let mend = devbox.refused(refused, refusal);
    let filled = [("NAME", "KEY"), ("HOST", API), ("METHOD", "POST"), ("PATH", "/login")];
    mend.run("unbind", &filled, "");
    mend.run("bind ", &filled, "");
    devbox.passes(refused);
    // What it was bound for works as before.
    devbox.passes(&format!("curl -sSi https://{API}/login --json \"{{\\\"key\\\":\\\"$KEY\\\"}}\""));
}

pub fn body_too_large() {
    let world = bound_to_bodies();
    let large = "python3 -c \"print('{\\\"a\\\":\\\"' + 'x' * 1100000 + '\\\"}')\"";
    narrow(
        &world,
        &format!("{large} | curl -sSi https://{API}/open -H 'Content-Type: application/json' -H 'Expect:' --data-binary @-"),
        Refusal::BodyTooLarge,
    );
}

pub fn body_unreadable() {
    let world = bound_to_bodies();
    let send = "-H 'Content-Type: application/json' --data-binary @-";
    narrow(
        &world,
        &format!("echo '{{}}' | gzip | curl -sSi https://{API}/open -H 'Content-Encoding: gzip' {send}"),
        Refusal::BodyUnreadable,
    );
    // The other mend: send it as it is.
    world.tool(&["unbind", "KEY", "--host", API], "");
    world.tool(&["bind", "KEY", "--host", API, "--as", "body"], "");
    world.with_key().passes(&format!("echo '{{}}' | curl -sSi https://{API}/open {send}"));
}

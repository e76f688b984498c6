//! Where a devbox may go at all, and what a connection is for.

use model::Refusal;

use crate::world::{API, OTHER, PLAIN, World};

pub fn host_not_allowed() {
    let world = World::start();
    let line = format!("curl -sSi https://{OTHER}/open");
    let refused = world.run(&["--secret", "KEY"], &line);
    let mend = world.refused(&refused, Refusal::HostNotAllowed);
    let allowed = mend.filled("run --allow", &[("HOST", OTHER)]);
    let allowed: Vec<&str> = allowed.iter().skip(1).map(String::as_str).collect();
    world.run(&[&["--secret", "KEY"], &allowed[..]].concat(), &line).assert_passed();
    // The other mend that it names.
    mend.run("bind ", &[("NAME", "KEY"), ("HOST", OTHER)], "");
    world.run(&["--secret", "KEY"], &line).assert_passed();
}

pub fn address_unmapped() {
    let world = World::start();
    let devbox = world.with_key();
    let to = |host: &str| format!("curl -sSi https://{host}/ -H \"Authorization: Bearer $KEY\"");
    devbox.refused(&to("93.184.216.34"), Refusal::AddressUnmapped).says("use the host's name");
    devbox.passes(&to(API));
}

pub fn name_mismatch() {
    let world = World::start();
    world.tool(&["bind", "KEY", "--host", OTHER], "");
    let devbox = world.with_key();
    devbox.refused(&format!("{PLAIN} -H 'Host: {OTHER}'"), Refusal::NameMismatch).says("open one for each host");
    devbox.passes(&format!("curl -sSi https://{OTHER}/ -H \"Authorization: Bearer $KEY\""));
}

/// Only the machine's own resolver knows a name whose address is local: `localhost`, which clients do not look up themselves where a proxy does.
pub fn address_forbidden() {
    let mut world = World::start();
    world.tool(&["bind", "KEY", "--host", "localhost"], "");
    let line = "curl -sSi --noproxy '' https://localhost/ -H \"Authorization: Bearer $KEY\"";
    let sandbox = world.environment(&[]);
    let mend = sandbox.refused(line, Refusal::AddressForbidden);
    mend.says("`[gateway] resolve` in tightlip.toml").says("`tightlip down`, then `tightlip up`");
    world.write(&world.resolved(&[API, "localhost"]));
    world.start_anew();
    world.environment(&[]).passes(line);
}

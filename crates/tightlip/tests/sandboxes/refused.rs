//! What the proxy does not do for a container.

use crate::world::{API, HERE, OTHER, PROXY, World, alone, text};

const CURL: &str = "curl -sSi --max-time 60";

#[test]
fn without_the_right_credential_nothing_gets_out() {
    if !alone("refused::without_the_right_credential_nothing_gets_out") {
        return;
    }
    let world = World::start();
    let sandbox = world.environment(&["--secret", "KEY"]);
    for (proxy, code) in [
        (format!("http://{PROXY}"), "proxy_credential_missing"),
        (format!("http://devbox:tlg_wrong@{PROXY}"), "proxy_credential_wrong"),
        // A placeholder is no credential.
        (format!("http://devbox:{}@{PROXY}", sandbox.token()), "proxy_credential_wrong"),
    ] {
        for target in [format!("https://{API}/"), format!("http://{API}/")] {
            let said = text(&world.run(&sandbox, &["sh", "-c", &format!("{CURL} -x {proxy} {target}")]));
            assert!(said.contains("407") && said.contains(&format!("x-tightlip-refusal: {code}")), "{target}: {said}");
            assert!(said.contains("proxy-authenticate: Basic realm=\"tightlip\""), "{said}");
        }
    }
    let direct = world.run(&sandbox, &["curl", "-sS", "--noproxy", "*", "--max-time", "5", &format!("https://{API}/")]);
    assert!(!direct.status.success(), "there is another way out");
    assert_eq!(world.heard(), "");
}

#[test]
fn a_credential_from_another_network_is_refused_and_recorded() {
    if !alone("refused::a_credential_from_another_network_is_refused_and_recorded") {
        return;
    }
    let world = World::start();
    let elsewhere = world.environment(&["--secret", "KEY", "--source", "10.201.0.0/24"]);
    let said = text(&world.run(&elsewhere, &["sh", "-c", &format!("{CURL} https://{API}/")]));
    assert!(said.contains("403") && said.contains("x-tightlip-refusal: proxy_source_forbidden"), "{said}");
    assert_eq!(world.heard(), "");
    crate::world::until("the event", || world.tool(&["events", "--json"]).contains("proxy_source_forbidden"));
    let here = world.environment(&["--secret", "KEY", "--source", "10.201.0.0/24", "--source", HERE]);
    assert!(world.sh(&here, &format!("{CURL} https://{API}/ -H \"Authorization: Bearer $KEY\"")).contains("authorized"));
}

#[test]
fn what_is_not_the_sandboxs_to_reach_is_refused_readably() {
    if !alone("refused::what_is_not_the_sandboxs_to_reach_is_refused_readably") {
        return;
    }
    let world = World::start();
    let sandbox = world.environment(&["--secret", "KEY"]);
    let other = world.environment(&["--secret", "KEY"]);
    let bearer = "-H \"Authorization: Bearer $KEY\"";
    let foreign = format!("-H 'Authorization: Bearer {}'", other.token());
    for (arguments, status, code) in [
        (format!("https://{OTHER}/"), "403", "host_not_allowed"),
        ("https://metadata.example.test/".to_owned(), "403", "host_not_allowed"),
        ("https://10.200.0.1/".to_owned(), "403", "address_unmapped"),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "403", "address_unmapped"),
        ("https://[fd00::1]/".to_owned(), "403", "address_unmapped"),
        (format!("https://{API}:8443/"), "403", "host_not_allowed"),
        (format!("-p http://{API}:22/"), "403", "host_not_allowed"),
        // CONNECT for one name, TLS for another.
        (format!("--connect-to {API}:443:{OTHER}:443 https://{API}/ {bearer}"), "421", "name_mismatch"),
        (format!("https://{API}/ {foreign}"), "401", "token_foreign"),
        (format!("https://{API}/ -H 'Host: {OTHER}' {bearer}"), "421", "name_mismatch"),
        (format!("http://{API}:8080/"), "400", "proxy_form_unknown"),
    ] {
        let said = text(&world.run(&sandbox, &["sh", "-c", &format!("{CURL} {arguments}")]));
        assert!(said.contains(&format!(" {status} ")) && said.contains(&format!("x-tightlip-refusal: {code}")), "{arguments}: {said}");
    }
    let plain = text(&world.run(&sandbox, &["sh", "-c", &format!("{CURL} http://{API}/a {bearer}")]));
    assert!(plain.contains(" 308 ") && plain.contains(&format!("location: https://{API}/a")), "{plain}");
    assert_eq!(world.heard(), "", "nothing of it reached anybody");
}

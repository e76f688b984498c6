//! The same from the command line.

use crate::road::{BOUND, Road, text, users};

#[test]
fn a_devbox_is_made_used_and_shut_down_from_the_command_line() {
    let road = Road::start(users()[0]);
    let call = |arguments: &[&str]| road.server.call(arguments, b"").unwrap();
    let said = |arguments: &[&str]| road.server.expect(arguments, b"").unwrap();
    let endpoint = format!("https://{BOUND}");
    assert!(said(&["gateway-config", "create", "mine", "--endpoint", &endpoint]).contains("mine"));
    let listed = said(&["gateway-config", "list"]);
    assert!(["mine", "anthropic", "openai"].iter().all(|name| listed.contains(name)), "{listed}");

    let made = said(&["devbox", "create", "--secret", "GITHUB_TOKEN", "--gateway", "MY_API=mine:GITHUB_TOKEN", "--name", "by-hand"]);
    let id = made.trim().to_owned();
    assert!(id.starts_with("dbx_"), "{made}");
    let ran = call(&["devbox", "exec", &id, "--", "echo out; echo err >&2; exit 7"]);
    assert_eq!((ran.status.code(), text(&ran.stdout).as_str(), text(&ran.stderr).as_str()), (Some(7), "out\n", "err\n"));
    assert_eq!(said(&["devbox", "exec", &id, "--", "printf", "%s\n", "two words", "it's"]), "two words\nit's\n");
    let answer = said(&["devbox", "exec", &id, "--", "curl -sS -H \"Authorization: Bearer $MY_API\" $MY_API_URL/user"]);
    assert_eq!(answer, "{\"authorized\":true}");
    road.assert_no_value(said(&["devbox", "exec", &id, "--", "env"]).as_bytes());
    assert!(said(&["devbox", "list"]).contains("by-hand") && said(&["devbox", "get", &id]).contains("running"));
    said(&["devbox", "shutdown", &id]);
    assert!(said(&["devbox", "get", &id]).contains("api_shutdown"));
    let gone = call(&["devbox", "exec", &id, "--", "true"]);
    assert!(!gone.status.success() && text(&gone.stderr).contains("not running"), "{}", text(&gone.stderr));
    let unknown = call(&["devbox", "get", "dbx_000000000000000000000"]);
    assert_eq!(unknown.status.code(), Some(3));
}

#[test]
fn a_plain_value_is_given_only_where_a_person_said_so() {
    let road = Road::start(users()[0]);
    let said = |arguments: &[&str]| road.server.expect(arguments, b"").unwrap();
    let shown = || {
        let id = said(&["devbox", "create", "--secret", "GITHUB_TOKEN"]).trim().to_owned();
        let shown = said(&["devbox", "exec", &id, "--", "printf %s $GITHUB_TOKEN"]);
        said(&["devbox", "shutdown", &id]);
        shown
    };
    road.assert_no_value(shown().as_bytes());
    said(&["expose", "GITHUB_TOKEN", "--plain"]);
    assert!(said(&["bindings"]).contains("EXPOSED"), "it is told");
    assert_eq!(shown(), road.canary.value());
    let events = said(&["events", "--json"]);
    assert!(events.contains("secret_exposed") && events.contains("secret_given_plain"), "{events}");
    said(&["expose", "GITHUB_TOKEN", "--brokered"]);
    road.assert_no_value(shown().as_bytes());
}

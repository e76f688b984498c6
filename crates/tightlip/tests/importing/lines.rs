//! What becomes of each line.

use crate::place::{Place, code, said, shown, told};

#[test]
fn every_line_is_told_and_only_credentials_are_stored() {
    let place = Place::new();
    let path = place.write(".env", place.text());
    let foreseen = place.json(&["import", ".env", "--dry-run"]);
    assert_eq!(
        told(&foreseen),
        [
            "2 PORT configuration left",
            "4 GITHUB_TOKEN credential would_store",
            "5 ACME_KEY unknown_host would_store",
            "6 DATABASE_URL not_brokered left",
            "7 AWS_SECRET_ACCESS_KEY not_brokered left",
            "8 API_URL configuration left",
            "9 DEBUG configuration left",
        ]
    );
    assert!(place.names().is_empty(), "nothing is stored by a dry run");
    let result = place.json(&["import", ".env"]);
    assert_eq!(told(&result)[1..3], ["4 GITHUB_TOKEN credential stored", "5 ACME_KEY unknown_host stored"]);
    assert_eq!(place.names(), ["GITHUB_TOKEN", "ACME_KEY"]);
    let entries = result["entries"].as_array().unwrap();
    assert_eq!((&entries[1]["kind"], &entries[1]["bindings"][0]["host"]), (&"github_token".into(), &"api.github.com".into()));
    assert_eq!(entries[2]["next"], "tightlip bind ACME_KEY --host HOST");
    assert!(entries[3]["why"].as_str().unwrap().contains("database protocols are not HTTP"));
    assert!(entries[4]["why"].as_str().unwrap().contains("AWS requests are signed"));
    assert_eq!((&result["replaced"], std::fs::read_to_string(path).unwrap()), (&false.into(), place.text()));
}

#[test]
fn a_person_is_shown_a_table_and_what_comes_next() {
    let place = Place::new();
    place.write(".env", place.text());
    let output = place.run(&["import", ".env"]);
    let table = shown(&output);
    for words in
        ["LINE  NAME", "GitHub token", "may go to api.github.com, github.com", "bind it: tightlip bind ACME_KEY --host HOST", "a number"]
    {
        assert!(table.contains(words), "{words} is missing:\n{table}");
    }
    let notes = said(&output);
    for words in
        ["still stand in .env", "tightlip import .env --update --replace", "tightlip run --secret GITHUB_TOKEN --secret ACME_KEY -- CMD"]
    {
        assert!(notes.contains(words), "{words} is missing:\n{notes}");
    }
}

#[test]
fn a_name_that_exists_is_left_until_an_update_is_asked_for() {
    let place = Place::new();
    place.write(".env", place.text());
    place.json(&["import", ".env", "--only", "GITHUB_TOKEN"]);
    let result = place.json(&["import", ".env", "--replace"]);
    assert_eq!(told(&result)[1..3], ["4 GITHUB_TOKEN credential exists", "5 ACME_KEY unknown_host stored"]);
    assert_eq!((place.versions("GITHUB_TOKEN"), place.versions("ACME_KEY")), (1, 1));
    let text = std::fs::read_to_string(place.folder().join(".env")).unwrap();
    assert!(text.contains(place.github.value()), "what was not stored by this run stays");
    assert!(text.contains("# ACME_KEY is kept by tightlip"));
    let result = place.json(&["import", ".env", "--update", "--replace"]);
    assert_eq!(told(&result)[1], "4 GITHUB_TOKEN credential updated");
    assert_eq!(place.versions("GITHUB_TOKEN"), 2);
    assert!(!std::fs::read_to_string(place.folder().join(".env")).unwrap().contains(place.github.value()));
}

#[test]
fn one_name_of_many_is_looked_at_and_an_absent_one_is_refused() {
    let place = Place::new();
    place.write(".env", place.text());
    assert_eq!(told(&place.json(&["import", ".env", "--only", "ACME_KEY"])), ["5 ACME_KEY unknown_host stored"]);
    let output = place.run(&["import", ".env", "--only", "NO_SUCH_NAME"]);
    assert_eq!(code(&output), 3, "{}", said(&output));
    assert_eq!(place.names(), ["ACME_KEY"]);
}

#[test]
fn what_programs_read_in_different_ways_is_stored_and_stays_in_the_file() {
    let place = Place::new();
    let (github, drawn) = (place.github.value(), place.drawn.value());
    let text = format!("GITHUB_TOKEN={github}#x\nACME_KEY={drawn}\nACME_KEY='{drawn}${{X}}'\nSTRIPE_KEY=${{OTHER}}\n");
    let path = place.write("app.env", &text);
    let result = place.json(&["import", "app.env", "--replace"]);
    assert_eq!(
        told(&result),
        [
            "1 GITHUB_TOKEN credential stored",
            "2 ACME_KEY overruled left",
            "3 ACME_KEY unknown_host stored",
            "4 STRIPE_KEY configuration left"
        ]
    );
    let warnings = |index: usize| result["entries"][index]["warnings"].to_string();
    assert!(warnings(0).contains("libraries for Node end the value"), "{}", warnings(0));
    assert!(
        warnings(2).contains("docker compose and shells put a variable") && warnings(2).contains("stands on line 2 too"),
        "{}",
        warnings(2)
    );
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}

#[test]
fn a_dry_run_needs_no_server_and_starts_none() {
    let place = Place::new();
    place.write(".env", place.text());
    let nowhere = place.folder().join("nowhere");
    let mut command = place.command(&["--json", "import", ".env", "--dry-run"]);
    let output = place.watched(command.env("TIGHTLIP_DATA", &nowhere));
    assert!(output.status.success(), "{}", said(&output));
    assert!(!nowhere.exists());
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(told["warnings"][0].as_str().unwrap().starts_with("no server was asked"), "{told}");
    let mut command = place.command(&["import", ".env", "--dry-run", "--url", "http://127.0.0.1:1"]);
    assert!(place.watched(command.env("TIGHTLIP_API_KEY", "tlk_any")).status.success());
}

#[test]
fn a_placeholder_is_what_a_program_finds_in_the_place_of_an_imported_value() {
    let place = Place::new();
    let text = format!("GREETING=hello\nGITHUB_TOKEN={}\n", place.github.value());
    place.write("app.env", &text);
    place.json(&["import", "app.env", "--replace"]);
    let line = ". ./app.env; echo $GREETING; echo $GITHUB_TOKEN; cat app.env";
    let output = place.run(&["run", "-q", "--secret", "GITHUB_TOKEN", "--", "sh", "-c", line]);
    let lines = shown(&output);
    assert!(lines.starts_with("hello\nghp_"), "{lines}{}", said(&output));
    assert!(lines.contains("# GITHUB_TOKEN is kept by tightlip: tightlip run --secret GITHUB_TOKEN -- CMD"), "{lines}");
}

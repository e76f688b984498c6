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
            "5 ACME_KEY unknown_host left",
            "6 DATABASE_URL not_brokered left",
            "7 AWS_SECRET_ACCESS_KEY not_brokered left",
            "8 API_URL configuration left",
            "9 DEBUG configuration left",
        ]
    );
    assert!(place.names().is_empty(), "nothing is stored by a dry run");
    let result = place.json(&["import", ".env"]);
    assert_eq!(told(&result)[1..3], ["4 GITHUB_TOKEN credential stored", "5 ACME_KEY unknown_host left"]);
    assert_eq!(place.names(), ["GITHUB_TOKEN"]);
    let entries = result["entries"].as_array().unwrap();
    assert_eq!((&entries[1]["kind"], &entries[1]["bindings"][0]["host"]), (&"github_token".into(), &"api.github.com".into()));
    assert_eq!(entries[2]["next"], "tightlip import .env --only ACME_KEY");
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
    for words in [
        "LINE  NAME",
        "GitHub token",
        "may go to api.github.com, github.com",
        "if one is sent it: tightlip import .env --only ACME_KEY",
        "a number",
    ] {
        assert!(table.contains(words), "{words} is missing:\n{table}");
    }
    let notes = said(&output);
    for words in [
        "still stand in .env",
        "tightlip import .env --only GITHUB_TOKEN --update --replace\n",
        "tightlip run --secret GITHUB_TOKEN -- CMD",
    ] {
        assert!(notes.contains(words), "{words} is missing:\n{notes}");
    }
    let named = shown(&place.run(&["import", ".env", "--only", "ACME_KEY"]));
    assert!(named.contains("nowhere yet; bind it: tightlip bind ACME_KEY --host HOST"), "{named}");
}

#[test]
fn a_name_that_exists_is_left_until_an_update_is_asked_for() {
    let place = Place::new();
    place.write(".env", place.text());
    place.json(&["import", ".env", "--only", "GITHUB_TOKEN"]);
    let result = place.json(&["import", ".env", "--replace", "--only", "GITHUB_TOKEN", "--only", "ACME_KEY"]);
    assert_eq!(told(&result), ["4 GITHUB_TOKEN credential exists", "5 ACME_KEY unknown_host stored"]);
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
fn what_no_host_is_known_for_is_neither_stored_nor_taken_out_unless_it_is_named() {
    let place = Place::new();
    let (github, drawn) = (place.github.value(), place.drawn.value());
    let local = "ENCRYPTION_KEY APP_KEY RAILS_MASTER_KEY SECRET_KEY SECRET_KEY_BASE NEXTAUTH_SECRET JWT_SECRET_KEY COOKIE_SECRET VAPID_PRIVATE_KEY \
                 S3_SECRET_ACCESS_KEY MINIO_SECRET_KEY DB_PASS REDIS_PASSWORD MAIL_PASSWORD MYSQL_ROOT_PASSWORD";
    let lines: String = local.split_whitespace().map(|name| format!("{name}={drawn}\n")).collect();
    let path = place.write("app.env", format!("{lines}ACME_KEY={drawn}\nGITHUB_TOKEN={github}\n"));
    let foreseen = place.json(&["import", "app.env", "--dry-run", "--replace"]);
    let would: Vec<&str> = foreseen["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["would_replace"] == true)
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(would, ["GITHUB_TOKEN"]);
    let words = said(&place.run(&["import", "app.env", "--dry-run", "--replace"]));
    assert!(words.contains("would be taken out of app.env: GITHUB_TOKEN\n"), "{words}");
    let result = place.json(&["import", "app.env", "--replace", "--update"]);
    for (index, name) in local.split_whitespace().enumerate() {
        assert_eq!(told(&result)[index], format!("{} {name} not_brokered left", index + 1));
    }
    assert_eq!(place.names(), ["GITHUB_TOKEN"]);
    let comment = "# GITHUB_TOKEN is kept by tightlip: tightlip run --secret GITHUB_TOKEN -- CMD";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{lines}ACME_KEY={drawn}\n{comment}\n"));
    assert_eq!(place.json(&["import", "app.env", "--replace", "--only", "ACME_KEY"])["entries"][0]["replaced"], true);
}

#[test]
fn the_command_that_comes_next_names_what_this_run_stored_and_nothing_else() {
    let place = Place::new();
    place.write(".env", place.text());
    let words = said(&place.run(&["import", ".env", "--only", "GITHUB_TOKEN"]));
    assert!(words.contains("take them out: tightlip import .env --only GITHUB_TOKEN --update --replace\n"), "{words}");
}

#[test]
fn a_key_that_may_write_and_not_read_updates_and_creates() {
    let place = Place::new();
    place.write(".env", place.text());
    place.json(&["import", ".env", "--only", "GITHUB_TOKEN"]);
    let key = place.json(&["key", "create", "--scope", "secrets"]);
    let mut command = place.command(&["--json", "import", ".env", "--update", "--only", "GITHUB_TOKEN", "--only", "ACME_KEY"]);
    let output = place.watched(command.env("TIGHTLIP_API_KEY", key["key"].as_str().unwrap()));
    assert!(output.status.success(), "{}", said(&output));
    let result = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told(&result), ["4 GITHUB_TOKEN credential updated", "5 ACME_KEY unknown_host stored"]);
    assert_eq!((place.versions("GITHUB_TOKEN"), place.versions("ACME_KEY")), (2, 1));
}

#[test]
fn what_programs_read_in_different_ways_is_stored_and_stays_in_the_file() {
    let place = Place::new();
    let (github, drawn) = (place.github.value(), place.drawn.value());
    let text = format!("GITHUB_TOKEN={github}#x\nACME_KEY={drawn}\nACME_KEY='{drawn}${{X}}'\nSTRIPE_KEY=${{OTHER}}\n");
    let path = place.write("app.env", &text);
    let result = place.json(&["import", "app.env", "--replace", "--only", "GITHUB_TOKEN", "--only", "ACME_KEY", "--only", "STRIPE_KEY"]);
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
fn what_shells_read_otherwise_stays_in_the_file_until_quotes_settle_it() {
    let place = Place::new();
    let drawn = place.drawn.value();
    let cases = [
        (format!("{drawn}$NAME"), Some('\'')),
        (format!("{drawn}$$"), Some('\'')),
        (format!("{drawn}$(id)"), Some('\'')),
        (format!("{drawn}$5"), Some('\'')),
        (format!("{drawn}\\n"), Some('\'')),
        (format!("{drawn}\"x\""), Some('\'')),
        (format!("{drawn}`id`"), Some('\'')),
        (format!("{drawn}'s"), Some('"')),
        (format!("{drawn}'$"), None),
        (format!("{drawn}\\\\"), None),
    ];
    for (value, quote) in cases {
        let text = format!("ACME_KEY={value}\n");
        let path = place.write("app.env", &text);
        let shape = value.replace(drawn, "<DRAWN>");
        let run = |more: &[&str]| place.json(&[&["import", "app.env", "--replace", "--update", "--only", "ACME_KEY"][..], more].concat());
        let foreseen = run(&["--dry-run"]);
        assert_eq!(foreseen["entries"][0]["would_replace"], false, "{shape}");
        let result = run(&[]);
        assert_eq!(
            (&result["entries"][0]["done"].as_str().unwrap()[..2], &result["replaced"]),
            (if place.versions("ACME_KEY") == 1 { "st" } else { "up" }, &false.into()),
            "{shape}"
        );
        assert!(std::fs::read_to_string(&path).unwrap() == text, "{shape} was taken out");
        let warning = result["entries"][0]["warnings"][0].as_str().unwrap();
        assert!(warning.contains("it stays in the file"), "{shape}: {warning}");
        let command = "tightlip import app.env --only ACME_KEY --update --replace";
        let words = match quote {
            Some('"') => "write it in double quotes",
            Some(_) => "write it in single quotes",
            None => "take it out by hand",
        };
        assert!(warning.contains(words) && (quote.is_none() || warning.contains(command)), "{shape}: {warning}");
        if let Some(quote) = quote {
            place.write("app.env", format!("ACME_KEY={quote}{value}{quote}\n"));
            assert_eq!(run(&[])["entries"][0]["replaced"], true, "{shape} in quotes");
        }
    }
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

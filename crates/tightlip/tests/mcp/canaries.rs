//! A value typed into any argument of any tool appears nowhere: not in an answer, not in a log, not in an event, not in a file.

use std::path::Path;

use serde_json::{Value, json};
use testkit::Canary;

use crate::http::key;
use crate::road::Road;
use crate::ways::{TOOLS, body, call, inside, over_http, over_stdio, right};

/// Each argument of each tool with the value in its place, one more argument, one that is called so, and a tool that is called so.
fn messages(value: &str) -> Vec<String> {
    let mut messages = vec![call(value, &json!({}))];
    for (tool, arguments) in TOOLS {
        for (argument, _) in arguments.iter().chain(&[("surplus", "")]) {
            let mut with_value = right(tool);
            with_value[*argument] = if *argument == "hosts" || *argument == "methods" { json!([value]) } else { json!(value) };
            messages.push(call(tool, &with_value));
        }
        let mut called_so = right(tool);
        called_so[value] = json!(1);
        messages.push(call(tool, &called_so));
    }
    let mut hidden = right("request_secret");
    hidden["reason"] = json!(format!("we need it for the deployment, it used to be {value} until last week"));
    messages.push(call("request_secret", &hidden));
    let uri = format!("skill://{value}/SKILL.md");
    messages.push(json!({ "jsonrpc": "2.0", "id": 8, "method": "resources/read", "params": { "uri": uri } }));
    messages.push(json!({ "jsonrpc": "2.0", "id": 9, "method": value }));
    messages.iter().map(Value::to_string).collect()
}

fn is_refused(answer: &Value) {
    let code = answer.pointer("/result/structuredContent/code").or_else(|| answer.pointer("/error/data/code"));
    assert_eq!(code, Some(&json!("looks_like_secret")), "{answer}");
}

#[test]
fn a_value_typed_into_anything_appears_nowhere() {
    let road = Road::start(None);
    let canaries = ["ghp_", "sk_live_", ""].map(|prefix| Canary::make(prefix).unwrap());
    let mut shown: Vec<(String, Vec<u8>)> = Vec::new();
    for canary in &canaries {
        let messages = messages(canary.value());
        for message in &messages {
            let answer = over_http(&road, &key(&road.server), message);
            is_refused(&body(&answer));
            shown.push(("the api".to_owned(), answer.into_bytes()));
        }
        let (answers, beside) = over_stdio(&road, None, &messages);
        for answer in answers {
            is_refused(&answer);
            shown.push(("standard output".to_owned(), answer.to_string().into_bytes()));
        }
        shown.push(("standard error".to_owned(), beside.into_bytes()));
        let answers = inside(&road, &[], &messages);
        assert_eq!(answers.len(), messages.len());
        for answer in answers {
            is_refused(&body(&answer));
            shown.push(("a devbox".to_owned(), answer.into_bytes()));
        }
    }
    for arguments in [&["--json", "events"][..], &["requests"], &["--json", "requests"]] {
        shown.push((arguments.join(" "), road.server.call(arguments, b"").unwrap().stdout));
    }
    let (folder, log) = road.server.stop().unwrap();
    assert!(log.len() > 200, "the log at its most talkative says something");
    shown.push(("the log at TRACE".to_owned(), log));
    search(&folder.path().join("data"), &mut shown);
    assert!(shown.iter().any(|(name, _)| name.ends_with("gateway.db")));
    for (name, bytes) in &shown {
        assert!(canaries.iter().all(|canary| !canary.is_in(bytes)), "the value is in {name}");
    }
}

fn search(folder: &Path, shown: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.metadata().unwrap().is_dir() {
            search(&entry.path(), shown);
        } else if entry.metadata().unwrap().is_file() {
            shown.push((entry.path().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()));
        }
    }
}

#[test]
fn bad_input_is_answered_clearly_by_every_way_and_the_line_goes_on() {
    let road = Road::start(None);
    let mut messages = Vec::new();
    for (tool, arguments) in TOOLS {
        for (argument, _) in arguments {
            for wrong in [json!({ "zebra": 1 }), json!("zebra\u{1b}[31m crossing"), json!(-1), json!([[]])] {
                let mut arguments = right(tool);
                arguments[*argument] = wrong;
                messages.push(call(tool, &arguments).to_string());
            }
        }
    }
    let (lines, _) = over_stdio(&road, None, &messages);
    let inside = inside(&road, &[], &messages);
    for (message, (line, devbox)) in messages.iter().zip(lines.iter().zip(&inside)) {
        let api = body(&over_http(&road, &key(&road.server), message));
        for answer in [&api, line, &body(devbox)] {
            let result = &answer["result"];
            assert_eq!(
                (&result["isError"], &result["structuredContent"]["code"]),
                (&json!(true), &json!("argument_illegal")),
                "{message}: {answer}"
            );
            assert!(!answer.to_string().contains("zebra"), "{answer}");
        }
    }
}

//! The page is shown by the client's own means where it has some, and in words where it has none.

use mcp::Tool;
use serde_json::{Value, json};

use crate::table::{Mood, Table, anew, call, call_anew, id, post, right};

const TOOL: &str = Tool::RequestSecret.name();

fn can() -> Value {
    json!({ "elicitation": { "url": {} } })
}

#[tokio::test]
async fn a_client_that_cannot_gets_the_link_and_the_command_in_words() {
    let table = Table::new(Mood::Well);
    let older = (call(TOOL, right(TOOL)), Vec::new());
    let newer = (call_anew(TOOL, right(TOOL), json!({ "elicitation": { "form": {} } })), anew(TOOL).to_vec());
    for (message, headers) in [older, newer] {
        let (_, reply) = post(table.server(), &message, &headers).await;
        let result = &reply["result"];
        assert_eq!(result["structuredContent"]["request"]["entry_url"], "http://127.0.0.1:7080/ui/requests/once", "{reply}");
        assert_eq!(result["structuredContent"]["request"]["command"], format!("tightlip approve {}", id()));
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("http://127.0.0.1:7080/ui/requests/once") && text.contains("tightlip requests"), "{text}");
    }
}

#[tokio::test]
async fn a_client_that_can_is_asked_to_show_the_page_and_comes_back() {
    let table = Table::new(Mood::Well);
    let message = call_anew(TOOL, right(TOOL), can());
    let (status, reply) = post(table.server(), &message, &anew(TOOL)).await;
    let result = &reply["result"];
    assert_eq!((status, &result["resultType"]), (200, &json!("input_required")), "{reply}");
    let asked = &result["inputRequests"]["entry"];
    assert_eq!((&asked["method"], &asked["params"]["mode"]), (&json!("elicitation/create"), &json!("url")), "{reply}");
    assert_eq!(asked["params"]["url"], "http://127.0.0.1:7080/ui/requests/once");
    assert_eq!(result["requestState"], id().as_str());

    for (mood, action, said) in [
        (Mood::Well, "accept", "has still to type the value"),
        (Mood::Well, "decline", "did not open the page"),
        (Mood::Well, "cancel", "did not open the page"),
        (Mood::Granting, "accept", "set it yourself, NEW_TOKEN=<placeholder>"),
    ] {
        *table.mood.lock().unwrap() = mood;
        let mut again = message.clone();
        again["params"]["requestState"] = result["requestState"].clone();
        again["params"]["inputResponses"] = json!({ "entry": { "action": action } });
        let (_, reply) = post(table.server(), &again, &anew(TOOL)).await;
        let text = reply["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text.contains(said), "{action}: {reply}");
        assert_eq!(reply["result"]["structuredContent"]["request"]["entry_url"], Value::Null);
        assert_eq!(reply["result"]["structuredContent"]["request"]["placeholder"].is_string(), mood == Mood::Granting);
    }
}

#[tokio::test]
async fn a_state_that_is_none_of_ours_is_refused() {
    let table = Table::new(Mood::Well);
    for (state, code) in [("zebra", "state_unknown"), ("ghp_abcdEFGH1234ijklMNOP5678qrstUVWX90yz", "looks_like_secret")] {
        let mut message = call_anew(TOOL, right(TOOL), can());
        message["params"]["requestState"] = json!(state);
        let (_, reply) = post(table.server(), &message, &anew(TOOL)).await;
        assert_eq!(reply["result"]["structuredContent"]["code"], code, "{reply}");
        assert!(!reply.to_string().contains(state));
        assert!(table.asked.lock().unwrap().is_empty());
    }
}

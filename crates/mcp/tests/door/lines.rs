//! The door over lines, as a client that starts it sees it.

use mcp::Tool;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};

use crate::table::{Mood, Table, call, right};

struct Client {
    read: BufReader<ReadHalf<DuplexStream>>,
    write: WriteHalf<DuplexStream>,
}

impl Client {
    fn start(table: &std::sync::Arc<Table>) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (input, output) = tokio::io::split(theirs);
        let server = table.server();
        tokio::spawn(async move { mcp::stdio::serve(server, input, output).await });
        let (read, write) = tokio::io::split(ours);
        Self { read: BufReader::new(read), write }
    }

    async fn greet(&mut self, capabilities: Value) {
        let greeting = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": { "name": "test", "version": "1" } } });
        let reply = self.ask(&greeting).await;
        assert_eq!(reply["result"]["protocolVersion"], "2025-11-25", "{reply}");
        self.say(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string().as_bytes()).await;
    }

    async fn say(&mut self, line: &[u8]) {
        self.write.write_all(&[line, b"\n"].concat()).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.read.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    async fn ask(&mut self, message: &Value) -> Value {
        self.say(message.to_string().as_bytes()).await;
        self.hear().await
    }
}

#[tokio::test]
async fn every_tool_answers_over_lines() {
    let table = Table::new(Mood::Well);
    let mut client = Client::start(&table);
    client.greet(json!({})).await;
    for tool in Tool::ALL.map(Tool::name) {
        let reply = client.ask(&call(tool, right(tool))).await;
        assert_eq!(reply["result"]["isError"], false, "{tool}: {reply}");
    }
}

#[tokio::test]
async fn values_and_noise_over_lines_are_refused_without_an_echo_and_the_line_goes_on() {
    let canary = "ghp_abcdEFGH1234ijklMNOP5678qrstUVWX90yz";
    let table = Table::new(Mood::Well);
    let mut client = Client::start(&table);
    client.greet(json!({})).await;
    let refused = client.ask(&call("how_to_use", json!({ "name": canary }))).await;
    assert_eq!(refused["result"]["structuredContent"]["code"], "looks_like_secret", "{refused}");
    let unknown = client.ask(&json!({ "jsonrpc": "2.0", "id": 3, "method": canary })).await;
    assert_eq!((&unknown["id"], &unknown["error"]["data"]["code"]), (&json!(3), &json!("looks_like_secret")), "{unknown}");
    client.say(canary.as_bytes()).await;
    let noise = client.hear().await;
    assert_eq!(noise["error"]["code"], -32700, "{noise}");
    client.say(&vec![b'x'; mcp::limits::MESSAGE_BYTES_MAX + 10]).await;
    let long = client.hear().await;
    assert_eq!(long["error"]["data"]["code"], "body_too_large", "{long}");
    let method = client.ask(&json!({ "jsonrpc": "2.0", "id": 4, "method": "zebra/list" })).await;
    assert_eq!(method["error"]["code"], -32601, "{method}");
    for reply in [refused, unknown, noise, long, method] {
        assert!(!reply.to_string().contains("ghp_") && !reply.to_string().contains("zebra"), "{reply}");
    }
    assert!(table.asked.lock().unwrap().is_empty());
    assert_eq!(client.ask(&call("list_secrets", json!({}))).await["result"]["isError"], false);
}

#[tokio::test]
async fn a_client_that_can_show_a_page_is_asked_to_over_its_session() {
    let table = Table::new(Mood::Well);
    for (action, said) in [("accept", "has still to type the value"), ("decline", "did not open the page")] {
        let mut client = Client::start(&table);
        client.greet(json!({ "elicitation": { "url": {} } })).await;
        let asked = client.ask(&call("request_secret", right("request_secret"))).await;
        assert_eq!((&asked["method"], &asked["params"]["mode"]), (&json!("elicitation/create"), &json!("url")), "{asked}");
        assert_eq!(asked["params"]["url"], "http://127.0.0.1:7080/ui/requests/once");
        let reply = client.ask(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "action": action } })).await;
        let text = reply["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text.contains(said) && !reply.to_string().contains("/ui/requests/"), "{reply}");
    }
}

#[tokio::test]
async fn a_client_that_cannot_gets_words_over_lines() {
    let table = Table::new(Mood::Well);
    let mut client = Client::start(&table);
    client.greet(json!({ "elicitation": {} })).await;
    let reply = client.ask(&call("request_secret", right("request_secret"))).await;
    assert!(reply["result"]["content"][0]["text"].as_str().unwrap_or_default().contains("/ui/requests/once"), "{reply}");
}

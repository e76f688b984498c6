//! Calls of the tools that agents have, over the server's door for them (the Model Context Protocol, 2025-11-25).

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::ClientError;
use crate::transport::Client;

/// What a tool answered.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolAnswer {
    /// Its object.
    pub structured: Value,
    /// Its words.
    pub text: String,
    /// Whether the call came to nothing.
    pub is_error: bool,
}

#[derive(Deserialize)]
struct Reply {
    result: Option<Wire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    structured_content: Value,
    content: Vec<Content>,
    #[serde(default)]
    is_error: bool,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    text: String,
}

impl Client {
    /// Calls a tool.
    ///
    /// # Errors
    /// [`ClientError`]; what the tool itself says is none.
    pub fn call_tool(&self, tool: &str, arguments: Map<String, Value>) -> Result<ToolAnswer, ClientError> {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": arguments } });
        let revision = (REVISION_HEADER, HeaderValue::from_static(REVISION));
        let reply: Reply = self.say("/mcp", message.to_string().into(), revision)?;
        let Wire { structured_content, content, is_error } = reply.result.ok_or(ClientError::Malformed)?;
        // The first says what to do, the second is the object once more.
        let text = content.into_iter().next().map(|content| content.text).unwrap_or_default();
        Ok(ToolAnswer { structured: structured_content, text, is_error })
    }
}

const REVISION: &str = "2025-11-25";
const REVISION_HEADER: HeaderName = HeaderName::from_static("mcp-protocol-version");

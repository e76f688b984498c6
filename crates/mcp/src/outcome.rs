//! What a call came to: an object for programs, and words for models.

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

use crate::trouble::Trouble;

/// What a call came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The object that the tool's output schema describes.
    pub structured: Value,
    /// What it says and what to do next.
    pub text: String,
    /// Whether the call came to nothing.
    pub is_error: bool,
}

impl Outcome {
    /// Something that was done.
    pub(crate) fn done(structured: Value, text: impl Into<String>) -> Self {
        Self { structured, text: text.into(), is_error: false }
    }

    /// The result on the wire: the words, and the object once more as text for clients that read nothing else.
    pub(crate) fn into_result(self) -> CallToolResult {
        let content = vec![ContentBlock::text(self.text), ContentBlock::text(self.structured.to_string())];
        let mut result = if self.is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
        result.structured_content = Some(self.structured);
        result
    }
}

impl From<Trouble> for Outcome {
    fn from(trouble: Trouble) -> Self {
        let (code, message) = (trouble.code().to_owned(), trouble.to_string());
        Self { text: format!("{code}: {message}"), structured: json!({ "code": code, "message": message }), is_error: true }
    }
}

//! The agents' own configuration, as it stands in a devbox's home. No value is in it: at most the end of a placeholder.

use std::path::Path;

use devbox::HomeFile;

/// Claude Code's state: past its first screens, of which one asks for a login, with this key accepted and this folder trusted.
///
/// # Arguments
/// * `placeholder`: it knows an accepted key again by the key's end
/// * `work_dir`: the folder that the devbox is for
pub(super) fn claude(placeholder: &str, work_dir: &Path) -> HomeFile {
    let end = placeholder.len().saturating_sub(KEY_END_CHARS);
    let approved: Vec<&str> = placeholder.get(end..).filter(|end| !end.is_empty()).into_iter().collect();
    let mut projects = serde_json::Map::new();
    projects.insert(work_dir.to_string_lossy().into_owned(), serde_json::json!({ "hasTrustDialogAccepted": true }));
    let state = serde_json::json!({
        "hasCompletedOnboarding": true,
        "customApiKeyResponses": { "approved": approved, "rejected": [] },
        "projects": projects,
        "mcpServers": { "tightlip": { "type": "http", "url": mcp::DEVBOX_URL } },
    });
    HomeFile { path: ".claude.json".to_owned(), text: format!("{state:#}\n") }
}

/// Codex's configuration: a provider with a key from `variable`, no WebSocket, no sandbox within the devbox, this folder trusted.
///
/// # Arguments
/// * `variable`: where the placeholder stands
/// * `base_url`: where requests go, if not to the provider's own address
/// * `work_dir`: the folder that the devbox is for
pub(super) fn codex(variable: &str, base_url: Option<&str>, work_dir: &Path) -> HomeFile {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let text = format!(
        r#"# Written by `tightlip run --agent codex`.
model_provider = "tightlip"
# The devbox is the sandbox: Codex's own needs namespaces, which no command inside may make.
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[analytics]
enabled = false

# They are looked for at hosts that the devbox does not reach.
[features]
plugins = false

[model_providers.tightlip]
name = "OpenAI through tightlip"
base_url = {base_url}
env_key = {variable}
wire_api = "responses"
supports_websockets = false
env_http_headers = {{ "OpenAI-Organization" = "OPENAI_ORGANIZATION", "OpenAI-Project" = "OPENAI_PROJECT" }}

# Which secrets there are, how they are used, and asking for more.
[mcp_servers.tightlip]
url = "{mcp_url}"

[projects.{work_dir}]
trust_level = "trusted"
"#,
        mcp_url = mcp::DEVBOX_URL,
        base_url = quoted(base_url.unwrap_or(OPENAI_URL)),
        variable = quoted(variable),
        work_dir = quoted_key(&work_dir.to_string_lossy()),
    );
    HomeFile { path: ".codex/config.toml".to_owned(), text }
}

/// A key that may hold any character (TOML 1.0, "Keys"): a basic string.
fn quoted_key(text: &str) -> String {
    let mut key = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => key.extend(['\\', c]),
            c if c.is_control() => key.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => key.push(c),
        }
    }
    key.push('"');
    key
}

/// So many characters of a key Claude Code keeps, to know it again.
const KEY_END_CHARS: usize = 20;
const OPENAI_URL: &str = "https://api.openai.com/v1";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn claude_knows_the_placeholder_by_its_end() {
        let file = claude("sk-ant-api03-0123456789abcdefghijklmnop", Path::new("/code/it's \"mine\""));
        let state: serde_json::Value = serde_json::from_str(&file.text).unwrap();
        assert_eq!(state["customApiKeyResponses"]["approved"], serde_json::json!(["6789abcdefghijklmnop"]));
        assert_eq!(state["projects"]["/code/it's \"mine\""]["hasTrustDialogAccepted"], true);
        assert!(claude("", Path::new("/code")).text.contains("\"approved\": []"));
    }

    #[test]
    fn codex_reads_back_what_was_written() {
        for folder in ["/code", "/code/it's \"mine\"", "/code/a\\b\n[c]"] {
            let file = codex("OPENAI_API_KEY", Some("https://proxy.example.com/v1?a='\"b"), Path::new(folder));
            let config: toml::Table = file.text.parse().unwrap();
            let provider = &config["model_providers"]["tightlip"];
            assert_eq!(provider["base_url"].as_str(), Some("https://proxy.example.com/v1?a='\"b"));
            assert_eq!(provider["env_key"].as_str(), Some("OPENAI_API_KEY"));
            assert_eq!(config["projects"][folder]["trust_level"].as_str(), Some("trusted"));
        }
    }
}

//! `cargo xtask openapi`: makes `openapi.json` of `openapi.yaml`, which is written by hand. A test of the api crate holds the two together.

use std::fs;
use std::process::ExitCode;

use anyhow::Context;

use crate::say;

/// Writes the JSON beside the YAML.
pub fn run() -> ExitCode {
    match write() {
        Ok(()) => say(&format!("openapi: wrote {JSON}"), ExitCode::SUCCESS),
        Err(error) => say(&format!("openapi: {error:#}"), ExitCode::FAILURE),
    }
}

fn write() -> anyhow::Result<()> {
    let text = fs::read_to_string(YAML).with_context(|| format!("failed to read {YAML}; run this from the project's root"))?;
    let document: serde_json::Value = serde_saphyr::from_str(&text).with_context(|| format!("{YAML} is no YAML"))?;
    fs::write(JSON, serde_json::to_string_pretty(&document)? + "\n").with_context(|| format!("failed to write {JSON}"))
}

const YAML: &str = "crates/api/openapi.yaml";
const JSON: &str = "crates/api/openapi.json";

//! The Agent Skill that tells an agent how to use secrets which it does not hold: the files of `skills/`, in the program.
//!
//! Whoever hands the skill out takes it from here: the api at `/skills/`, the MCP server, `tightlip run --skill`. What never lives here: I/O, a decision, and
//! anything that is not in the files as they stand.
#![forbid(unsafe_code)]

/// A file of the skill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it lies in the skill's folder: plain names, parted by `/`.
    pub path: &'static str,
    /// What it is (RFC 6838).
    pub media_type: &'static str,
    /// All of it.
    pub text: &'static str,
}

/// What the skill is called, which is also its folder's name (agentskills.io, "`name` field").
pub const NAME: &str = "using-brokered-secrets";

/// Its instructions.
pub const INSTRUCTIONS: File = markdown("SKILL.md", include_str!("../../../skills/using-brokered-secrets/SKILL.md"));
/// What each refusal asks of an agent.
pub const REFUSALS: File =
    markdown("references/refusals.md", include_str!("../../../skills/using-brokered-secrets/references/refusals.md"));
/// How each client is given a placeholder.
pub const CLIENTS: File = markdown("references/clients.md", include_str!("../../../skills/using-brokered-secrets/references/clients.md"));
/// Looks whether all that a placeholder needs is there. For a POSIX shell.
pub const CHECK: File = File {
    path: "scripts/check.sh",
    media_type: "application/x-sh",
    text: include_str!("../../../skills/using-brokered-secrets/scripts/check.sh"),
};

/// Every file of it, the instructions first.
pub const FILES: [File; 4] = [INSTRUCTIONS, REFUSALS, CLIENTS, CHECK];

/// The list of skills, for people and models: Markdown.
pub const LISTING: &str = include_str!("../../../skills/README.md");
/// The list of skills, for programs: each with its name, its description, and its files as they lie in its folder. JSON.
pub const INDEX: &str = include_str!("../../../skills/index.json");

/// What it does and when it is used, as its instructions' head says.
#[must_use]
pub fn description() -> &'static str {
    INSTRUCTIONS.text.lines().find_map(|line| line.strip_prefix("description: ")).unwrap_or_default()
}

const fn markdown(path: &'static str, text: &'static str) -> File {
    File { path, media_type: "text/markdown", text }
}

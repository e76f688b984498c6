//! Coding agents that `run` knows: what each needs inside a devbox. Measured, and told with the reasons in `docs/agents.md`.
//!
//! An agent gets its credential's placeholder, a few variables, a file in the devbox's own home, and its program read-only where that lies outside the
//! system. Nothing of the user's own home goes in, and nothing is written there.

mod files;
mod program;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use devbox::{HomeFile, PROGRAMS_PATH, Program};
use link::cli::{Opened, Wanted};
use model::{EnvName, SecretName};

use super::super::fault::{Exit, Fault};
use super::environment::{self, Given};
use super::skills;
use program::{Found, Unfit};

/// A coding agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Agent {
    /// Claude Code
    Claude,
    /// Codex
    Codex,
}

/// What an agent gets in one devbox.
pub(super) struct Outfit {
    agent: Agent,
    found: Found,
    base_url: Option<String>,
    work_dir: PathBuf,
}

impl Agent {
    /// The agent's own command.
    pub(super) const fn command(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
        }
    }

    /// The secrets to use: the agent's own credential, and what `--secret` names. Where that names one for the agent already, no other is added.
    pub(super) fn wanted(self, named: Option<Vec<Wanted>>) -> Vec<Wanted> {
        let mut wanted = named.unwrap_or_default();
        if self.credential(&wanted).is_none() {
            let name: SecretName = self.usual().parse().expect("the variable of a credential is a name");
            let env: EnvName = self.usual().parse().expect("the variable of a credential is a variable's name");
            wanted.insert(0, Wanted { env, name });
        }
        wanted
    }

    /// Whether a secret is the one that is used unasked.
    pub(super) fn is_usual(self, wanted: &Wanted) -> bool {
        wanted.env.as_str() == self.usual() && wanted.name.as_str() == self.usual()
    }

    /// The variable in which the agent finds its credential.
    fn credential(self, wanted: &[Wanted]) -> Option<&'static str> {
        self.credentials().iter().copied().find(|known| wanted.iter().any(|one| one.env.as_str() == *known))
    }

    /// The variable of the credential that most people have, and the name of the secret that is used unasked.
    const fn usual(self) -> &'static str {
        match self {
            Self::Claude => "ANTHROPIC_API_KEY",
            Self::Codex => "OPENAI_API_KEY",
        }
    }

    /// Where the agent looks for a credential.
    const fn credentials(self) -> &'static [&'static str] {
        match self {
            Self::Claude => &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
            Self::Codex => &["OPENAI_API_KEY", "CODEX_API_KEY"],
        }
    }

    const fn base_url(self) -> &'static str {
        match self {
            Self::Claude => "ANTHROPIC_BASE_URL",
            Self::Codex => "OPENAI_BASE_URL",
        }
    }

    /// What goes in of the user's environment, beside the base URL: names of models and of who pays.
    const fn passed_on(self) -> &'static [&'static str] {
        match self {
            Self::Claude => &[
                "ANTHROPIC_MODEL",
                "ANTHROPIC_DEFAULT_OPUS_MODEL",
                "ANTHROPIC_DEFAULT_SONNET_MODEL",
                "ANTHROPIC_DEFAULT_HAIKU_MODEL",
                "ANTHROPIC_SMALL_FAST_MODEL",
                "CLAUDE_CODE_SUBAGENT_MODEL",
            ],
            Self::Codex => &["OPENAI_ORGANIZATION", "OPENAI_PROJECT"],
        }
    }

    /// What is set: no calls home to hosts that the devbox does not reach, no updates of a program that is read-only, and that this is a sandbox.
    const fn set(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Claude => &[("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"), ("DISABLE_AUTOUPDATER", "1"), ("IS_SANDBOX", "1")],
            Self::Codex => &[],
        }
    }

    /// Where in the home the agent looks for skills.
    pub(super) const fn skills(self) -> &'static str {
        match self {
            Self::Claude => ".claude/skills",
            Self::Codex => skills::SHARED,
        }
    }

    const fn install(self) -> &'static str {
        match self {
            Self::Claude => "npm install -g @anthropic-ai/claude-code",
            Self::Codex => "npm install -g @openai/codex",
        }
    }

    /// What this agent gets.
    ///
    /// # Arguments
    /// * `command`: the user's command, empty for the agent's own
    /// * `given`: what `--env` names; a base URL there goes before the environment's
    /// * `mounted`: what is inside beside the system
    ///
    /// # Errors
    /// Where the agent's own program is needed and cannot be given, or the base URL is none.
    pub(super) fn outfit(self, command: &[OsString], given: &Given, work_dir: &Path, mounted: &[&Path]) -> Result<Outfit, Fault> {
        let base_url = self.checked_base_url(given)?;
        let is_needed = command.first().is_none_or(|first| first == self.command());
        let found = match program::find(self.command(), &search(given).unwrap_or_default(), mounted) {
            Ok(found) => found,
            Err(why) if is_needed => return Err(self.unfit(&why)),
            Err(_) => Found::default(),
        };
        Ok(Outfit { agent: self, found, base_url, work_dir: work_dir.to_owned() })
    }

    /// Where the agent shall send its requests, if not to where it does by itself.
    fn checked_base_url(self, given: &Given) -> Result<Option<String>, Fault> {
        let Some(text) = last(given, self.base_url()).or_else(|| std::env::var_os(self.base_url())).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let url = text.into_string().ok().filter(|url| is_plain_url(url));
        let fault = || {
            Fault::usage(format!("{} is no https:// address, or has a user name in it, which would go in in the open", self.base_url()))
                .next(format!("unset {}, or --env {}=https://HOST/PATH", self.base_url(), self.base_url()))
        };
        url.map(Some).ok_or_else(fault)
    }

    fn unfit(self, why: &Unfit) -> Fault {
        let command = self.command();
        match why {
            Unfit::Missing => Fault::new(Exit::CommandNotFound, format!("failed to run the command: {command} was not found in PATH"))
                .next(self.install()),
            Unfit::Script(path) => Fault::new(
                Exit::CannotStart,
                format!(
                    "failed to run the command: {command} is a script outside any package, {}, and what it starts is not inside",
                    path.display()
                ),
            )
            .next(format!("{}, or give the folder that holds all of it: --ro FOLDER", self.install())),
            Unfit::NoInterpreter => Fault::new(
                Exit::CommandNotFound,
                format!("failed to run the command: {command} is a program for node, which was not found in PATH"),
            )
            .next("install Node.js"),
        }
    }
}

impl Outfit {
    /// The agent.
    pub(super) const fn agent(&self) -> Agent {
        self.agent
    }

    /// The agent's own command.
    pub(super) fn argv(&self) -> Vec<OsString> {
        vec![self.agent.command().into()]
    }

    /// What is mounted read-only for the program.
    pub(super) fn ro(&self) -> &[PathBuf] {
        &self.found.ro
    }

    /// The names by which the program is found.
    pub(super) fn programs(&self) -> Vec<Program> {
        self.found.programs.clone()
    }

    /// The agent's variables, and over them `given`: what `--env` names.
    ///
    /// # Errors
    /// Where one of the user's environment looks like a credential.
    pub(super) fn env(&self, wanted: &[Wanted], given: Given) -> Result<Given, Fault> {
        let mut env: Given = self.agent.set().iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let passed = std::iter::once(self.agent.base_url()).chain(self.agent.passed_on().iter().copied());
        let passed: Vec<OsString> = passed.filter(|name| wanted.iter().all(|one| one.env.as_str() != *name)).map(OsString::from).collect();
        env.extend(environment::given(&passed, wanted)?);
        env.extend(given);
        if !self.found.programs.is_empty() {
            let path = search(&env).unwrap_or_else(|| environment::PATH.into());
            let mut with_ours = OsString::from(PROGRAMS_PATH);
            with_ours.push(":");
            with_ours.push(path);
            env.push(("PATH".into(), with_ours));
        }
        Ok(env)
    }

    /// The files of the home: what the agent would ask a person for at each start, since the home is new.
    pub(super) fn files(&self, wanted: &[Wanted], opened: &Opened) -> Vec<HomeFile> {
        let variable = self.agent.credential(wanted).unwrap_or_default();
        match self.agent {
            Agent::Claude => {
                let token = opened.env.iter().find(|given| given.env.as_str() == variable).map(|given| given.token.as_str());
                vec![files::claude(token.unwrap_or_default(), &self.work_dir)]
            }
            Agent::Codex => vec![files::codex(variable, self.base_url.as_deref(), &self.work_dir)],
        }
    }
}

/// What is given last goes before.
fn last(given: &Given, name: &str) -> Option<OsString> {
    given.iter().rev().find(|(known, _)| known == OsStr::new(name)).map(|(_, value)| value.clone())
}

/// Where programs are looked for.
fn search(given: &Given) -> Option<OsString> {
    last(given, "PATH").or_else(|| std::env::var_os("PATH")).filter(|path| !path.is_empty())
}

fn is_plain_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains('@') && rest.bytes().all(|byte| byte.is_ascii_graphic()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn wanted(pairs: &[(&str, &str)]) -> Vec<Wanted> {
        pairs.iter().map(|(env, name)| Wanted { env: env.parse().unwrap(), name: name.parse().unwrap() }).collect()
    }

    fn shown(wanted: &[Wanted]) -> Vec<String> {
        wanted.iter().map(|one| format!("{}={}", one.env, one.name)).collect()
    }

    #[test]
    fn an_agent_gets_its_own_credential_and_no_other_unasked() {
        assert_eq!(shown(&Agent::Claude.wanted(None)), ["ANTHROPIC_API_KEY=ANTHROPIC_API_KEY"]);
        let named = wanted(&[("GH_TOKEN", "GITHUB_TOKEN")]);
        assert_eq!(shown(&Agent::Codex.wanted(Some(named))), ["OPENAI_API_KEY=OPENAI_API_KEY", "GH_TOKEN=GITHUB_TOKEN"]);
    }

    #[test]
    fn a_credential_that_is_named_is_the_agents() {
        for (agent, env) in
            [(Agent::Claude, "ANTHROPIC_API_KEY"), (Agent::Claude, "CLAUDE_CODE_OAUTH_TOKEN"), (Agent::Codex, "CODEX_API_KEY")]
        {
            let named = wanted(&[(env, "TEAM_KEY")]);
            assert_eq!(shown(&agent.wanted(Some(named))), [format!("{env}=TEAM_KEY")]);
        }
    }

    #[test]
    fn a_base_url_with_a_user_name_in_it_is_refused_without_an_echo() {
        for url in ["https://me:hunter2@proxy.example.com/", "proxy.example.com", "https://", "https://proxy.example.com/\n[x]"] {
            let given = vec![("OPENAI_BASE_URL".into(), url.into())];
            let fault = Agent::Codex.checked_base_url(&given).unwrap_err();
            assert_eq!(fault.exit, Exit::Usage, "{url:?}");
            assert!(!format!("{fault:?}").contains("hunter2"));
        }
        let given = vec![("OPENAI_BASE_URL".into(), "https://proxy.example.com/v1".into())];
        assert_eq!(Agent::Codex.checked_base_url(&given).unwrap().as_deref(), Some("https://proxy.example.com/v1"));
    }

    #[test]
    fn an_agent_that_is_not_installed_is_named_with_its_mend() {
        let given: Given = vec![("PATH".into(), "/nonexistent".into())];
        let outfit = |command: &[OsString]| Agent::Claude.outfit(command, &given, Path::new("/work"), &[]);
        for command in [&[][..], &["claude".into(), "-p".into()]] {
            let fault = outfit(command).err().unwrap();
            assert_eq!((fault.exit, fault.next.as_deref()), (Exit::CommandNotFound, Some("npm install -g @anthropic-ai/claude-code")));
        }
        assert!(outfit(&["./wrapper".into()]).is_ok(), "another command brings its own program");
    }
}

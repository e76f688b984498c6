//! The skill in a devbox's home, where the agent inside looks for skills. Measured with the agents that `run` knows, and told in `docs/agents.md`.

use devbox::HomeFile;

use super::agent::Agent;

/// The skill's files. In a home that is kept they are written where nothing of their name stands.
pub(super) fn files(agent: Option<Agent>) -> Vec<HomeFile> {
    let folder = agent.map_or(SHARED, Agent::skills);
    let file = |file: &skill::File| HomeFile { path: format!("{folder}/{}/{}", skill::NAME, file.path), text: file.text.to_owned() };
    skill::FILES.iter().map(file).collect()
}

/// Where agents of any make look (agentskills.io, "Where to scan").
pub(super) const SHARED: &str = ".agents/skills";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agent_finds_the_skill_in_its_own_folder() {
        let first = |agent| files(agent).first().map(|file| file.path.clone());
        assert_eq!(first(Some(Agent::Claude)).as_deref(), Some(".claude/skills/using-brokered-secrets/SKILL.md"));
        for agent in [None, Some(Agent::Codex)] {
            assert_eq!(first(agent).as_deref(), Some(".agents/skills/using-brokered-secrets/SKILL.md"));
        }
    }
}

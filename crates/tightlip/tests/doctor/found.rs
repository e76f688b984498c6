//! The doctor's words, as its JSON has them.

use std::process::{Command, Output, Stdio};

use crate::world::World;

/// One check: its name, what was found, and what mends it.
#[derive(Clone, Debug)]
pub struct Check {
    pub check: String,
    pub state: String,
    pub found: String,
    pub next: String,
}

/// All checks of one run.
#[derive(Debug)]
pub struct Found {
    pub code: i32,
    pub checks: Vec<Check>,
}

impl Found {
    /// Of a command that is the doctor with `--json`.
    pub fn of(command: &mut Command) -> Self {
        Self::read(&command.stdin(Stdio::null()).output().unwrap())
    }

    /// Of the doctor on this world, with these arguments.
    pub fn on(world: &World, arguments: &[&str]) -> Self {
        let all: Vec<&str> = ["doctor", "--json"].iter().chain(arguments).copied().collect();
        Self::of(&mut world.command(&all))
    }

    pub fn read(output: &Output) -> Self {
        let told: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)));
        let of = |check: &serde_json::Value| {
            let [name, state, found, next] =
                ["check", "state", "found", "next"].map(|key| check[key].as_str().unwrap_or_default().to_owned());
            Check { check: name, state, found, next }
        };
        Self { code: output.status.code().unwrap(), checks: told["checks"].as_array().unwrap().iter().map(of).collect() }
    }

    pub fn of_state(&self, state: &str) -> Vec<&Check> {
        self.checks.iter().filter(|check| check.state == state).collect()
    }

    /// What is broken, which must be exactly one thing; the exit code says so.
    pub fn broken(&self) -> &Check {
        let broken = self.of_state("broken");
        assert!(self.code == 1 && broken.len() == 1, "{self:#?}");
        broken[0]
    }

    /// Nothing is broken.
    pub fn assert_well(&self) {
        assert!(self.code == 0 && self.of_state("broken").is_empty(), "{self:#?}");
    }

    /// A check in this state.
    pub fn find(&self, check: &str, state: &str) -> &Check {
        self.of_state(state).into_iter().find(|one| one.check == check).unwrap_or_else(|| panic!("no {check} in {self:#?}"))
    }
}

impl Check {
    /// The check, words of what was found, and words of what mends it.
    pub fn assert(&self, check: &str, found: &str, next: &str) {
        assert!(self.check == check && self.found.contains(found) && self.next.contains(next), "{self:#?}");
    }
}

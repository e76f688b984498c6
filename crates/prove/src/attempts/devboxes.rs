//! Another devbox: tokens that are not its own, that have ended, or that were guessed.

use super::Channel::Devboxes;
use super::{Attempt, outside};
use crate::answer::{Answer, is_answered};
use crate::probe::{ATTEMPT_HEADER, NARROW_ENV};
use crate::scene::{ECHO, Scene, needs, obtained};

pub(super) const ATTEMPTS: &[Attempt] = &[
    outside("the token of a devbox that runs, used in another", Devboxes, 17, of_another),
    outside("the token of a devbox that has ended", Devboxes, 17, of_an_ended),
    outside("the token of a secret that was deleted", Devboxes, 17, of_a_deleted),
    outside("the token of a devbox whose API key was revoked", Devboxes, 17, of_a_revoked_key),
    outside("the token of a secret that was rotated", Devboxes, 18, of_a_rotated),
    outside("the token of a secret that was unbound from the host", Devboxes, 18, of_an_unbound),
    outside("a token with its last letter changed", Devboxes, 24, almost),
    outside("tokens that look like the kind's", Devboxes, 24, made_up),
    outside("the token as an API key", Devboxes, 22, as_api_key),
    outside("another devbox's processes, files and sockets", Devboxes, 21, neighbours),
    outside("what a devbox left behind for the next", Devboxes, 21, left_behind),
    outside("a devbox of the API: everything that it can read", Devboxes, 21, hosted),
];

const AGENTS: &str = "GITHUB_TOKEN";
const BOUND: &str = "api.github.com";

/// The token in a devbox that holds another secret and may reach the host.
fn abroad(scene: &Scene<'_>, token: &str) -> anyhow::Result<Vec<u8>> {
    scene.ask_from_devbox(&["--secret", NARROW_ENV, "--allow", BOUND], NARROW_ENV, &[(BOUND, ECHO)], Some(token), None)
}

fn of_another(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let (id, token) = scene.lasting(AGENTS, None)?;
    let shown = abroad(scene, &token)?;
    scene.shown(&["devbox", "shutdown", &id], "")?;
    Ok(shown)
}

fn of_an_ended(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let (id, token) = scene.lasting(AGENTS, None)?;
    scene.server.expect(&["devbox", "shutdown", &id], b"")?;
    abroad(scene, &token)
}

/// A devbox with a secret of its own, something that happens to the secret, and the token used afterwards. `banned` must not arrive at the host from then on.
fn after(
    scene: &Scene<'_>,
    name: &str,
    key: Option<&str>,
    banned: &str,
    happens: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<u8>> {
    let (id, _) = scene.lasting(name, key)?;
    needs("curl")?;
    let line = format!("curl -sSi -m 12 https://{BOUND}/echo -H \"Authorization: Bearer ${name}\" -H \"X-Note: {name}\"");
    let before = scene.answered(&id, &line, 1)?;
    let is_used = scene.upstream.records().into_iter().any(|record| record.holds(name) && record.holds(banned));
    anyhow::ensure!(is_used, "the token was not swapped before anything happened: {}", String::from_utf8_lossy(&before));
    happens()?;
    let mark = scene.upstream.records().len();
    let shown = scene.answered(&id, &line, 1)?;
    let arrived = scene.upstream.records().into_iter().skip(mark).filter(|record| record.holds(name) && record.holds(banned));
    scene.shown(&["devbox", "shutdown", &id], "")?;
    Ok(arrived.fold([before, shown].concat(), |shown, record| [shown, record.bytes].concat()))
}

fn of_a_deleted(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    scene.store("DELETED_TOKEN", &scene.values.spare)?;
    after(scene, "DELETED_TOKEN", None, &scene.values.spare, || scene.server.expect(&["secret", "delete", "DELETED_TOKEN"], b"").map(drop))
}

fn of_a_revoked_key(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    scene.store("REVOKED_TOKEN", &scene.values.spare)?;
    let made = scene.server.expect(&["key", "create", "--name", "runner", "--scope", "read,devbox", "--json"], b"")?;
    let made: serde_json::Value = serde_json::from_str(&made)?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let (id, key) = (text(&made["api_key"]["id"]), text(&made["key"]));
    anyhow::ensure!(key.starts_with("tlk_"), "no key was made");
    after(scene, "REVOKED_TOKEN", Some(&key), &scene.values.spare, || scene.server.expect(&["key", "revoke", &id], b"").map(drop))
}

/// The old value was the host's until now; what must not be is that it goes there again.
fn of_a_rotated(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    scene.store("ROTATED_TOKEN", &scene.values.rotated)?;
    after(scene, "ROTATED_TOKEN", None, &scene.values.rotated, || scene.store("ROTATED_TOKEN", &scene.values.spare))
}

fn of_an_unbound(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    scene.store("UNBOUND_TOKEN", &scene.values.kindless)?;
    scene.server.expect(&["bind", "UNBOUND_TOKEN", "--host", BOUND], b"")?;
    after(scene, "UNBOUND_TOKEN", None, &scene.values.kindless, || {
        scene.server.expect(&["unbind", "UNBOUND_TOKEN", "--host", BOUND], b"").map(drop)
    })
}

/// Guesses at a devbox's own token, where the right one is swapped. `{T}` and the like stand for parts of the right one.
fn guessed(scene: &Scene<'_>, guesses: &[&str]) -> anyhow::Result<Vec<u8>> {
    let known = scene.use_secret(AGENTS, BOUND, None)?;
    anyhow::ensure!(String::from_utf8_lossy(&obtained(&known)).contains(" 200 "), "the right token is not swapped here");
    let request = |guess: &&str| ECHO.replace("{A}", &format!("{ATTEMPT_HEADER}: {}\r\n", scene.foreign())).replace("{T}", guess);
    let requests: Vec<String> = guesses.iter().map(request).collect();
    let asked: Vec<(&str, &str)> = requests.iter().map(|request| (BOUND, request.as_str())).collect();
    let mark = scene.upstream.records().len();
    let shown = scene.ask_from_devbox(&["--secret", AGENTS], AGENTS, &asked, None, None)?;
    let arrived = scene.upstream.records().into_iter().skip(mark).filter(|record| record.holds(&scene.foreign()));
    Ok(arrived.fold(shown, |shown, record| [shown, record.bytes].concat()))
}

fn almost(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    guessed(scene, &["{TX}", "{T1}", "{T2}", "{T2}{T1}"])
}

fn made_up(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    guessed(
        scene,
        &["ghp_000000000000000000000000000000000000", "gws_0000000000000000000000000000000000000000000", "GITHUB_TOKEN", "$GITHUB_TOKEN"],
    )
}

fn as_api_key(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let (id, token) = scene.lasting(AGENTS, None)?;
    let mut out = Vec::new();
    for path in ["/v1/secrets", "/v1/secrets/GITHUB_TOKEN", "/v1/events", "/metrics"] {
        out.extend(scene.ask_api(&format!("GET {path}\r\nAuthorization: Bearer {token}"), "")?);
    }
    scene.shown(&["devbox", "shutdown", &id], "")?;
    Ok(out)
}

fn neighbours(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let (id, _) = scene.lasting(AGENTS, None)?;
    let line = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/net/unix; ls -laR /home /tmp /dev/shm; cat /dev/shm/* /tmp/*; ipcs -a";
    let shown = scene.devbox(&["--secret", NARROW_ENV], line)?;
    scene.shown(&["devbox", "shutdown", &id], "")?;
    Ok(shown)
}

fn left_behind(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let leave = "for d in /tmp /dev/shm ~ /var/tmp; do env >$d/left 2>/dev/null; done; curl -sS -m 12 -o /tmp/answer -w 'answered:%{http_code}\\n' https://api.github.com/echo -H \"Authorization: Bearer $GITHUB_TOKEN\"";
    needs("curl")?;
    let first = scene.devbox(&["--secret", AGENTS], leave)?;
    anyhow::ensure!(is_answered(&first, Answer::Http), "nothing was left behind: {}", String::from_utf8_lossy(&first));
    let second = scene.devbox(&["--secret", NARROW_ENV], "cat /tmp/* /dev/shm/* ~/* /var/tmp/*; ls -la /tmp /dev/shm ~ /var/tmp")?;
    Ok([first, second].concat())
}

fn hosted(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let (id, _) = scene.lasting(AGENTS, None)?;
    let line = "env; set; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; find / -xdev -type f -size -256k -not -path '/usr/*' -exec cat {} + 2>/dev/null | head -c 4000000";
    let shown = scene.ran(&id, line)?;
    let seen = scene.shown(&["devbox", "get", &id, "--json"], "")?;
    scene.shown(&["devbox", "shutdown", &id], "")?;
    Ok([shown, seen].concat())
}

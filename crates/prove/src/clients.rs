//! Ordinary clients: each uses the token as it should be used. What protects against everything and serves nobody would pass every attempt.

use crate::outcome::Outcome;
use crate::probe::Knowledge;
use crate::shell;

/// A client.
pub struct Client {
    /// Its name.
    pub name: &'static str,
    /// The programs that it needs.
    needs: &'static [&'static str],
    /// Its line; none is our own.
    line: Option<&'static str>,
    /// What it shows when it got through.
    shows: &'static str,
}

/// All of them.
pub const ALL: &[Client] = &[
    Client { name: "our own, over rustls", needs: &[], line: None, shows: RIGHT },
    client("curl", &["curl"], "$C \"$BASE/user\" -H \"Authorization: Bearer $GITHUB_TOKEN\""),
    client("curl over HTTP/1.1", &["curl"], "$C --http1.1 \"$BASE/user\" -u \"x-access-token:$GITHUB_TOKEN\""),
    Client {
        name: "git",
        needs: &["git"],
        line: Some("git ls-remote \"https://x-access-token:$GITHUB_TOKEN@$BOUND/repo.git\""),
        shows: "refs/heads/main",
    },
    client("wget", &["wget"], "wget -q -T 10 -t 1 -O - \"$BASE/user\" --header \"Authorization: Bearer $GITHUB_TOKEN\""),
    client(
        "python urllib",
        &["python3"],
        "python3 -c 'import os, urllib.request as u; print(u.urlopen(u.Request(os.environ[\"BASE\"]+\"/user\", headers={\"Authorization\": \"Bearer \"+os.environ[\"GITHUB_TOKEN\"]}), timeout=12).read().decode())'",
    ),
    client(
        "python requests",
        &["python3"],
        "python3 -c 'import requests' 2>/dev/null || exec echo 'it is not there'; python3 -c 'import os, requests; print(requests.get(os.environ[\"BASE\"]+\"/user\", headers={\"Authorization\": \"Bearer \"+os.environ[\"GITHUB_TOKEN\"]}, timeout=12).text)'",
    ),
    client(
        "node",
        &["node"],
        "node -e 'fetch(process.env.BASE+\"/user\", {headers: {authorization: \"Bearer \"+process.env.GITHUB_TOKEN}}).then((r) => r.text()).then(console.log, console.log)'",
    ),
    client(
        "openssl s_client",
        &["openssl"],
        "(printf 'GET /user HTTP/1.1\\r\\nHost: %s\\r\\nAuthorization: Bearer %s\\r\\nConnection: close\\r\\n\\r\\n' \"$BOUND\" \"$GITHUB_TOKEN\"; sleep 1) | timeout 12 openssl s_client -quiet -ign_eof -connect \"$BOUND:443\" -servername \"$BOUND\" 2>/dev/null",
    ),
    client("gh", &["gh"], "GH_TOKEN=$GITHUB_TOKEN GH_PROMPT_DISABLED=1 timeout 12 gh api user"),
];

const fn client(name: &'static str, needs: &'static [&'static str], line: &'static str) -> Client {
    Client { name, needs, line: Some(line), shows: RIGHT }
}

impl Client {
    /// Uses it.
    pub(crate) fn use_it(&self, knowledge: &Knowledge) -> Outcome {
        let Some(line) = self.line else {
            let request = "GET /user HTTP/1.1\r\nHost: {H}\r\nAuthorization: Bearer {T}\r\nConnection: close\r\n\r\n";
            return Outcome::Tried(knowledge.ask_bytes(&knowledge.bound, &knowledge.fill("client", &knowledge.bound, request)).shown());
        };
        match shell::run_line(knowledge, "client", self.needs, line) {
            Outcome::Tried(said) if String::from_utf8_lossy(&said).contains(NOT_THERE) => {
                Outcome::NotTried("its library is not there".to_owned())
            }
            told @ (Outcome::Tried(_) | Outcome::NotTried(_) | Outcome::Unanswered(_)) => told,
        }
    }

    /// Whether what it showed says that it got through.
    #[must_use]
    pub fn got_through(&self, shown: &[u8]) -> bool {
        String::from_utf8_lossy(shown).contains(self.shows)
    }
}

const RIGHT: &str = "\"authorized\":true";
const NOT_THERE: &str = "it is not there";

//! Kinds: what a value looks like, whom it belongs to, and what its placeholder looks like.
//!
//! Only shapes and names stand here; recognising a value by them is the vault's verb. Package registries have shapes and no hosts: which registry a token
//! belongs to is for `tightlip bind` to say.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind's stable id, as in `github_token`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct KindId(&'static str);

/// One entry of the catalogue.
#[derive(Debug)]
pub struct Kind {
    /// Its stable id.
    pub id: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// How such values begin, and how long they are; the longest beginning that fits decides.
    pub shapes: &'static [Shape],
    /// Names by which a value of unknown shape is recognised.
    pub names: &'static [&'static str],
    /// Whether and where such a value can be swapped.
    pub brokering: Brokering,
}

/// How a value begins and how long it usually is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its first characters.
    pub prefix: &'static str,
    /// Its whole length in characters, for the placeholder; 0 where lengths vary.
    pub length: usize,
}

/// Whether swapping serves a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brokering {
    /// Bound by default to these hosts, port 443, form `auto`.
    Hosts(&'static [&'static str]),
    /// Can be swapped, but only `bind` knows where.
    BindFirst,
    /// Cannot be swapped; the text says why and what to do.
    NotBrokered(&'static str),
}

impl KindId {
    /// The id as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// The id of a known kind.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        CATALOGUE.iter().find(|kind| kind.id == text).map(|kind| Self(kind.id))
    }

    /// The catalogue's entry.
    #[must_use]
    pub fn kind(self) -> Option<&'static Kind> {
        CATALOGUE.iter().find(|kind| kind.id == self.0)
    }
}

impl<'de> Deserialize<'de> for KindId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::find(&text).ok_or_else(|| serde::de::Error::custom("unknown kind"))
    }
}

impl fmt::Display for KindId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Kind {
    /// The kind's id.
    #[must_use]
    pub const fn id(&self) -> KindId {
        KindId(self.id)
    }
}

const fn shape(prefix: &'static str, length: usize) -> Shape {
    Shape { prefix, length }
}

/// Headers, beside `Authorization`, in which a token is looked for, in lower case.
pub const CREDENTIAL_HEADERS: [&str; 7] =
    ["authorization", "x-api-key", "api-key", "private-token", "x-goog-api-key", "x-auth-token", "dd-api-key"];

const AWS: &str = "AWS requests are signed with the key inside the client, so a swapped key would only make wrong signatures; \
                   use short-lived credentials from your cloud's workload identity instead";
const SIGNING: &str = "this key signs inside the client and never stands in a request, so there is nothing to swap; \
                       keep it in a service outside the devbox that signs";
const DATABASE: &str = "database protocols are not HTTP, so the gateway cannot swap the password; put an HTTP API in front of the database";
const SSH: &str = "SSH proves possession of the key inside the client, so there is nothing to swap; use an https remote with a token";

/// Every kind, in the order in which names decide (shapes decide first).
pub static CATALOGUE: &[Kind] = &[
    Kind {
        id: "github_token",
        title: "GitHub token",
        shapes: &[shape("ghp_", 40), shape("gho_", 40), shape("ghu_", 40), shape("ghs_", 40), shape("ghr_", 80), shape("github_pat_", 93)],
        names: &["GITHUB_TOKEN", "GH_TOKEN", "GITHUB_PAT"],
        brokering: Brokering::Hosts(&[
            "api.github.com",
            "github.com",
            "uploads.github.com",
            "gist.github.com",
            "raw.githubusercontent.com",
        ]),
    },
    Kind {
        id: "gitlab_token",
        title: "GitLab token",
        shapes: &[shape("glpat-", 26), shape("gldt-", 25)],
        names: &["GITLAB_TOKEN"],
        brokering: Brokering::Hosts(&["gitlab.com"]),
    },
    Kind {
        id: "anthropic_api_key",
        title: "Anthropic API key",
        shapes: &[shape("sk-ant-api03-", 108), shape("sk-ant-", 108)],
        names: &["ANTHROPIC_API_KEY", "CLAUDE_API_KEY"],
        brokering: Brokering::Hosts(&["api.anthropic.com"]),
    },
    Kind {
        id: "openrouter_api_key",
        title: "OpenRouter API key",
        shapes: &[shape("sk-or-v1-", 73)],
        names: &["OPENROUTER_API_KEY"],
        brokering: Brokering::Hosts(&["openrouter.ai"]),
    },
    Kind {
        id: "openai_api_key",
        title: "OpenAI API key",
        shapes: &[shape("sk-proj-", 164), shape("sk-svcacct-", 167), shape("sk-admin-", 164), shape("sk-", 51)],
        names: &["OPENAI_API_KEY"],
        brokering: Brokering::Hosts(&["api.openai.com"]),
    },
    Kind {
        id: "groq_api_key",
        title: "Groq API key",
        shapes: &[shape("gsk_", 56)],
        names: &["GROQ_API_KEY"],
        brokering: Brokering::Hosts(&["api.groq.com"]),
    },
    Kind {
        id: "google_api_key",
        title: "Google AI API key",
        shapes: &[shape("AIza", 39)],
        names: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        brokering: Brokering::Hosts(&["generativelanguage.googleapis.com"]),
    },
    Kind {
        id: "huggingface_token",
        title: "Hugging Face token",
        shapes: &[shape("hf_", 37)],
        names: &["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"],
        brokering: Brokering::Hosts(&["huggingface.co"]),
    },
    Kind {
        id: "stripe_secret_key",
        title: "Stripe secret key",
        shapes: &[shape("sk_live_", 107), shape("sk_test_", 107), shape("rk_live_", 107), shape("rk_test_", 107)],
        names: &["STRIPE_SECRET_KEY", "STRIPE_API_KEY"],
        brokering: Brokering::Hosts(&["api.stripe.com", "files.stripe.com"]),
    },
    Kind {
        id: "slack_token",
        title: "Slack token",
        shapes: &[shape("xoxb-", 56), shape("xoxp-", 76), shape("xapp-", 110)],
        names: &["SLACK_TOKEN", "SLACK_BOT_TOKEN"],
        brokering: Brokering::Hosts(&["slack.com", "files.slack.com"]),
    },
    Kind {
        id: "sendgrid_api_key",
        title: "SendGrid API key",
        shapes: &[shape("SG.", 69)],
        names: &["SENDGRID_API_KEY"],
        brokering: Brokering::Hosts(&["api.sendgrid.com"]),
    },
    Kind {
        id: "linear_api_key",
        title: "Linear API key",
        shapes: &[shape("lin_api_", 48)],
        names: &["LINEAR_API_KEY"],
        brokering: Brokering::Hosts(&["api.linear.app"]),
    },
    Kind {
        id: "notion_token",
        title: "Notion token",
        shapes: &[shape("ntn_", 50)],
        names: &["NOTION_TOKEN", "NOTION_API_KEY"],
        brokering: Brokering::Hosts(&["api.notion.com"]),
    },
    Kind {
        id: "digitalocean_token",
        title: "DigitalOcean token",
        shapes: &[shape("dop_v1_", 71)],
        names: &["DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"],
        brokering: Brokering::Hosts(&["api.digitalocean.com"]),
    },
    Kind {
        id: "datadog_api_key",
        title: "Datadog API key",
        shapes: &[],
        names: &["DD_API_KEY", "DATADOG_API_KEY"],
        brokering: Brokering::Hosts(&["api.datadoghq.com"]),
    },
    Kind {
        id: "npm_token",
        title: "npm registry token",
        shapes: &[shape("npm_", 40)],
        names: &["NPM_TOKEN"],
        brokering: Brokering::BindFirst,
    },
    Kind {
        id: "pypi_token",
        title: "Python index token",
        shapes: &[shape("pypi-", 179)],
        names: &["PYPI_TOKEN", "TWINE_PASSWORD"],
        brokering: Brokering::BindFirst,
    },
    Kind {
        id: "aws_access_key",
        title: "AWS access key",
        shapes: &[shape("AKIA", 20), shape("ASIA", 20)],
        names: &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"],
        brokering: Brokering::NotBrokered(AWS),
    },
    Kind {
        id: "service_account_file",
        title: "cloud service-account file",
        shapes: &[],
        names: &["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CREDENTIALS"],
        brokering: Brokering::NotBrokered(SIGNING),
    },
    Kind {
        id: "ssh_private_key",
        title: "SSH private key",
        shapes: &[shape("-----BEGIN OPENSSH PRIVATE KEY-----", 0)],
        names: &["SSH_PRIVATE_KEY", "SSH_KEY"],
        brokering: Brokering::NotBrokered(SSH),
    },
    Kind {
        id: "private_key",
        title: "private key",
        shapes: &[
            shape("-----BEGIN PRIVATE KEY-----", 0),
            shape("-----BEGIN ENCRYPTED PRIVATE KEY-----", 0),
            shape("-----BEGIN RSA PRIVATE KEY-----", 0),
            shape("-----BEGIN EC PRIVATE KEY-----", 0),
        ],
        names: &["PRIVATE_KEY"],
        brokering: Brokering::NotBrokered(SIGNING),
    },
    Kind {
        id: "signing_secret",
        title: "webhook or token signing secret",
        shapes: &[shape("whsec_", 0)],
        names: &["WEBHOOK_SECRET", "JWT_SECRET", "SIGNING_SECRET", "SESSION_SECRET"],
        brokering: Brokering::NotBrokered(SIGNING),
    },
    Kind {
        id: "database_password",
        title: "database password or URL",
        shapes: &[
            shape("postgres://", 0),
            shape("postgresql://", 0),
            shape("mysql://", 0),
            shape("mongodb://", 0),
            shape("mongodb+srv://", 0),
            shape("redis://", 0),
            shape("rediss://", 0),
        ],
        names: &["DATABASE_URL", "DATABASE_PASSWORD", "DB_PASSWORD", "POSTGRES_PASSWORD", "PGPASSWORD", "MYSQL_PASSWORD", "REDIS_URL"],
        brokering: Brokering::NotBrokered(DATABASE),
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::host::Host;

    #[test]
    fn every_default_host_is_canonical() {
        for kind in CATALOGUE {
            if let Brokering::Hosts(hosts) = kind.brokering {
                assert!(!hosts.is_empty(), "{}", kind.id);
                for host in hosts {
                    assert_eq!(host.parse::<Host>().expect("a host").as_str(), *host);
                }
            }
        }
    }

    #[test]
    fn no_two_kinds_share_an_id_a_name_or_a_shape() {
        let mut seen = HashSet::new();
        for kind in CATALOGUE {
            let shapes = kind.shapes.iter().map(|shape| shape.prefix);
            for word in kind.names.iter().copied().chain(shapes).chain([kind.id]) {
                assert!(seen.insert(word), "{word} stands twice");
            }
            assert_eq!(KindId::find(kind.id).map(KindId::as_str), Some(kind.id));
        }
    }
}

//! The tools: their names, and what each says of itself to clients and models.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool as Described, ToolAnnotations};

use crate::schemas;

/// A tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Which secrets there are.
    ListSecrets,
    /// Where and how one is used.
    HowToUse,
    /// Whether a request with one would pass.
    TestSecret,
    /// What was refused.
    MyRefusals,
    /// Ask for a secret.
    RequestSecret,
    /// Ask for a host.
    RequestAccess,
    /// What became of a request.
    RequestStatus,
}

impl Tool {
    /// Every tool there is, in the order in which they are listed.
    pub const ALL: [Self; 7] = [
        Self::ListSecrets,
        Self::HowToUse,
        Self::TestSecret,
        Self::MyRefusals,
        Self::RequestSecret,
        Self::RequestAccess,
        Self::RequestStatus,
    ];

    /// The tool of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ListSecrets => "list_secrets",
            Self::HowToUse => "how_to_use",
            Self::TestSecret => "test_secret",
            Self::MyRefusals => "my_refusals",
            Self::RequestSecret => "request_secret",
            Self::RequestAccess => "request_access",
            Self::RequestStatus => "request_status",
        }
    }

    /// The names of its arguments, as in its input schema.
    #[must_use]
    pub const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::ListSecrets => &[],
            Self::HowToUse => &["name"],
            Self::TestSecret => &["name", "host", "method", "path"],
            Self::MyRefusals => &["limit"],
            Self::RequestSecret => &["name", "hosts", "form", "reason"],
            Self::RequestAccess => &["name", "host", "methods", "reason"],
            Self::RequestStatus => &["id"],
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::ListSecrets => "List secrets",
            Self::HowToUse => "How to use a secret",
            Self::TestSecret => "Test a secret",
            Self::MyRefusals => "My refusals",
            Self::RequestSecret => "Ask for a secret",
            Self::RequestAccess => "Ask for access",
            Self::RequestStatus => "What became of a request",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::ListSecrets => {
                "The secrets that you may use: their names, the variable that holds each one's placeholder, and the hosts where it works. Values are never shown."
            }
            Self::HowToUse => {
                "Where a secret works and how to send it there: which variable to refer to, in which header, query or body. Read this before the first request with a secret."
            }
            Self::TestSecret => {
                "Whether a request with this secret to this host, method and path would pass the gateway, and if not, why and what mends it. Nothing is sent and nothing \
                 is counted. Without a host: one answer for each place where the secret is bound."
            }
            Self::MyRefusals => "Which of your requests the gateway refused lately, newest first, each with its reason and what mends it.",
            Self::RequestSecret => {
                "Ask a person to enter a secret that is not there yet, for the hosts named. They type the value on a page or in their terminal; it never passes through \
                 you. Gives a request's id: call request_status with it afterwards. Never put a value in an argument."
            }
            Self::RequestAccess => {
                "Ask a person to let a secret be sent to one more host, or, without a name, to let this devbox reach a host. Gives a request's id: call request_status \
                 with it afterwards."
            }
            Self::RequestStatus => {
                "What became of a request of yours: waiting, entered, approved, refused or expired; once a secret is there, the variable and the placeholder to use."
            }
        }
    }

    /// What it does, truly: nothing is ever destroyed, and nothing beyond this tightlip and its people is spoken to.
    fn annotations(self) -> ToolAnnotations {
        let (reads, repeats) = match self {
            Self::ListSecrets | Self::HowToUse | Self::TestSecret | Self::MyRefusals | Self::RequestStatus => (true, true),
            // The same request, with a new link in place of the old one.
            Self::RequestSecret => (false, false),
            Self::RequestAccess => (false, true),
        };
        ToolAnnotations::with_title(self.title()).read_only(reads).destructive(false).idempotent(repeats).open_world(false)
    }

    /// The tool as clients see it.
    pub(crate) fn described(self) -> Described {
        let mut tool = Described::new(self.name(), self.description(), schemas::input(self));
        tool.title = Some(self.title().to_owned());
        tool.output_schema = Some(Arc::<JsonObject>::from(schemas::output(self)));
        tool.annotations = Some(self.annotations());
        tool
    }
}

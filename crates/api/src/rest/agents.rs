//! The door for agents (the Model Context Protocol) at the api: whoever shows an API key asks with that key's rights, which the gateway looks at once more.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::HOST;
use http::{HeaderMap, Method};
use link::agents::AgentVerb;
use mcp::{Answered, Backend, BoxFuture, Server, Unanswered};
use zeroize::Zeroizing;

use crate::call::{Call, Credential, Reading, blocking};
use crate::connection::Scheme;
use crate::desk::Desk;
use crate::front::FrontError;

/// `POST /mcp`
pub(crate) async fn mcp(scheme: Option<Extension<Scheme>>, headers: HeaderMap, call: Call) -> Response {
    let known_by = call.uri.authority().map(|authority| authority.as_str().to_owned());
    let known_by = known_by.or_else(|| headers.get(HOST)?.to_str().ok().map(str::to_owned));
    let (Reading { desk, credential }, message) = match call.reading(|call| Ok(Zeroizing::new(call.body()?.to_vec()))).await {
        Ok(agent) => agent,
        Err(error) => return error.into_response(),
    };
    let Scheme(scheme) = scheme.map_or(Scheme::HTTP, |Extension(scheme)| scheme);
    // It is one of our names, or the request had not come so far.
    let pages = known_by.map(|name| format!("{scheme}://{name}"));
    let server = Server::new(Arc::new(Agents { desk, credential, pages }));
    mcp::http::answer(server, &Method::POST, &headers, &message).await.map(Body::from)
}

/// What answers the holder of an API key.
struct Agents {
    desk: Arc<Desk>,
    credential: Credential,
    /// The address that the caller knows us by.
    pages: Option<String>,
}

impl Backend for Agents {
    fn ask(&self, verb: AgentVerb) -> BoxFuture<'_, Answered> {
        Box::pin(async move {
            let key = self.credential.bearer().map_err(|error| because(error.code(), &error))?;
            self.desk.front.ask_agent(key, verb).await.map_err(|error| match error {
                FrontError::Away => Unanswered::Away,
                FrontError::Failed => because("gateway_failed", &error),
            })
        })
    }

    fn aside(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'_, ()> {
        let done = move || {
            work();
            Ok(())
        };
        // What was not done is not answered.
        Box::pin(async move { blocking(&self.desk, done).await.unwrap_or_default() })
    }

    fn pages(&self) -> Option<String> {
        self.pages.clone()
    }
}

fn because(code: &str, error: &dyn std::error::Error) -> Unanswered {
    Unanswered::Because { code: code.to_owned(), message: error.to_string() }
}

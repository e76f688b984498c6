//! The protocol's server: lists the tools and the skill, and answers calls.

use std::borrow::Cow;
use std::sync::Arc;

use model::RequestId;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, ErrorCode, ErrorData, GetSkillRequestParams,
    GetSkillResult, Implementation, InputRequiredResult, InputResponses, JsonObject, ListResourcesResult, ListSkillsResult,
    ListToolsResult, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::elicitation::{self, Shown, Way};
use crate::outcome::Outcome;
use crate::source::{Backend, Relay, Source};
use crate::tool::Tool;
use crate::trouble::Trouble;
use crate::{arguments, guard, skills, views};

/// The server of one caller.
#[derive(Clone)]
pub struct Server {
    source: Source,
}

impl Server {
    /// One that asks a backend, which knows its caller.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { source: Source::Backend(backend) }
    }

    /// One that passes calls on to another tightlip's door.
    #[must_use]
    pub fn relaying(relay: Arc<dyn Relay>) -> Self {
        Self { source: Source::Relay(relay) }
    }

    /// Does what takes a processor's time where nobody else waits for it. None where it was not done.
    pub(crate) async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        match &self.source {
            Source::Backend(backend) => {
                let (give, done) = oneshot::channel();
                // Whoever asked may be gone.
                backend.aside(Box::new(move || drop(give.send(work())))).await;
                done.await.ok()
            }
            // A process of its client's own.
            Source::Relay(_) => Some(work()),
        }
    }

    /// Does what a call asks, or says why not.
    async fn perform(&self, tool: Tool, arguments: JsonObject) -> Result<Outcome, Trouble> {
        let looked = self.aside(move || (guard::doubt(&arguments), arguments)).await;
        let (doubt, arguments) = looked.ok_or(Trouble::Unexpected)?;
        if let Some(doubt) = doubt {
            return Err(doubt.into());
        }
        let verb = arguments::verb(tool, &arguments)?;
        match &self.source {
            Source::Backend(backend) => views::outcome(tool, backend.ask(verb).await?, backend.pages().as_deref()),
            Source::Relay(relay) => Ok(relay.call(tool.name(), arguments).await?),
        }
    }

    /// A call that comes back with what the person did about the link: the request as it stands now.
    async fn resumed(&self, state: &str, answers: Option<&InputResponses>) -> Result<Outcome, Trouble> {
        let id: RequestId = state.parse().map_err(|_| Trouble::StateUnknown)?;
        let mut arguments = JsonObject::new();
        arguments.insert("id".to_owned(), json!(id.as_str()));
        let outcome = self.perform(Tool::RequestStatus, arguments).await?;
        Ok(elicitation::told(outcome, elicitation::answer(answers)))
    }

    async fn called(&self, request: CallToolRequestParams, context: &RequestContext<RoleServer>) -> Result<CallToolResponse, Trouble> {
        let Some(tool) = Tool::find(&request.name) else { return Err(Trouble::Unexpected) };
        if let (Tool::RequestSecret, Some(state)) = (tool, &request.request_state) {
            return Ok(self.resumed(state, request.input_responses.as_ref()).await?.into_result().into());
        }
        let outcome = self.perform(tool, request.arguments.unwrap_or_default()).await?;
        let link = (tool == Tool::RequestSecret).then(|| elicitation::Link::of(&outcome)).flatten();
        let Some(link) = link else { return Ok(outcome.into_result().into()) };
        match Way::of(context) {
            Way::Words => Ok(outcome.into_result().into()),
            Way::ByResult => Ok(InputRequiredResult::new(Some(link.requests()), Some(link.id)).into()),
            Way::ByRequest => match link.show(context).await {
                Shown::Not => Ok(outcome.into_result().into()),
                shown @ (Shown::Accepted | Shown::Declined) => Ok(elicitation::told(outcome, shown).into_result().into()),
            },
        }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_skills().build();
        ServerConfig::new(capabilities)
            .with_protocol_version(ProtocolVersion::V_2025_11_25)
            .with_server_info(Implementation::new("tightlip", env!("CARGO_PKG_VERSION")).with_title("tightlip"))
            .with_instructions(INSTRUCTIONS)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(REVISIONS)
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = Tool::ALL.map(Tool::described).to_vec();
        Ok(ListToolsResult::with_all_items(tools).with_ttl_ms(skills::FRESH_MS).with_cache_scope(CacheScope::Public))
    }

    fn get_tool(&self, name: &str) -> Option<rmcp::model::Tool> {
        Tool::find(name).map(Tool::described)
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        if Tool::find(&request.name).is_none() {
            return Err(ErrorData::invalid_params(NO_SUCH_TOOL, None));
        }
        let response = self.called(request, &context).await;
        Ok(response.unwrap_or_else(|trouble| Outcome::from(trouble).into_result().into()))
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(skills::resources()).with_ttl_ms(skills::FRESH_MS).with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let read = skills::read(&request.uri).ok_or_else(|| ErrorData::resource_not_found(NO_SUCH_RESOURCE, None))?;
        Ok(read.into())
    }

    async fn list_skills(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        Ok(skills::list())
    }

    async fn get_skill(&self, request: GetSkillRequestParams, _context: RequestContext<RoleServer>) -> Result<GetSkillResult, ErrorData> {
        skills::get(&request.uri).ok_or_else(|| ErrorData::invalid_params(NO_SUCH_RESOURCE, None))
    }

    async fn on_custom_request(&self, _request: CustomRequest, _context: RequestContext<RoleServer>) -> Result<CustomResult, ErrorData> {
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, NO_SUCH_METHOD, None::<Value>))
    }
}

/// What every agent is told before it does anything.
const INSTRUCTIONS: &str = "\
tightlip keeps secrets that you use and never see. A variable such as $GITHUB_TOKEN holds a placeholder, which is right as it is: send it to its host where a \
credential belongs, and the gateway writes the real value in on the way out. Refer to it as $NAME. Never print the environment, ask anybody to paste a key, write a \
key into a file, or turn off TLS checks.\n\
list_secrets says what there is, how_to_use where and how it works, test_secret whether a request would pass, my_refusals why one did not. What is missing, ask for: \
request_secret for a secret that is not there, request_access for one more host; request_status says what became of it. A person decides.\n\
No tool takes or gives a value. A call in which something looks like one is refused; then tell the person to rotate it.";
/// The revisions that this server speaks, oldest first.
const REVISIONS: &[ProtocolVersion] = &[ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];
pub(crate) const NO_SUCH_TOOL: &str = "there is no such tool: tools/list says which there are";
pub(crate) const NO_SUCH_RESOURCE: &str = "there is no such resource: resources/list says which there are";
pub(crate) const NO_SUCH_METHOD: &str = "this server has no such method";

//! One request's life, from top to bottom: greeted, decided, armed, sent, and its reply scrubbed; or refused.

use std::sync::{Arc, Mutex};

use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, Uri};
use hyper::body::Incoming;
use service::{Armed, Candidate};
use vault::{ArmError, Found, arm};

use model::kind::CREDENTIAL_HEADERS;
use model::{Asked, Form, Host, Refusal, Spot, Token};

use crate::base_url::{self, Door};
use crate::body::{Unread, discard, write_body};
use crate::causes::chain;
#[cfg(feature = "faults")]
use crate::faults;
use crate::find::find;
use crate::greet::{Destination, Scheme, greet};
use crate::headers::prepare_request;
use crate::inside;
use crate::leave::Leave;
use crate::listen::Devbox;
use crate::note::{NOTE_HEADER, note};
use crate::overrides::{drop_host_overrides, drop_overrides, names_second_path};
use crate::path::Path;
use crate::query::{find_in, write_query};
use crate::refuse::refuse;
use crate::reply::{ReplyBody, agreement, reply};
use crate::unpoisoned::lock;
use crate::upstream::{RequestBody, Unanswered, Upstream, copy_of};
use crate::upstreams::{Spoken, Upstreams};
use crate::watch::{Live, Ticket};
use crate::websocket::{self, Tunnel};

/// One downstream connection: whose it is, whom it is for, and the upstream connection that it uses.
pub(crate) struct Conversation {
    pub(crate) devbox: Arc<Devbox>,
    /// The one host that the devbox speaks to, or why there is none.
    pub(crate) to: Result<Destination, Refusal>,
    /// Its connections to upstreams.
    upstreams: Upstreams,
    /// What the connection became: it is nobody's until the last reply was written.
    tunnel: Mutex<Option<Tunnel>>,
}

/// What a decision is about.
pub(crate) struct Ask {
    pub(crate) devbox: Arc<Devbox>,
    /// Where the request goes.
    pub(crate) to: Destination,
    pub(crate) method: Method,
    /// The target there.
    pub(crate) uri: Uri,
    /// Its path.
    pub(crate) path: Path,
    pub(crate) headers: HeaderMap,
    pub(crate) live: Arc<Live>,
    /// The gateway through which it goes, where it came by a base URL.
    pub(crate) door: Option<Door>,
    /// The tokens that were found in the body.
    in_body: Mutex<Vec<Token>>,
}

/// A request's head as it may leave.
struct Head {
    uri: Uri,
    headers: HeaderMap,
    /// The tokens that its body is searched for.
    for_body: Vec<Token>,
}

impl Conversation {
    /// One exchange after the other (HTTP/1.1), or many at a time (HTTP/2).
    pub(crate) fn new(devbox: Arc<Devbox>, to: Result<Destination, Refusal>, spoken: Spoken) -> Self {
        Self { devbox, to, upstreams: Upstreams::new(spoken), tunnel: Mutex::default() }
    }

    /// Answers one request: the upstream's reply, or the refusal.
    pub(crate) async fn exchange(&self, request: Request<Incoming>) -> Response<ReplyBody> {
        let mut body = None;
        match self.attempt(request, &mut body).await {
            Ok(response) => response,
            Err(refusal) => {
                discard(body);
                self.refuse(refusal)
            }
        }
    }

    /// What the connection has become, where it is none of HTTP any more.
    pub(crate) fn take_tunnel(&self) -> Option<Tunnel> {
        lock(&self.tunnel).take()
    }

    /// Records a refusal and says it.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Response<ReplyBody> {
        let host: Option<&Host> = self.to.as_ref().ok().map(|to| &to.host);
        if let Some(trouble) = (refusal == Refusal::Undecided).then(|| self.devbox.net.gate.take_trouble()).flatten() {
            tracing::error!("a request could not be decided: {}", chain(&trouble));
        }
        self.devbox.net.gate.refused(&self.devbox.card, refusal, host);
        refuse(refusal)
    }

    /// What was not taken of the request's body stays in `body`.
    async fn attempt(&self, mut request: Request<Incoming>, body: &mut Option<Unread>) -> Result<Response<ReplyBody>, Refusal> {
        let devbox_end = websocket::devbox_end(&mut request);
        let (parts, whole) = request.into_parts();
        *body = Some(Unread::new(whole, &parts));
        let place = self.devbox.room.exchange()?;
        let said = self.to.clone()?;
        let path = greet(&parts, &said)?;
        if inside::is_ours(&said.host) {
            return inside::answer(&self.devbox, &parts, body).await;
        }
        let is_socket = websocket::is_wanted(&parts)?;
        let wants_leave = Leave::is_wanted(&parts);
        let method = parts.method.clone();
        let Decided { ask, mut ticket, head: Head { uri, mut headers, for_body } } = self.decide_on(said, parts, path).await?;
        ticket.hold(place);
        if is_socket {
            websocket::dress(&mut headers);
        }
        let cut = ticket.cut();
        let mut body = tokio::select! {
            biased;
            () = cut.cancelled() => return Err(why_cut(&ask).await),
            body = write_body(&ask, &mut headers, body, for_body, cut.clone()) => body?,
        };
        if wants_leave {
            body.wait_for_leave();
        }
        let request = assemble(method.clone(), &uri, headers, body)?;
        let answered = async {
            if is_socket {
                self.send_alone(&ask, request).await.map(|(response, alone)| (response, Some(alone)))
            } else {
                Ok((self.send(&ask, request).await?, None))
            }
        };
        let (mut response, alone) = tokio::select! {
            biased;
            () = cut.cancelled() => return Err(why_cut(&ask).await),
            answered = answered => answered?,
        };
        match alone {
            Some(upstream) if websocket::is_agreed(&response) => {
                let agreement = agreement(&mut response, &ticket)?;
                *lock(&self.tunnel) = Some(Tunnel::new(devbox_end, &mut response, upstream, ticket));
                Ok(agreement)
            }
            _ => {
                let note = note(&ask, response.status());
                let mut reply = reply(response, &method, ticket, &self.devbox)?;
                if ask.live.may_be_answered_with_values() {
                    self.devbox.tags.veil(&ask.to.host, reply.headers_mut());
                }
                if let Some(note) = note {
                    reply.headers_mut().insert(NOTE_HEADER, note);
                }
                Ok(reply)
            }
        }
    }

    /// Decides at once where all that it takes is in memory; otherwise, and before anything is refused, on a thread that may wait for the databases.
    async fn decide_on(&self, said: Destination, parts: Parts, path: Path) -> Result<Decided, Refusal> {
        if let Ok(decided) = self.devbox.net.gate.at_hand(|| decide_on(&self.devbox, &said, &parts, &path)) {
            return Ok(decided);
        }
        let devbox = Arc::clone(&self.devbox);
        let decided = self.devbox.blocking(move || decide_on(&devbox, &said, &parts, &path)).await;
        decided.unwrap_or(Err(Refusal::Undecided))
    }

    /// Sends a request over a connection of its own, in HTTP/1.1, which is given back with the reply.
    async fn send_alone(&self, ask: &Arc<Ask>, request: Request<RequestBody>) -> Result<(Response<Incoming>, Upstream), Refusal> {
        let place = self.devbox.room.upstream().await?;
        let dialled = self.devbox.net.dialer.dial(&ask.to, Spoken::Http1).await?;
        let mut alone = Upstream::open(dialled, place).await?;
        // Over HTTP/2 it would be another handshake (RFC 8441).
        if matches!(alone, Upstream::Http2(_)) {
            return Err(Refusal::UpgradeUnsupported);
        }
        ask.live.driven_by(alone.driver());
        // Dialling took time.
        if !stands_elsewhere(ask).await {
            return Err(why_cut(ask).await);
        }
        match alone.send(request, &ask.to, self.devbox.net.timeouts.head).await {
            Ok(response) => Ok((response, alone)),
            Err(Unanswered::Unsent(_) | Unanswered::Broken) => Err(Refusal::UpstreamBroken),
            Err(Unanswered::Late) => Err(Refusal::UpstreamTimeout),
        }
    }

    /// Sends a request over a connection that is kept; over a new one where there is none, or it is gone and the request either was not written or may be sent
    /// twice.
    async fn send(&self, ask: &Arc<Ask>, request: Request<RequestBody>) -> Result<Response<Incoming>, Refusal> {
        let mut request = request;
        if let Some(mut kept) = self.upstreams.kept(&ask.to).await {
            let copy = copy_of(&request);
            ask.live.driven_by(kept.driver());
            match kept.send(request, &ask.to, self.devbox.net.timeouts.head).await {
                Ok(response) => {
                    self.upstreams.keep(&ask.to, kept);
                    return Ok(response);
                }
                Err(Unanswered::Unsent(unsent)) => request = *unsent,
                Err(Unanswered::Broken) => request = copy.ok_or(Refusal::UpstreamBroken)?,
                Err(Unanswered::Late) => return Err(Refusal::UpstreamTimeout),
            }
        }
        let mut fresh = self.upstreams.fresh(&self.devbox, &ask.to).await?;
        ask.live.driven_by(fresh.driver());
        // Dialling took time.
        if !stands_elsewhere(ask).await {
            return Err(why_cut(ask).await);
        }
        match fresh.send(request, &ask.to, self.devbox.net.timeouts.head).await {
            Ok(response) => {
                self.upstreams.keep(&ask.to, fresh);
                Ok(response)
            }
            Err(Unanswered::Unsent(_) | Unanswered::Broken) => Err(Refusal::UpstreamBroken),
            Err(Unanswered::Late) => Err(Refusal::UpstreamTimeout),
        }
    }
}

/// A request that may leave.
struct Decided {
    ask: Arc<Ask>,
    ticket: Ticket,
    head: Head,
}

/// Where a request goes, and whether it may; watched from then on.
fn decide_on(devbox: &Arc<Devbox>, said: &Destination, parts: &Parts, path: &Path) -> Result<Decided, Refusal> {
    let door = Door::find(devbox, said)?;
    let mut uri = parts.uri.clone();
    let (to, path) = match &door {
        Some(door) => (door.to(), door.lead(&mut uri, path)?),
        None => (said.clone(), path.clone()),
    };
    let ticket = devbox.watch.enter(to.clone());
    if let Some(door) = &door {
        ticket.live().goes_through(door.clone());
    }
    let live = Arc::clone(ticket.live());
    let (method, headers, in_body) = (parts.method.clone(), parts.headers.clone(), Mutex::default());
    let ask = Arc::new(Ask { devbox: Arc::clone(devbox), to, method, uri, path, headers, live, door, in_body });
    let head = decide(&ask)?;
    Ok(Decided { ask, ticket, head })
}

/// Decides again on a thread that may wait for the databases. A decision that panics is a refusal.
async fn decide_elsewhere(ask: &Arc<Ask>) -> Result<(), Refusal> {
    let asked = Arc::clone(ask);
    let decide_again = move || {
        decide(&asked)?;
        let in_body = lock(&asked.in_body).clone();
        in_body.iter().try_for_each(|token| resolve(&asked, token, Spot::Body).map(drop))
    };
    ask.devbox.blocking(decide_again).await.unwrap_or(Err(Refusal::Undecided))
}

async fn stands_elsewhere(ask: &Arc<Ask>) -> bool {
    let asked = Arc::clone(ask);
    ask.devbox.blocking(move || asked.live.stands(&asked.devbox.net.gate, &asked.devbox.card)).await.unwrap_or(false)
}

/// Whether the request may leave; if so, its head with every token's value in its place. By then the exchange is watched for each value's end, and every
/// reply of the host is scrubbed of it.
fn decide(ask: &Ask) -> Result<Head, Refusal> {
    let Ask { devbox, to, .. } = ask;
    let (gate, card) = (&devbox.net.gate, &devbox.card);
    let mut head = Head { uri: ask.uri.clone(), headers: ask.headers.clone(), for_body: Vec::new() };
    prepare_request(&mut head.headers, to).map_err(|_| Refusal::RequestMalformed)?;
    devbox.tags.unveil(&to.host, &mut head.headers);
    match &ask.door {
        Some(door) => {
            drop_overrides(&mut head.headers);
            base_url::write_credentials(ask, door, &mut head.headers)?;
        }
        None => {
            // Nothing travels unencrypted but where a binding says so, whichever way the request came.
            if to.scheme == Scheme::Http {
                gate.reachable_plainly(card, &to.host, to.port).map_err(|refusal| ended_or(refusal, ask, &head.headers))?;
            }
            gate.reachable(card, &to.host, to.port).map_err(|refusal| ended_or(refusal, ask, &head.headers))?;
            let places = gate.places(card, &to.host, to.port)?;
            if places.is_narrow {
                drop_overrides(&mut head.headers);
            }
            #[cfg(feature = "faults")]
            let places = faults::everywhere(places, &head.headers);
            for found in find(&head.headers, &places.headers, |candidate| ask.lookup(candidate))? {
                write_value(ask, &found, &mut head.headers)?;
            }
            if let Some(uri) = write_query(ask, &places.parameters)? {
                head.uri = uri;
            }
            // What climbs is covered by no binding's path.
            if places.bodies && ask.path != Path::Devious {
                head.for_body = gate.tokens_for_body(card, ask.asked()?)?;
            }
            if ask.live.carries_values() || !head.for_body.is_empty() {
                drop_host_overrides(&mut head.headers);
            }
        }
    }
    settle(ask).map(|()| head)
}

/// Has every reply of the host scrubbed of all that was written for it by now, and looks whether it still stands.
pub(crate) fn settle(ask: &Ask) -> Result<(), Refusal> {
    let Ask { devbox, live, .. } = ask;
    live.renew_plan(&devbox.net.gate, &devbox.card)?;
    // What stands now also stood when the plan was made: the plan knows every value that was written.
    if live.stands(&devbox.net.gate, &devbox.card) { Ok(()) } else { Err(Refusal::Undecided) }
}

/// Why a host that the devbox may not reach is refused: where the request holds a token whose secret or devbox has ended, its bindings ended with it, and
/// that is what the person has to know.
fn ended_or(refusal: Refusal, ask: &Ask, headers: &HeaderMap) -> Refusal {
    let gate = &ask.devbox.net.gate;
    let mut ended = refusal;
    let in_headers = find(headers, &[], |candidate| ask.lookup(candidate)).unwrap_or_default();
    let in_query = find_in(ask.uri.query().unwrap_or_default(), |_| true, |candidate| ask.lookup(candidate)).unwrap_or_default();
    let tokens = in_headers.into_iter().map(|found| found.token).chain(in_query.into_iter().map(|found| found.token));
    for token in tokens.chain(lock(&ask.in_body).clone()) {
        let asked =
            Asked { devbox: &ask.devbox.card.devbox, host: &ask.to.host, port: ask.to.port, method: ask.method.as_str(), path: "/" };
        if let Err(why @ (Refusal::SecretGone | Refusal::TokenEnded)) = gate.resolve(&ask.devbox.card, &token, asked, Spot::Header) {
            ended = why;
        }
    }
    ended
}

/// Resolves one token in a header and writes its value in the binding's form.
fn write_value(ask: &Ask, found: &Found, headers: &mut HeaderMap) -> Result<(), Refusal> {
    let is_credential_header = CREDENTIAL_HEADERS.contains(&found.header.as_str());
    let armed = match resolve_at(ask, &found.token, Spot::Header) {
        // A header that only another secret's binding names: this value's own form does not write there, so the token is as inert as anywhere else.
        Err(Refusal::FormNotBound) if !is_credential_header => return Ok(()),
        other => other?,
    };
    #[cfg(feature = "faults")]
    let is_credential_header = is_credential_header || faults::is_everywhere();
    if *armed.permit.form() == Form::Auto && !is_credential_header {
        return Ok(());
    }
    ask.live.carries(armed.secret, armed.version);
    let armed = arm(armed.value, armed.permit.form(), found, headers);
    #[cfg(feature = "faults")]
    faults::note(headers, &found.header);
    armed.map_err(|error| match error {
        ArmError::Unfit => Refusal::ValueUnfit,
        ArmError::TokenAbsent | ArmError::TooLarge => Refusal::RequestMalformed,
    })
}

/// The value that may be written in place of a token in the query or the body. The exchange is watched for its end from then on.
pub(crate) fn resolve(ask: &Ask, token: &Token, spot: Spot<'_>) -> Result<Armed, Refusal> {
    let armed = resolve_at(ask, token, spot)?;
    ask.live.carries(armed.secret.clone(), armed.version);
    Ok(armed)
}

fn resolve_at(ask: &Ask, token: &Token, spot: Spot<'_>) -> Result<Armed, Refusal> {
    let devbox = &ask.devbox;
    devbox.net.gate.resolve(&devbox.card, token, ask.asked()?, spot).map_err(|refusal| match (refusal, &ask.path) {
        (Refusal::RequestNotBound, Path::Loose) => Refusal::PathAmbiguous,
        (other, _) => other,
    })
}

impl Ask {
    /// What is asked for, as bindings are about it. Of a loose path only its first slash is certain, and of a second path that a header names nothing is judged: a
    /// binding covers these when it covers the whole host.
    ///
    /// # Errors
    /// [`Refusal::PathAmbiguous`] where the path could leave the place that it names.
    pub(crate) fn asked(&self) -> Result<Asked<'_>, Refusal> {
        let path = match &self.path {
            Path::Plain(_) if names_second_path(&self.headers) => "/",
            Path::Plain(path) => path.as_str(),
            Path::Loose => "/",
            Path::Devious => return Err(Refusal::PathAmbiguous),
        };
        let (devbox, host) = (&self.devbox.card.devbox, &self.to.host);
        Ok(Asked { devbox, host, port: self.to.port, method: self.method.as_str(), path })
    }

    /// Whether a text is a token of the devbox.
    pub(crate) fn lookup(&self, candidate: &str) -> Result<Candidate, Refusal> {
        self.devbox.net.gate.lookup(&self.devbox.card, candidate)
    }

    /// The token was found in the body, which is gone when it is asked again why the request may not leave.
    pub(crate) fn note_in_body(&self, token: &Token) {
        lock(&self.in_body).push(token.clone());
    }
}

/// The request as the upstream gets it, without what the gateway's own machinery attached. Its form follows the connection that it is sent over.
fn assemble(method: Method, uri: &Uri, headers: HeaderMap, body: RequestBody) -> Result<Request<RequestBody>, Refusal> {
    let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = target.parse().map_err(|_| Refusal::RequestMalformed)?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Why an exchange was cut: what would be decided now. Where it would be permitted with a newer value, the client may try again.
async fn why_cut(ask: &Arc<Ask>) -> Refusal {
    decide_elsewhere(ask).await.err().unwrap_or(Refusal::UpstreamBroken)
}

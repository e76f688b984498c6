//! `tightlip requests`, `approve`, `refuse`: what agents ask for, and secrets that are bound nowhere with the gateway configs that want them. A person says yes or
//! no, at the gateway.

use std::str::FromStr;

use link::agents::AskedView;
use link::cli::{PairingView, Request};
use model::{Clock, PairingId, RequestId, SecretId};
use serde::Serialize;
use service::SystemClock;

use super::ago::ago;
use super::bind::{destination, form_word, show_changed};
use super::fault::{Exit, Fault};
use super::output::{Output, table};
use super::target::Target;

mod asked;

/// Nothing but the common options.
#[derive(clap::Args)]
#[command(after_help = REQUESTS_EXAMPLES)]
pub(super) struct RequestsArgs {}

/// One request.
#[derive(clap::Args)]
#[command(after_help = APPROVE_EXAMPLES)]
pub(super) struct ApproveArgs {
    /// The request, as `tightlip requests` shows it
    #[arg(value_name = "ID")]
    id: AnyId,
    /// The secret that was stored since an agent asked for one of its name, as `tightlip requests` shows it: bind that one
    #[arg(long, value_name = "SECRET_ID")]
    stored: Option<SecretId>,
}

/// One request.
#[derive(clap::Args)]
#[command(after_help = REFUSE_EXAMPLES)]
pub(super) struct RefuseArgs {
    /// The request, as `tightlip requests` shows it
    #[arg(value_name = "ID")]
    id: AnyId,
}

/// Whose request it is.
#[derive(Clone, Debug)]
enum AnyId {
    /// A gateway config's.
    Pairing(PairingId),
    /// An agent's.
    Asked(RequestId),
}

/// Neither.
#[derive(Debug, thiserror::Error)]
#[error("a request's id is prq_ or req_ and 21 letters or digits: see `tightlip requests`")]
struct AnyIdError;

#[derive(Serialize)]
struct Listed<'a> {
    requests: &'a [PairingView],
    asked: &'a [AskedView],
}

#[derive(Serialize)]
struct Refused<'a> {
    refused: &'a str,
}

impl FromStr for AnyId {
    type Err = AnyIdError;

    fn from_str(text: &str) -> Result<Self, AnyIdError> {
        let pairing = text.parse().map(Self::Pairing);
        pairing.or_else(|_| text.parse().map(Self::Asked)).map_err(|_| AnyIdError)
    }
}

/// Shows what waits to be decided.
pub(super) fn requests(_args: &RequestsArgs, target: &Target, out: &Output) -> Result<(), Fault> {
    let (gate, api_key) = (target.gate()?, target.api_key()?);
    // Whoever has no admin key sees what is asked, and neither links nor codes.
    let admin_key = target.admin_key().ok();
    let waiting = gate.pairings(&Request::Requests { api_key: api_key.clone() })?;
    let mut asked = gate.asked(admin_key.as_deref(), &api_key)?;
    // Where the api is away for a moment, a path is shown instead of an address.
    if let Ok(address) = target.address() {
        asked::complete_links(&mut asked, &address);
    }
    if waiting.is_empty() && asked.is_empty() && !out.json() {
        out.note("nothing waits to be decided");
        return Ok(());
    }
    out.result(&Listed { requests: &waiting, asked: &asked }, || {
        let now = SystemClock.now();
        let of_gateway = |view: &PairingView| {
            [
                view.id.to_string(),
                view.secret.to_string(),
                destination(&view.binding),
                form_word(&view.binding.form),
                view.gateway.as_ref().map_or_else(|| "-".to_owned(), |name| name.as_str().to_owned()),
                view.devbox.to_string(),
                ago(view.created, now),
            ]
        };
        let rows: Vec<_> = waiting.iter().map(of_gateway).chain(asked.iter().map(|view| asked::row(view, now))).collect();
        let lines = table(["ID", "SECRET", "WANTED AT", "AS", "GATEWAY", "BY", "ASKED"], &rows);
        let details: String = asked.iter().map(|view| asked::details(view, admin_key.is_some())).collect();
        format!("{lines}\n{details}\nLet one through: tightlip approve ID. Or not: tightlip refuse ID.")
    });
    Ok(())
}

/// Lets a request through: the secret is bound to where it is wanted, or asked for first where an agent wants one that is not there.
pub(super) fn approve(args: &ApproveArgs, target: &Target, out: &Output) -> Result<(), Fault> {
    let id = match &args.id {
        AnyId::Pairing(_) if args.stored.is_some() => return Err(Fault::usage("--stored is for requests of agents (req_)")),
        AnyId::Pairing(id) => id.clone(),
        AnyId::Asked(id) => return asked::approve(id, args.stored.as_ref(), target, out),
    };
    let gate = target.gate()?;
    let (admin_key, api_key) = (target.admin_key()?, target.api_key()?);
    let views = gate.change(&Request::Approve { admin_key, api_key, id }).map_err(unknown)?;
    match views.first() {
        Some(view) => show_changed(&view.secret_name, &views, out),
        None => out.note("the secret was deleted at this moment"),
    }
    Ok(())
}

/// Does not let a request through.
pub(super) fn refuse(args: &RefuseArgs, target: &Target, out: &Output) -> Result<(), Fault> {
    let gate = target.gate()?;
    let (admin_key, api_key) = (target.admin_key()?, target.api_key()?);
    match &args.id {
        AnyId::Pairing(id) => {
            gate.done(&Request::Refuse { admin_key, api_key, id: id.clone() }, &[]).map_err(unknown)?;
            out.result(&Refused { refused: id.as_str() }, || format!("{id} is refused: the secret stays where it is"));
        }
        AnyId::Asked(id) => {
            let decided = gate.decide(&Request::RefuseAsked { admin_key, api_key, id: id.clone() }).map_err(unknown)?;
            out.result(&Refused { refused: id.as_str() }, || asked::refused(&decided));
        }
    }
    Ok(())
}

fn unknown(fault: Fault) -> Fault {
    if fault.exit == Exit::NotFound { fault.next("tightlip requests") } else { fault }
}

const REQUESTS_EXAMPLES: &str = "\
An agent that lacks a secret, or may not reach a host, asks for it. Each request for a secret comes with a link to the page where its value is typed, and with \
the code that the page wants, which is for this request and its hosts alone. What stands in quotes are the agent's own words.
A devbox that is made with a gateway config and a secret that is bound nowhere makes a request, too. Until it is approved, nothing of the secret leaves.

Examples:
  tightlip requests
  tightlip requests --json";

const APPROVE_EXAMPLES: &str = "\
Where an agent wants a secret that is not there, its value is read from a hidden prompt or from standard input, and stored. The secret is bound to the hosts that \
the request shows, in the form that it shows, as `tightlip bind` would do it, and the agent's devbox is given a placeholder for it.
A secret that somebody stored under that name after the agent had asked is not bound unless you name it, by its id.

Examples:
  tightlip approve req_0UHQpqQ3K0m7W2xT5yBcD
  tightlip approve req_0UHQpqQ3K0m7W2xT5yBcD < key.txt
  tightlip approve req_0UHQpqQ3K0m7W2xT5yBcD --stored sec_0UHQpqQ3K0m7W2xT5yBcD
  tightlip approve prq_0UHQpqQ3K0m7W2xT5yBcD";

const REFUSE_EXAMPLES: &str = "\
The same of a gateway config is not asked again; bind the secret with `tightlip bind` to change your mind. An agent may ask again.

Examples:
  tightlip refuse prq_0UHQpqQ3K0m7W2xT5yBcD
  tightlip refuse req_0UHQpqQ3K0m7W2xT5yBcD";

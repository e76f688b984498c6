//! `tightlip requests`, `approve`, `refuse`: secrets that are bound nowhere, and the gateway configs that want them. A person says yes or no, at the gateway.

use link::cli::{PairingView, Request};
use model::{Clock, PairingId};
use serde::Serialize;
use service::SystemClock;

use super::ago::ago;
use super::bind::{destination, show_changed};
use super::fault::{Exit, Fault};
use super::output::{Output, table};
use super::target::Target;

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
    id: PairingId,
}

/// One request.
#[derive(clap::Args)]
#[command(after_help = REFUSE_EXAMPLES)]
pub(super) struct RefuseArgs {
    /// The request, as `tightlip requests` shows it
    #[arg(value_name = "ID")]
    id: PairingId,
}

#[derive(Serialize)]
struct Listed<'a> {
    requests: &'a [PairingView],
}

#[derive(Serialize)]
struct Refused<'a> {
    refused: &'a PairingId,
}

/// Shows what waits to be decided.
pub(super) fn requests(_args: &RequestsArgs, target: &Target, out: &Output) -> Result<(), Fault> {
    let waiting = target.gate()?.pairings(&Request::Requests { api_key: target.api_key()? })?;
    if waiting.is_empty() && !out.json() {
        out.note("nothing waits to be decided");
        return Ok(());
    }
    out.result(&Listed { requests: &waiting }, || {
        let now = SystemClock.now();
        let row = |view: &PairingView| {
            [
                view.id.to_string(),
                view.secret.to_string(),
                destination(&view.binding),
                view.binding.form.to_string(),
                view.gateway.as_ref().map_or_else(|| "-".to_owned(), |name| name.as_str().to_owned()),
                view.devbox.to_string(),
                ago(view.created, now),
            ]
        };
        let lines =
            table(["ID", "SECRET", "WANTED AT", "AS", "GATEWAY", "BY DEVBOX", "ASKED"], &waiting.iter().map(row).collect::<Vec<_>>());
        format!("{lines}\n\nLet one through: tightlip approve ID. Or not: tightlip refuse ID.")
    });
    Ok(())
}

/// Lets a request through: the secret is bound to where it is wanted.
pub(super) fn approve(args: &ApproveArgs, target: &Target, out: &Output) -> Result<(), Fault> {
    let gate = target.gate()?;
    let (admin_key, api_key) = (target.admin_key()?, target.api_key()?);
    let views = gate.change(&Request::Approve { admin_key, api_key, id: args.id.clone() }).map_err(unknown)?;
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
    gate.done(&Request::Refuse { admin_key, api_key, id: args.id.clone() }, &[]).map_err(unknown)?;
    out.result(&Refused { refused: &args.id }, || format!("{} is refused: the secret stays where it is", args.id));
    Ok(())
}

fn unknown(fault: Fault) -> Fault {
    if fault.exit == Exit::NotFound { fault.next("tightlip requests") } else { fault }
}

const REQUESTS_EXAMPLES: &str = "\
A devbox that is made with a gateway config and a secret that is bound nowhere makes a request. Until it is approved, nothing of the secret leaves.

Examples:
  tightlip requests
  tightlip requests --json";

const APPROVE_EXAMPLES: &str = "\
The secret is bound to the host, port and path that the request shows, in the form that it shows, as `tightlip bind` would do it.

Examples:
  tightlip approve prq_0UHQpqQ3K0m7W2xT5yBcDe";

const REFUSE_EXAMPLES: &str = "\
The same is not asked again. Bind the secret with `tightlip bind` to change your mind.

Examples:
  tightlip refuse prq_0UHQpqQ3K0m7W2xT5yBcDe";

//! `tightlip expose`: whether devboxes of the API are given a secret's value as it is. It gives up, for this secret, what the product is for.

use link::cli::{Exposure, Request};
use model::SecretName;
use serde::Serialize;

use super::bind::missing;
use super::fault::Fault;
use super::output::{Output, red};
use super::target::Target;

/// A secret, and how it is given.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The secret's name
    #[arg(value_name = "NAME")]
    name: SecretName,
    #[command(flatten)]
    how: How,
}

/// One of the two.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct How {
    /// Give its value as it is: whatever runs in a devbox can read it, and send it anywhere that the devbox reaches
    #[arg(long)]
    plain: bool,
    /// Give a placeholder in its place, as is usual
    #[arg(long)]
    brokered: bool,
}

#[derive(Serialize)]
struct Exposed<'a> {
    name: &'a SecretName,
    exposure: Exposure,
}

/// Says how a secret is given to devboxes.
pub(super) fn expose(args: &Args, target: &Target, out: &Output) -> Result<(), Fault> {
    let gate = target.gate()?;
    let (admin_key, api_key) = (target.admin_key()?, target.api_key()?);
    let exposure = if args.how.plain { Exposure::Plain } else { Exposure::Brokered };
    let request = Request::Expose { admin_key, api_key, name: args.name.clone(), exposure };
    gate.done(&request, &[]).map_err(|fault| missing(fault, "tightlip secret list"))?;
    out.result(&Exposed { name: &args.name, exposure }, || match exposure {
        Exposure::Plain => red(&format!("{}: devboxes of the API that are made from now on are given its value", args.name)),
        Exposure::Brokered => format!("{}: devboxes that are made from now on are given a placeholder", args.name),
    });
    Ok(())
}

const EXAMPLES: &str = "\
It holds for devboxes that are made over the API from then on; `tightlip run` gives placeholders always. `tightlip bindings` shows what is exposed.

Examples:
  tightlip expose DATABASE_URL --plain
  tightlip expose DATABASE_URL --brokered";

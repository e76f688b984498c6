//! `tightlip gateway-config`: destinations that devboxes reach by a base URL.

use clap::Subcommand;
use client::GatewayConfigView;
use model::gateway::{Description, Endpoint, HeaderKey, Mechanism};
use model::{Clock, GatewayConfigId, Label};
use serde::Serialize;
use serde_json::{Map, Value, json};
use service::SystemClock;

use super::ago::ago;
use super::fault::{Exit, Fault};
use super::output::{Output, table};
use super::target::Target;

/// The verbs.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a gateway config
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// List gateway configs, newest first; `anthropic` and `openai` are there from the start
    #[command(visible_alias = "ls")]
    List,
    /// Show one gateway config
    #[command(visible_alias = "show")]
    Get(IdArgs),
    /// Change a gateway config
    Update(UpdateArgs),
    /// Delete a gateway config; its base URLs are refused from then on
    #[command(visible_alias = "rm")]
    Delete(IdArgs),
}

/// What it is to be.
#[derive(clap::Args)]
pub(super) struct CreateArgs {
    /// What to call it
    #[arg(value_name = "NAME")]
    name: Label,
    /// Where it leads, such as https://api.example.com/v1
    #[arg(long, value_name = "URL")]
    endpoint: Endpoint,
    /// How the credential is written there: bearer, basic or header:NAME
    #[arg(long = "as", value_name = "FORM", default_value = "bearer", value_parser = mechanism_of)]
    mechanism: Mechanism,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<Description>,
}

/// Which, and what of it.
#[derive(clap::Args)]
pub(super) struct UpdateArgs {
    /// Its id (gwc_...)
    #[arg(value_name = "ID")]
    id: GatewayConfigId,
    /// What to call it
    #[arg(long, value_name = "NAME")]
    name: Option<Label>,
    /// Where it leads
    #[arg(long, value_name = "URL")]
    endpoint: Option<Endpoint>,
    /// How the credential is written there: bearer, basic or header:NAME
    #[arg(long = "as", value_name = "FORM", value_parser = mechanism_of)]
    mechanism: Option<Mechanism>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<Description>,
}

/// An id, and nothing more.
#[derive(clap::Args)]
pub(super) struct IdArgs {
    /// Its id (gwc_...)
    #[arg(value_name = "ID")]
    id: GatewayConfigId,
}

#[derive(Serialize)]
struct List<'a> {
    gateway_configs: &'a [GatewayConfigView],
    total_count: usize,
}

/// Does what `command` says.
pub(super) fn obey(command: Command, target: &Target, out: &Output) -> Result<(), Fault> {
    let client = target.client()?;
    let (view, said) = match command {
        Command::List => return list(&client.gateway_configs()?, out),
        Command::Create(args) => {
            let wanted = fields(Some(args.name), Some(args.endpoint), Some(args.mechanism), args.description);
            (client.create_gateway_config(&wanted)?, "made")
        }
        Command::Update(args) => {
            let wanted = fields(args.name, args.endpoint, args.mechanism, args.description);
            (client.update_gateway_config(&args.id, &wanted).map_err(unknown)?, "changed")
        }
        Command::Get(args) => (client.gateway_config(&args.id).map_err(unknown)?, "is"),
        Command::Delete(args) => (client.delete_gateway_config(&args.id).map_err(unknown)?, "deleted"),
    };
    out.result(&view, || match said {
        "is" => format!(
            "id        {}\nname      {}\nendpoint  {}\nas        {}",
            view.id,
            view.name,
            view.endpoint,
            words(&view.auth_mechanism)
        ),
        said => format!("{said} {} ({}), which leads to {}", view.name, view.id, view.endpoint),
    });
    Ok(())
}

fn list(configs: &[GatewayConfigView], out: &Output) -> Result<(), Fault> {
    out.result(&List { gateway_configs: configs, total_count: configs.len() }, || {
        let now = SystemClock.now();
        let made = |view: &GatewayConfigView| {
            if view.create_time_ms.unix_ms() == 0 { "from the start".to_owned() } else { ago(view.create_time_ms, now) }
        };
        let row = |view: &GatewayConfigView| {
            [view.name.clone(), view.id.to_string(), view.endpoint.to_string(), words(&view.auth_mechanism), made(view)]
        };
        table(["NAME", "ID", "ENDPOINT", "AS", "CREATED"], &configs.iter().map(row).collect::<Vec<_>>())
    });
    Ok(())
}

fn fields(name: Option<Label>, endpoint: Option<Endpoint>, mechanism: Option<Mechanism>, description: Option<Description>) -> Value {
    let mut fields = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(key.to_owned(), value);
        }
    };
    set("name", name.map(|name| json!(name)));
    set("endpoint", endpoint.map(|endpoint| json!(endpoint)));
    set("auth_mechanism", mechanism.map(|mechanism| json!(mechanism)));
    set("description", description.map(|description| json!(description)));
    Value::Object(fields)
}

fn words(mechanism: &Mechanism) -> String {
    match mechanism {
        Mechanism::Bearer => "bearer".to_owned(),
        Mechanism::Basic => "basic".to_owned(),
        Mechanism::Header(key) => format!("header:{key}"),
    }
}

fn mechanism_of(text: &str) -> Result<Mechanism, String> {
    match text.split_once(':') {
        None if text == "bearer" => Ok(Mechanism::Bearer),
        None if text == "basic" => Ok(Mechanism::Basic),
        Some(("header", name)) => name.parse::<HeaderKey>().map(Mechanism::Header).map_err(|error| error.to_string()),
        None | Some(_) => Err("a form is bearer, basic or header:NAME".to_owned()),
    }
}

fn unknown(error: client::ClientError) -> Fault {
    let fault = Fault::from(error);
    if fault.exit == Exit::NotFound { fault.next("tightlip gateway-config list") } else { fault }
}

const CREATE_EXAMPLES: &str = "\
A gateway config permits nothing: a secret's value goes there only where the secret is bound to it. See `tightlip requests` and `tightlip bind`.

Examples:
  tightlip gateway-config create mine --endpoint https://api.example.com/v2
  tightlip gateway-config create search --endpoint https://search.example.com --as header:x-api-key
  tightlip devbox create --gateway MY_API=mine:EXAMPLE_KEY";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_reads_back_as_it_is_shown() {
        for text in ["bearer", "basic", "header:x-api-key"] {
            assert_eq!(mechanism_of(text).map(|mechanism| words(&mechanism)).as_deref(), Ok(text));
        }
        for text in ["", "auto", "basic:user", "header:", "header:host", "cookie:x"] {
            assert!(mechanism_of(text).is_err(), "{text:?}");
        }
    }
}

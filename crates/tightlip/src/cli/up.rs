//! `tightlip up`: the server in the foreground. And the server that other commands start for themselves where none runs.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use link::Packets;
use zeroize::Zeroizing;

use super::fault::{Exit, Fault, chain};
use super::hints::quoted;
use super::output::Output;
use crate::anchor::Rollback;
use crate::config::LISTEN_DEFAULT;
use crate::detached::{self, DetachedError};
use crate::folder::{DataFolder, FolderError};
use crate::root;
use crate::up::{Options, Ready, UpError};

/// Where to serve.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where the API listens [default: the settings file's, then 127.0.0.1:7080]
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Let others' sandboxes out through a forward proxy at this address; see `devbox env` [default: the settings file's, then off]
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    gateway: Option<SocketAddr>,
    /// Derive the root key of a new data folder from a passphrase, which every later start needs; no file holds the key then
    #[arg(long)]
    passphrase: bool,
    /// A file that holds the passphrase, or a pipe [default: $TIGHTLIP_PASSPHRASE_FILE, then a hidden prompt]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Give devboxes of the API's the plain values of secrets that are bound to no host, as Runloop does. Their agents can read them
    #[arg(long)]
    plain_env_for_unbound: bool,
    /// Serve a data folder also where it is older than it was when it was served last, as one that you put back from a copy, or where nothing tells whether it is, as one that you moved
    #[arg(long)]
    accept_rollback: bool,
}

/// Serves until a signal stops it.
pub(super) fn up(args: &Args, data: Option<&Path>, out: &Output) -> Result<i32, Fault> {
    let passphrase = root::Source { wanted: args.passphrase, file: args.passphrase_file.clone(), ask: Some(ask) };
    let options = Options {
        data: data.map(PathBuf::from),
        listen: args.listen,
        gateway: args.gateway,
        idle_exit: None,
        passphrase,
        plain_env_for_unbound: args.plain_env_for_unbound,
        rollback: Rollback::of(args.accept_rollback),
    };
    let ended = crate::up::up(&options, |ready| {
        out.result(ready, || greeting(ready, data));
        Ok(())
    });
    ended.map(|()| 0).map_err(|error| {
        if let UpError::Folder(FolderError::Locked { .. }) = &error {
            return Fault::in_use(chain(&error));
        }
        let code = i32::from(error.exit_code());
        let exits = [Exit::Usage, Exit::NotAuthenticated, Exit::Unreachable, Exit::Tampered];
        Fault::new(exits.into_iter().find(|exit| *exit as i32 == code).unwrap_or(Exit::Failure), chain(&error))
    })
}

/// An address and its port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let host = LISTEN_DEFAULT.ip();
    let example = text.parse::<u16>().map_or(LISTEN_DEFAULT, |port| SocketAddr::new(host, port));
    text.parse().map_err(|_| format!("an address and a port go together, such as {example}"))
}

/// Asks for a passphrase where there is a terminal.
pub(super) fn ask(question: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    rpassword::prompt_password(question).map(|typed| Some(Zeroizing::new(typed.into_bytes())))
}

/// Starts the data folder's server, detached, unless one serves already. It goes when nobody uses it.
pub(super) fn ensure(folder: &DataFolder, out: &Output) -> Result<(), Fault> {
    if folder.is_held() && folder.address().exists() && Packets::connect(&folder.socket()).is_ok() {
        return Ok(());
    }
    let has_passphrase = folder.root_passphrase().exists();
    if has_passphrase && root::named_file().is_none() {
        let fault = Fault::new(Exit::Unreachable, "no server runs, and none starts by itself: the root key comes from a passphrase");
        return Err(fault.next("tightlip up   (in another terminal; it asks for the passphrase)"));
    }
    let is_new = !has_passphrase && !folder.root_key().exists();
    let started = detached::start_detached(folder).map_err(|error| {
        let exit = match error {
            DetachedError::Folder(
                FolderError::NoHome | FolderError::NotText | FolderError::TooLong | FolderError::NotAFolder(_) | FolderError::NotOurs(_),
            ) => Exit::Failure,
            DetachedError::Folder(FolderError::ForeignOwner { .. } | FolderError::Locked { .. } | FolderError::Io { .. })
            | DetachedError::Refused(_)
            | DetachedError::Silent(_)
            | DetachedError::Io(_) => Exit::Unreachable,
        };
        Fault::new(exit, chain(&error)).next("tightlip up   (to see what it says)")
    });
    if started.is_ok() && is_new {
        let (path, root_key) = (folder.path().display(), folder.root_key());
        out.note(&if root_key.exists() {
            format!("tightlip: made the data folder {path}; back up {}, apart from the rest", root_key.display())
        } else {
            format!("tightlip: made the data folder {path}; keep its passphrase: without it no stored value opens again")
        });
    }
    started
}

/// What a person sees when the server is ready.
fn greeting(ready: &Ready, data: Option<&Path>) -> String {
    let program = quoted(&ready.program);
    // Another terminal may not have the variable.
    let is_default = data.is_none() && std::env::var_os("TIGHTLIP_DATA").is_none_or(|value| value.is_empty());
    let option = if is_default { String::new() } else { format!(" --data {}", quoted(&ready.data)) };
    let folder = ready.data.display();
    let mut lines =
        vec![format!("tightlip is ready at {}", ready.url), format!("  data folder  {folder}"), format!("  API key      {folder}/api-key")];
    if let Some(url) = &ready.https_url {
        lines.insert(1, format!("  with TLS     {url}"));
    }
    if let Some(address) = ready.gateway {
        lines.push(format!("  proxy        {address}   (for others' sandboxes: tightlip devbox env)"));
        if !address.ip().is_loopback() {
            lines.push("The way to the proxy is plain HTTP: whoever can read that network can read its credentials.".to_owned());
        }
    }
    if ready.is_open {
        lines.push(
            "Other machines reach it too, over plain HTTP: set `[api] tls_listen` in tightlip.toml, or put a proxy with TLS in front."
                .to_owned(),
        );
    }
    if ready.policy.plain_env_for_unbound {
        lines.push(
            "Secrets that are bound to no host are given to the API's devboxes as they are (--plain-env-for-unbound): agents can read and send them."
                .to_owned(),
        );
    }
    if ready.policy.accept_pairings {
        lines.push("Gateway configs and unbound secrets are paired without a person's approval ([gateway] accept_pairings).".to_owned());
    }
    lines.extend(ready.anchor.warning());
    lines.extend(ways_out(ready));
    if ready.first_run && ready.has_passphrase {
        lines.push("The root key comes from your passphrase and is in no file: keep the passphrase, apart from the folder.".to_owned());
        lines.push("Without it, and without gateway/root.passphrase.json beside it, no stored value opens again.".to_owned());
    } else if ready.first_run {
        lines.push(format!("  root key     {folder}/gateway/root.key"));
        lines.push("Back up root.key, apart from the rest of the folder: without it no stored value opens again.".to_owned());
    }
    lines.push("Try next, in another terminal:".to_owned());
    lines.push(format!("  {program}{option} secret set GITHUB_TOKEN"));
    lines.push(format!("  {program}{option} run -- git clone https://github.com/me/private.git"));
    lines.push("Ctrl-C stops it.".to_owned());
    lines.join("\n")
}

/// How hosts are reached, where it is not directly; and what of it gives something up.
fn ways_out(ready: &Ready) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(proxy) = &ready.ways.proxy {
        lines.push(format!("Hosts are reached through the proxy at {}, port {} ([gateway] upstream_proxy).", proxy.name, proxy.port));
    }
    if let Some(variable) = ready.ignored_proxy {
        lines.push(format!(
            "{variable} is set and not followed: hosts are reached directly. To go through a proxy, set `[gateway] upstream_proxy` in tightlip.toml."
        ));
    }
    if !ready.ways.pass_through.is_empty() {
        let hosts: Vec<String> = ready.ways.pass_through.iter().map(ToString::to_string).collect();
        lines.push(format!("Connections to {} pass unseen, neither swapped nor scrubbed ([gateway] pass_through).", hosts.join(", ")));
    }
    lines
}

const EXAMPLES: &str = "\
Other commands start a server by themselves where none runs, and that one goes when nobody uses it. `up` keeps one.

Examples:
  tightlip up
  tightlip up --data ~/work/tightlip --listen 127.0.0.1:7081
  tightlip up --gateway 172.17.0.1:7081
  tightlip up --passphrase
  tightlip up --passphrase-file <(pass show tightlip)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_refused_with_what_would_do() {
        assert!(address("7081").expect_err("no address").contains("127.0.0.1:7081"));
        assert!(address("here").expect_err("no address").contains("127.0.0.1:7080"));
        assert!(address("[::1]:80").is_ok());
    }
}

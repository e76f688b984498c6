//! What each child is made of. The only place that gives the gateway its keys, and the api its lack of them.

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use link::Packets;
use link::calls::Numbered;
use link::keeper::Kept;
use model::TokenHash;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use service::anchor::AnchorPlaces;
use service::authenticate::{ADMIN_KEY_PREFIX, is_own_admin_key};
use service::{Gate, SystemClock};
use store::{Ledger, Mode, Store};
use tokio::signal::unix::{SignalKind, signal};
use vault::{OpenKeys, RootKey, Sealer, SigningKey};

use crate::child::{BEGIN_WAIT, Given, Hand, Report, Start, Task};
use crate::config::trusted;
use crate::config::ways::ProxyConfig;
use crate::folder::DataFolder;
use crate::parts;
use crate::setup::read;

/// The gateway: the keys that open values, the store to read, its own database, the devboxes.
///
/// # Errors
/// When it cannot serve.
pub fn gateway(start: Start) -> anyhow::Result<ExitCode> {
    let Start { task, mut handed, leash } = start;
    let Task::Gateway { data, resolve, upstream_ca, ways, idle_exit_ms, awaits_root_key, policy, anchors } = task else {
        bail!("this is another child's task")
    };
    let allowed = service::Policy { plain_env_for_unbound: policy.plain_env_for_unbound, accept_pairings: policy.accept_pairings };
    let folder = DataFolder::locate(Some(&data))?;
    allow_many_files();
    let (root, recipe) = if awaits_root_key {
        (handed_root_key(&leash)?, read(&folder.root_passphrase())?.to_vec())
    } else {
        (rootkey::load(&folder.root_key())?, Vec::new())
    };
    let keyring = read(&folder.keyring())?.to_vec();
    let keys = OpenKeys::unwrap(&keyring, &root).context("failed to open the keyring")?;
    drop(root);
    let admin_key = own_admin_hash(&folder, &keys)?;
    let store = Store::open(&folder.store_db(), Mode::Reader).context("failed to open the store")?;
    let ledger = Ledger::open(&folder.ledger()).context("failed to open the gateway's database")?;
    let clock = Arc::new(SystemClock);
    let anchors = AnchorPlaces::new(&anchors, folder.path(), keys.deployment());
    let trusted = trusted::settings(&resolve, upstream_ca.as_deref(), &ways, policy.accept_pairings);
    let gate = Gate::new(Arc::new(store), Arc::new(ledger), Arc::new(keys), admin_key, clock.clone())
        .with_policy(allowed)
        .with_pass_through(ways.pass_through)
        .with_trusted(trusted)
        .with_anchors(anchors)?;
    gate.check_pass_through()?;
    let upstream_ca = upstream_ca.as_deref().map(gateway::process::read_certificates).transpose()?.unwrap_or_default();
    let resolve = resolve.into_iter().map(|named| ((named.host, named.port), named.address)).collect();
    let mut net = gateway::NetConfig::new(resolve, upstream_ca);
    net.pages = Some(folder.address());
    net.proxy = ways.proxy.map(ProxyConfig::open).transpose()?;
    let setup = gateway::process::Setup {
        gate: Arc::new(gate),
        net,
        socket: link::Listener::from_fd(handed.take(Given::Socket)?),
        link: Packets::from_fd(handed.take(Given::Link)?),
        keeper: handed.take_if_any(Given::Keeper).map(Packets::from_fd),
        proxy: handed.take_if_any(Given::Proxy).map(std::net::TcpListener::from),
        clock,
        backup: parts::sources(&folder, keyring, recipe),
        idle_exit: idle_exit_ms.map(Duration::from_millis),
    };
    let ended = gateway::process::run(setup, || leash.send(&Report::Ready, &[]))?;
    drop(handed);
    Ok(match ended {
        gateway::process::Ended::Asked => ExitCode::SUCCESS,
        gateway::process::Ended::Idle => ExitCode::from(gateway::process::EXIT_IDLE),
    })
}

/// The admin key's hash; that of a key which nobody has where the file holds none that was made here. It may have been written since the supervisor looked, and this
/// process is started again without another look.
fn own_admin_hash(folder: &DataFolder, keys: &OpenKeys) -> anyhow::Result<TokenHash> {
    let key = read(&folder.admin_key())?;
    match std::str::from_utf8(&key).map(str::trim_end) {
        Ok(key) if is_own_admin_key(keys, key) => Ok(vault::hash_token(key)),
        Ok(_) | Err(_) => {
            tracing::error!("{} was changed outside tightlip: nobody is admin until the next start", folder.admin_key().display());
            Ok(vault::hash_token(&vault::make_key(ADMIN_KEY_PREFIX)))
        }
    }
}

/// A devbox's listeners and connections are descriptors, and there may be hundreds of devboxes: more than the usual limit.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, fewer devboxes fit, and the next is refused in words.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// The root key that no file holds. The supervisor hands it over when this process says that it is closed to its neighbours, and not before.
fn handed_root_key(leash: &Packets) -> anyhow::Result<RootKey> {
    leash.send(&Report::Closed, &[])?;
    leash.limit_wait(Some(BEGIN_WAIT))?;
    let (Hand, fds) = leash.recv().context("the supervisor did not hand over the root key")?;
    leash.limit_wait(None)?;
    let pipe = fds.first().context("the supervisor handed over no root key")?;
    Ok(RootKey::take_over(pipe.as_fd())?)
}

/// The api: public keys, the store to write, a socket or two to listen on, and nothing else.
///
/// # Errors
/// When it cannot serve.
pub fn api(start: Start) -> anyhow::Result<ExitCode> {
    let Start { task, mut handed, leash } = start;
    let Task::Api { data, pin, hosts, rates, tls, devboxes } = task else { bail!("this is another child's task") };
    let folder = DataFolder::locate(Some(&data))?;
    let signing = SigningKey::from_bytes(&read(&folder.signing_key())?).context("failed to read the signing key")?;
    let sealer = Sealer::new(&read(&folder.manifest())?, pin.bytes(), signing).context("failed to check the manifest")?;
    let setup = api::Setup {
        bound: api::Bound::from_fd(handed.take(Given::Socket)?),
        store: folder.store_db(),
        api_dir: folder.api(),
        sealer: Arc::new(sealer),
        clock: Arc::new(SystemClock),
        hosts,
        devboxes,
        link: Packets::from_fd(handed.take(Given::Link)?),
        control: link::Listener::from_fd(handed.take(Given::Control)?),
        rates,
        tls: handed.take_if_any(Given::Tls).zip(tls).map(|(socket, files)| api::TlsPort { bound: api::Bound::from_fd(socket), files }),
        closed: folder.gateway().canonicalize().context("failed to find the gateway's folder")?,
    };
    let ready = |_address| {
        // A supervisor that is gone takes this process with it.
        let _gone = leash.send(&Report::Ready, &[]);
    };
    api::run(setup, ready, asked_to_end())?;
    drop(handed);
    Ok(ExitCode::SUCCESS)
}

/// Comes back when the supervisor asks this process to end.
async fn asked_to_end() {
    match signal(SignalKind::terminate()) {
        Ok(mut asked) => {
            asked.recv().await;
        }
        Err(error) => {
            tracing::warn!("failed to wait for the signal to end; this process will end without finishing its requests: {error}");
            std::future::pending().await
        }
    }
}

/// The keeper: the API's devboxes, and nothing else.
///
/// # Errors
/// When it cannot serve.
pub fn keeper(start: Start) -> anyhow::Result<ExitCode> {
    let Start { task, mut handed, leash } = start;
    let Task::Keeper = task else { bail!("this is another child's task") };
    let line = Packets::from_fd(handed.take(Given::Link)?);
    // A gateway that serves already must know that this one has none of the devboxes that an earlier keeper had.
    line.send(&Numbered { number: None, message: Kept::Roster(Vec::new()) }, &[])?;
    let ready = || {
        // A supervisor that is gone takes this process with it.
        let _gone = leash.send(&Report::Ready, &[]);
    };
    keeper::run(line, ready, asked_to_end())?;
    drop(handed);
    Ok(ExitCode::SUCCESS)
}

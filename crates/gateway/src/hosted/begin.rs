//! A devbox's beginning, and its adoption by a gateway that began after it.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use link::front::NewDevbox;
use link::keeper::{Hosted as Made, Kept, Order};
use model::{DevboxId, DevboxStatus, Hosted};
use service::{Caller, CreatedHosted, DevboxDenial, NewCa};

use super::trouble::Trouble;
use super::{End, Hosting, LOST, Place};
use crate::ca::Authority;
use crate::local::Sockets;
use crate::unpoisoned::lock;

/// What a devbox is begun from.
struct Beginning {
    authority: Authority,
    env: Vec<(String, String)>,
    plain: Option<File>,
    ports: Vec<u16>,
    entrypoint: Option<String>,
}

/// A devbox that was asked for; where it was not asked for before, it is to be begun.
struct Wanted {
    hosted: Hosted,
    begun: Option<(Arc<Place>, Beginning)>,
}

impl Hosting {
    /// Makes a devbox as asked; it is queued when this returns. The same request again gets the same devbox.
    pub(super) async fn create(self: &Arc<Self>, caller: Caller, mut wanted: NewDevbox) -> Result<Hosted, Trouble> {
        wanted.request = wanted.request.map(|number| told_apart(number, &wanted));
        let hosting = Arc::clone(self);
        // One account's devboxes are made one after the other: opening a hundred secrets takes a while.
        let _turn = self.shares.turn(&caller.account.id).await;
        let Ok(_thread) = self.shares.thread_apart().await else { return Err(Trouble::Denied(DevboxDenial::Internal)) };
        let made = tokio::task::spawn_blocking(move || hosting.make(&caller, wanted)).await;
        let Wanted { hosted, begun } = made.unwrap_or(Err(Trouble::Denied(DevboxDenial::Internal)))?;
        if let Some((place, beginning)) = begun {
            let hosting = Arc::clone(self);
            tokio::spawn(async move { hosting.begin(place, beginning).await });
        }
        Ok(hosted)
    }

    fn make(&self, caller: &Caller, wanted: NewDevbox) -> Result<Wanted, Trouble> {
        self.keeper()?;
        if lock(&self.open).len() >= model::limits::HOSTED_DEVBOXES_MAX {
            return Err(Trouble::TooManyDevboxes);
        }
        let devbox = self.gate.make_devbox_id().map_err(|_| DevboxDenial::Internal)?;
        let authority = Authority::make(&devbox, self.clock.now()).map_err(|_| DevboxDenial::Internal)?;
        let ca = NewCa { devbox, pem: authority.pem().to_owned(), key: authority.key_der() };
        let (hosted, card, mut env, plain, ports, entrypoint) = match self.gate.create_hosted(caller, wanted, ca)? {
            CreatedHosted::Before(hosted) => return Ok(Wanted { hosted, begun: None }),
            CreatedHosted::New(new) => (new.hosted, new.card, new.env, new.plain, new.ports, new.entrypoint),
        };
        env.extend(devbox::trust_env().into_iter().map(|(name, value)| (name.to_owned(), value)));
        env.push((mcp::URL_VARIABLE.to_owned(), mcp::DEVBOX_URL.to_owned()));
        let place = match self.admit_local(&hosted, card) {
            Ok(place) => place,
            Err(trouble) => {
                self.gate.transition(&hosted.id, DevboxStatus::Failure, Some(trouble.to_string()), None, self.clock.now())?;
                return Err(trouble);
            }
        };
        tracing::info!(devbox = %hosted.id, "devbox asked for");
        Ok(Wanted { hosted, begun: Some((place, Beginning { authority, env, plain, ports, entrypoint })) })
    }

    async fn begin(self: Arc<Self>, place: Arc<Place>, beginning: Beginning) {
        let failed = {
            let mut turn = place.turn.lock().await;
            if place.status.borrow().is_final() {
                return;
            }
            match self.build(&place, beginning).await {
                Ok(network) => {
                    *turn = Some(network);
                    None
                }
                Err(trouble) => Some(trouble),
            }
        };
        let failed = match failed {
            None => self.open(&place).await.err(),
            failed => failed,
        };
        if let Some(trouble) = failed {
            tracing::error!(devbox = %place.id, "failed to begin a devbox: {trouble}");
            // What fails is tried again.
            drop(self.finish(&place, End::failure(&trouble.to_string())).await);
        }
    }

    /// Namespaces and listeners, served.
    async fn build(&self, place: &Place, beginning: Beginning) -> Result<crate::net::Attached, Trouble> {
        self.record(place, DevboxStatus::Provisioning, None, None, self.clock.now()).await?;
        let Beginning { authority, env, plain, ports, entrypoint } = beginning;
        let mut bundle = devbox::system_bundle().map_err(|error| Trouble::Refused(error.to_string()))?;
        bundle.push(b'\n');
        bundle.extend_from_slice(authority.pem().as_bytes());
        let bundle = memory(&bundle)?;
        let plain: OwnedFd = plain.map_or_else(|| memory(&[]), |file| Ok(file.into()))?;
        let hosted = Made { env, ports, uid: place.uid(), entrypoint };
        let order = Order::Build { devbox: place.id.clone(), hosted };
        let answer = self.keeper()?.ask(&order, &[bundle.as_fd(), plain.as_fd()], BUILD_WAIT).await?;
        self.attach(place, authority, answer)
    }

    fn attach(&self, place: &Place, authority: Authority, answer: (Kept, Vec<OwnedFd>)) -> Result<crate::net::Attached, Trouble> {
        let (Kept::Listening { roles }, fds) = answer else { return Err(Trouble::KeeperAway) };
        let refused = |what: &dyn std::fmt::Display| Trouble::Refused(what.to_string());
        let sockets = Sockets::check(&roles, fds).map_err(|_| refused(&"its listeners cannot be used"))?;
        self.net.attach(place.card.clone(), authority, sockets.tcp, sockets.dns).map_err(|error| refused(&error))
    }

    /// Its walls and its entrypoint.
    async fn open(&self, place: &Arc<Place>) -> Result<(), Trouble> {
        self.record(place, DevboxStatus::Initializing, None, None, self.clock.now()).await?;
        self.keeper()?.ask(&Order::Open { devbox: place.id.clone() }, &[], BUILD_WAIT).await?;
        let turn = place.turn.lock().await;
        // Shut down, or ended, meanwhile.
        if turn.is_some() && !place.status.borrow().is_final() {
            place.keep_alive();
            self.record(place, DevboxStatus::Running, None, None, self.clock.now()).await?;
        }
        Ok(())
    }

    /// Ends what one of ledger and keeper has and nobody minds: what was there at the last look already, so that it is none that is being made or ended. Gives what
    /// there is to be looked at again.
    pub(super) async fn end_strays(self: &Arc<Self>, before: &[DevboxId]) -> Vec<DevboxId> {
        let _turn = self.adopting.lock().await;
        let Ok(keeper) = self.keeper() else { return Vec::new() };
        let Ok((Kept::Roster(kept), _)) = keeper.ask(&Order::Roster, &[], BUILD_WAIT).await else { return Vec::new() };
        let gate = Arc::clone(&self.gate);
        let Ok(Ok(told)) = tokio::task::spawn_blocking(move || gate.open_hosted()).await else { return Vec::new() };
        let nobodys: Vec<DevboxId> = kept.into_iter().chain(told).filter(|id| self.place(id).is_none()).collect();
        for id in nobodys.iter().filter(|id| before.contains(id)) {
            self.give_up(id, &Trouble::Refused(LOST.to_owned())).await;
        }
        nobodys
    }

    /// Brings together what the ledger tells of and what the keeper has: what only one of the two knows is ended.
    pub(crate) async fn adopt(self: &Arc<Self>) {
        let Ok(keeper) = self.keeper() else { return };
        let _turn = self.adopting.lock().await;
        let kept = match keeper.ask(&Order::Roster, &[], BUILD_WAIT).await {
            Ok((Kept::Roster(kept), _)) => kept,
            Ok(_) | Err(_) => {
                tracing::error!("the keeper does not say which devboxes it has: those of an earlier gateway are given up");
                Vec::new()
            }
        };
        let gate = Arc::clone(&self.gate);
        let told = tokio::task::spawn_blocking(move || gate.open_hosted()).await;
        let told = match told {
            Ok(Ok(told)) => told,
            Ok(Err(_)) | Err(_) => {
                tracing::error!("failed to read which devboxes are open");
                return;
            }
        };
        for id in &told {
            if self.place(id).is_some_and(|_| kept.contains(id)) {
                continue;
            }
            let taken = if kept.contains(id) { self.take_up(id).await } else { Err(Trouble::Refused(LOST.to_owned())) };
            if let Err(trouble) = taken {
                self.give_up(id, &trouble).await;
            }
        }
        for stranger in kept.into_iter().filter(|id| !told.contains(id)) {
            let ended = keeper.ask(&Order::End { devbox: stranger }, &[], super::END_WAIT).await;
            if let Err(trouble) = ended {
                tracing::warn!("failed to end a devbox that nobody asked for: {trouble}");
            }
        }
    }

    async fn take_up(&self, id: &DevboxId) -> Result<(), Trouble> {
        let (gate, devbox) = (Arc::clone(&self.gate), id.clone());
        let resumed = tokio::task::spawn_blocking(move || gate.take_up(&devbox)).await;
        let (resumed, hosted) = resumed.unwrap_or(Err(DevboxDenial::Internal))?;
        if hosted.status() != DevboxStatus::Running {
            return Err(Trouble::Refused(LOST.to_owned()));
        }
        let authority = Authority::restore(&resumed.ca_pem, &resumed.ca_key).map_err(|_| DevboxDenial::Internal)?;
        let place = self.admit_local(&hosted, resumed.card)?;
        let mut turn = place.turn.lock().await;
        let answer = self.keeper()?.ask(&Order::Listeners { devbox: id.clone() }, &[], BUILD_WAIT).await?;
        *turn = Some(self.attach(&place, authority, answer)?);
        tracing::info!(devbox = %id, "devbox taken up");
        Ok(())
    }

    /// Ends what cannot be taken up.
    async fn give_up(self: &Arc<Self>, id: &DevboxId, trouble: &Trouble) {
        tracing::warn!(devbox = %id, "a devbox is given up: {trouble}");
        if let Some(place) = self.place(id) {
            // What fails is tried again.
            return drop(self.finish(&place, End::failure(LOST)).await);
        }
        // Not there already is ended. What fails is found again by the next look for strays.
        let ended = match self.keeper() {
            Ok(keeper) => keeper.ask(&Order::End { devbox: id.clone() }, &[], super::END_WAIT).await.map(drop),
            Err(off) => Err(off),
        };
        if let Err(trouble) = ended {
            tracing::warn!(devbox = %id, "failed to end a devbox, which is tried again: {trouble}");
            return;
        }
        let (gate, id, now) = (Arc::clone(&self.gate), id.clone(), self.clock.now());
        let written =
            tokio::task::spawn_blocking(move || gate.transition(&id, DevboxStatus::Failure, Some(LOST.to_owned()), None, now)).await;
        if !matches!(written, Ok(Ok(_))) {
            tracing::error!("failed to record a devbox's end");
        }
    }
}

/// The number of a request with what it asks for, but for its variables: those may be values, and a digest at rest would let them be guessed.
fn told_apart(number: [u8; 32], wanted: &NewDevbox) -> [u8; 32] {
    let NewDevbox { about, env, secrets, gateways, entrypoint, request: _ } = wanted;
    let names: Vec<_> = env.keys().collect();
    vault::hash_token(&format!("{number:?}\n{about:?}\n{names:?}\n{secrets:?}\n{gateways:?}\n{entrypoint:?}")).0
}

/// An anonymous file that holds `bytes`.
fn memory(bytes: &[u8]) -> Result<OwnedFd, Trouble> {
    use std::os::unix::fs::FileExt;
    let failed = |_| Trouble::Denied(DevboxDenial::Internal);
    let file =
        rustix::fs::memfd_create("tightlip", rustix::fs::MemfdFlags::CLOEXEC).map_err(|_| Trouble::Denied(DevboxDenial::Internal))?;
    let file = File::from(file);
    file.write_all_at(bytes, 0).map_err(failed)?;
    Ok(file.into())
}

/// For namespaces and walls to be made, with hundreds being made at once.
const BUILD_WAIT: Duration = Duration::from_secs(60);

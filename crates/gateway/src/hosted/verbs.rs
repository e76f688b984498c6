//! What the api asks for its callers. Whoever asks is authenticated here once more: an api that is not itself obtains nothing but what its callers could.

use std::sync::Arc;
use std::time::Duration;

use link::front::{DevboxTell, DevboxVerb};
use model::{AccountId, DevboxId, DevboxStatus, Hosted, Scope, ShutdownReason};
use service::{Caller, DevboxDenial};
use zeroize::Zeroizing;

use super::trouble::Trouble;
use super::{End, Hosting, Kind, Place};

impl Hosting {
    /// Does what is asked, or says why not.
    pub(crate) async fn obey(self: &Arc<Self>, api_key: String, verb: DevboxVerb) -> DevboxTell {
        self.activity.touch();
        self.attempt(api_key, verb).await.unwrap_or_else(DevboxTell::from)
    }

    /// What is answered where too many ask.
    pub(crate) fn busy() -> DevboxTell {
        Trouble::TooManyQuestions.into()
    }

    async fn attempt(self: &Arc<Self>, api_key: String, verb: DevboxVerb) -> Result<DevboxTell, Trouble> {
        let scopes = scopes_of(&verb);
        let caller = self.caller(&api_key, scopes).await?;
        let account = caller.account.id.clone();
        let _share = self.shares.take(&account).ok_or(Trouble::TooManyQuestions)?;
        let waits = matches!(verb, DevboxVerb::Get { .. } | DevboxVerb::Execution { .. } | DevboxVerb::Output { .. });
        let told = self.answer(caller, account, verb).await?;
        // The key may have ended while the answer was waited for.
        if waits {
            self.caller(&api_key, scopes).await?;
        }
        Ok(told)
    }

    /// Whose key it is, where that may do one of these.
    async fn caller(self: &Arc<Self>, api_key: &str, scopes: &'static [Scope]) -> Result<Caller, Trouble> {
        let api_key = Zeroizing::new(api_key.to_owned());
        let caller = self.blocking(move |hosting| {
            let caller = hosting.gate.authenticate(Some(&api_key))?;
            // The first scope is the one to be told of; any of them is enough.
            let told = caller.require(scopes[0]);
            if told.is_err() && !scopes.iter().any(|scope| caller.require(*scope).is_ok()) {
                told?;
            }
            Ok(caller)
        });
        caller.await
    }

    async fn answer(self: &Arc<Self>, caller: Caller, account: AccountId, verb: DevboxVerb) -> Result<DevboxTell, Trouble> {
        match verb {
            DevboxVerb::Env(wanted) => Ok(DevboxTell::Remote(Box::new(self.create_remote(caller, *wanted).await?))),
            DevboxVerb::Create(wanted) => Ok(DevboxTell::Devbox(self.create(caller, *wanted).await?)),
            DevboxVerb::List { after, limit, status } => self.list(account, after, limit, status).await,
            DevboxVerb::Get { devbox, until, wait_ms } => self.get(account, devbox, &until, wait_ms).await,
            DevboxVerb::KeepAlive { devbox } => {
                self.alive(&account, &devbox)?.keep_alive();
                self.shown(account, devbox).await
            }
            DevboxVerb::Shutdown { devbox } => self.shut_down(account, devbox).await,
            DevboxVerb::Execute { devbox, command, execution, request } => {
                let place = self.running(&account, &devbox)?;
                self.execute(&place, command, execution, request.map(|request| (caller.key.id, request))).await
            }
            DevboxVerb::Execution { devbox, execution, wait_ms } => {
                self.running(&account, &devbox)?;
                self.execution(devbox, execution, wait_ms).await
            }
            DevboxVerb::Output { devbox, execution, stream, from, wait_ms } => {
                self.running(&account, &devbox)?;
                self.output(devbox, execution, stream, from, wait_ms).await
            }
            DevboxVerb::Kill { devbox, execution } => {
                self.running(&account, &devbox)?;
                self.kill(devbox, execution).await
            }
            DevboxVerb::GatewayToken { devbox, gateway, secret } => {
                let place = self.running(&account, &devbox)?;
                let made = self.blocking(move |hosting| Ok(hosting.gate.add_gateway(&caller, &place.card, &gateway, &secret)?));
                Ok(DevboxTell::GatewayToken(made.await?))
            }
        }
    }

    async fn list(
        self: &Arc<Self>,
        account: AccountId,
        after: Option<DevboxId>,
        limit: usize,
        status: Option<DevboxStatus>,
    ) -> Result<DevboxTell, Trouble> {
        let (devboxes, has_more, total) =
            self.blocking(move |hosting| Ok(hosting.gate.hosted_page(&account, after.as_ref(), limit, status)?)).await?;
        let devboxes = devboxes.into_iter().map(|hosted| self.as_it_is(hosted)).collect();
        Ok(DevboxTell::Devboxes { devboxes, has_more, total })
    }

    /// A devbox, once it is in one of these states, or in its last, or the wait is over.
    async fn get(
        self: &Arc<Self>,
        account: AccountId,
        devbox: DevboxId,
        until: &[DevboxStatus],
        wait_ms: u64,
    ) -> Result<DevboxTell, Trouble> {
        let place = self.place(&devbox).filter(|place| place.card.account == account);
        if let Some(place) = place.filter(|_| !until.is_empty()) {
            let mut status = place.status.subscribe();
            let there = status.wait_for(|status| until.contains(status) || status.is_final());
            // Whether or not it came: what there is, is shown.
            drop(tokio::time::timeout(Duration::from_millis(wait_ms.min(HOLD_MS_MAX)), there).await);
        }
        self.shown(account, devbox).await
    }

    /// The devbox, where it is this account's and runs, wherever it is.
    fn alive(&self, account: &AccountId, devbox: &DevboxId) -> Result<Arc<Place>, Trouble> {
        let remote = self.place(devbox).filter(|place| place.card.account == *account && place.kind == Kind::Remote);
        remote.filter(|place| place.is_running()).map_or_else(|| self.running(account, devbox), Ok)
    }

    async fn shut_down(self: &Arc<Self>, account: AccountId, devbox: DevboxId) -> Result<DevboxTell, Trouble> {
        if let Some(place) = self.place(&devbox).filter(|place| place.card.account == account) {
            self.finish(&place, End::shutdown(ShutdownReason::ApiShutdown)).await?;
        }
        self.shown(account, devbox).await
    }

    async fn shown(self: &Arc<Self>, account: AccountId, devbox: DevboxId) -> Result<DevboxTell, Trouble> {
        let hosted: Hosted = self.blocking(move |hosting| Ok(hosting.gate.hosted(&account, &devbox)?)).await?;
        Ok(DevboxTell::Devbox(self.as_it_is(hosted)))
    }

    /// Does what waits for databases on a thread that may.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let hosting = Arc::clone(self);
        // The threads are shared with what decides about requests: never more than a few of them wait for databases here.
        let Ok(_turn) = self.shares.thread().await else { return Err(Trouble::Denied(DevboxDenial::Internal)) };
        let done = tokio::task::spawn_blocking(move || work(&hosting)).await;
        done.unwrap_or(Err(Trouble::Denied(DevboxDenial::Internal)))
    }
}

/// Each of these is enough. Whoever may run commands may see them (record 0021).
const fn scopes_of(verb: &DevboxVerb) -> &'static [Scope] {
    match verb {
        DevboxVerb::List { .. } => &[Scope::Read],
        DevboxVerb::Get { .. } | DevboxVerb::Execution { .. } | DevboxVerb::Output { .. } => &[Scope::Read, Scope::Devbox],
        DevboxVerb::Create(_)
        | DevboxVerb::Env(_)
        | DevboxVerb::KeepAlive { .. }
        | DevboxVerb::Shutdown { .. }
        | DevboxVerb::Execute { .. }
        | DevboxVerb::Kill { .. }
        | DevboxVerb::GatewayToken { .. } => &[Scope::Devbox],
    }
}

/// How long one question may wait.
const HOLD_MS_MAX: u64 = 60_000;

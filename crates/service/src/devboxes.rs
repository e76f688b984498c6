//! Devboxes: opened with a token per wanted variable, resumed after a restart of the gateway, closed with all their grants.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};

use link::cli::{Given, LeftOut, Opened, Wanted};
use model::limits::{ALLOW_PATTERNS_MAX, DEVBOX_TOKENS_MAX, PAGE_ITEMS_MAX};
use model::{
    AccountId, ApiKeyId, DevboxId, EnvName, Event, EventKind, Grant, HostPattern, Refusal, Scope, Secret, SecretName, Timestamp, Token,
    TokenHash,
};
use store::{DevboxRow, GatewayGrant, GrantRow, KeptDevbox, StoreError};
use zeroize::Zeroizing;

use crate::authenticate::Caller;
use crate::denial::{DevboxDenial, PORTS_MAX};
use crate::gate::{Gate, lock};
use crate::more::CardMore;
use crate::rows::{OpenedRow, why_not_sent};
use crate::via::{CardGateway, card_gateways};

/// A devbox's own certificate authority, made by the gateway for a devbox about to be opened.
pub struct NewCa {
    /// The devbox's id, from [`Gate::make_devbox_id`].
    pub devbox: DevboxId,
    /// The certificate, PEM.
    pub pem: String,
    /// The private key, DER.
    pub key: Zeroizing<Vec<u8>>,
}

/// What the gateway keeps in memory of an open devbox.
#[derive(Clone, Debug)]
pub struct DevboxCard {
    /// Its id.
    pub devbox: DevboxId,
    /// Whose it is.
    pub account: AccountId,
    /// The API key with which it was opened: no value leaves once that is not good any more.
    pub key: ApiKeyId,
    /// What it may reach beside its secrets' hosts.
    pub allow: Vec<HostPattern>,
    /// Its tokens.
    pub grants: Vec<CardGrant>,
    /// Its gateways; more may come while it runs.
    pub gateways: Arc<RwLock<Vec<CardGateway>>>,
    /// Tokens and hosts that it was given while it ran.
    pub more: Arc<RwLock<CardMore>>,
}

/// One token of a devbox.
#[derive(Clone, Debug)]
pub struct CardGrant {
    /// The grant.
    pub grant: Grant,
    /// The variable that holds the token.
    pub env: EnvName,
    /// The secret's name.
    pub name: SecretName,
    /// The token.
    pub token: Token,
}

/// A devbox that was opened: what the command line is told, and what the gateway keeps.
pub struct OpenedDevbox {
    /// For the command line.
    pub opened: Opened,
    /// For the gateway.
    pub card: DevboxCard,
}

/// A devbox that was taken up again.
pub struct ResumedDevbox {
    /// What the gateway keeps.
    pub card: DevboxCard,
    /// Its authority's certificate, PEM.
    pub ca_pem: String,
    /// Its authority's private key, DER.
    pub ca_key: Zeroizing<Vec<u8>>,
}

/// A secret chosen for a devbox.
struct Chosen {
    env: EnvName,
    row: OpenedRow,
}

impl Gate {
    /// Opens a devbox with one token per wanted variable. With `wanted` none: all usable secrets of the account, newest first, the others left out with the
    /// reason. Unbound secrets are given, and said to be unbound.
    ///
    /// # Errors
    /// When the caller may not, or a secret that was asked for by name does not exist or cannot be swapped.
    pub fn open(
        &self,
        caller: &Caller,
        wanted: Option<Vec<Wanted>>,
        allow: Vec<HostPattern>,
        ca: NewCa,
    ) -> Result<OpenedDevbox, DevboxDenial> {
        caller.require(Scope::Devbox)?;
        if allow.len() > ALLOW_PATTERNS_MAX {
            return Err(DevboxDenial::TooManyPatterns);
        }
        let mut ports = BTreeSet::from([80, 443]);
        let (chosen, left_out) = match wanted {
            Some(wanted) => (self.choose(&caller.account.id, wanted, &mut ports)?, Vec::new()),
            None => self.choose_all(&caller.account.id, &mut ports)?,
        };
        let now = self.clock.now();
        let mut rows = Vec::with_capacity(chosen.len());
        let (mut given, mut grants) = (Vec::with_capacity(chosen.len()), Vec::with_capacity(chosen.len()));
        for Chosen { env, row } in chosen {
            let made = self.make_grant(&ca.devbox, env, &row, now)?;
            given.push(Given {
                env: made.env.clone(),
                name: made.name.clone(),
                token: made.token.clone(),
                unbound: row.known.bindings.is_empty(),
            });
            rows.push(self.grant_row(&made, None)?);
            grants.push(made);
        }
        let resume = vault::make_key(RESUME_PREFIX);
        let devbox = DevboxRow {
            id: ca.devbox.clone(),
            account: caller.account.id.clone(),
            key: caller.key.id.clone(),
            allow: allow.clone(),
            resume: vault::hash_token(&resume),
            ca_pem: ca.pem.clone(),
            ca_key: self.keys.wrap_ca(&ca.devbox, &ca.key)?,
            opened: now,
            closed: None,
        };
        self.ledger.open_devbox(&devbox, &rows, &devbox_event(EventKind::DevboxOpened, &devbox, now))?;
        let (gateways, more) = (Arc::default(), self.later_of(&ca.devbox));
        let card = DevboxCard { devbox: ca.devbox.clone(), account: devbox.account, key: devbox.key, allow, grants, gateways, more };
        let ports = ports.into_iter().collect();
        let opened = Opened { devbox: ca.devbox, resume: resume.to_string(), env: given, ca_pem: ca.pem, ports, left_out };
        Ok(OpenedDevbox { opened, card })
    }

    /// Takes up a devbox that was open when the gateway ended.
    ///
    /// # Errors
    /// [`DevboxDenial::NotFound`] where it has ended, [`DevboxDenial::WrongResume`] where the text is not the one that opening gave.
    pub fn resume(&self, id: &DevboxId, resume: &str) -> Result<ResumedDevbox, DevboxDenial> {
        // What is given to it meanwhile is in its rows or arrives at its card.
        let _turn = lock(&self.turn);
        let kept = self.open_devbox(id)?;
        if !vault::same(&vault::hash_token(resume).0, &kept.devbox.resume.0) {
            return Err(DevboxDenial::WrongResume);
        }
        self.taken_up(kept)
    }

    /// The rows of a devbox that has not ended.
    pub(crate) fn open_devbox(&self, id: &DevboxId) -> Result<KeptDevbox, DevboxDenial> {
        self.ledger.kept_devbox(id)?.filter(|kept| kept.devbox.closed.is_none()).ok_or(DevboxDenial::NotFound)
    }

    /// What the gateway keeps of an open devbox, out of its rows.
    pub(crate) fn taken_up(&self, kept: KeptDevbox) -> Result<ResumedDevbox, DevboxDenial> {
        let KeptDevbox { devbox: mut row, hosted: _, granted, allowed, rows } = kept;
        if !crate::marks::devbox_holds(&self.keys, &rows) {
            return Err(DevboxDenial::Tampered);
        }
        let ca_key = self.keys.unwrap_ca(&row.id, &row.ca_key)?;
        let (mut grants, mut of_gateways) = (Vec::new(), Vec::new());
        for mut granted in granted {
            let gateway = granted.gateway.take();
            let grant = self.card_grant(granted)?;
            match gateway {
                None => grants.push(grant),
                Some(gateway) => of_gateways.push((gateway, grant)),
            }
        }
        let gateways = Arc::new(RwLock::new(card_gateways(of_gateways)?));
        row.allow.extend(allowed);
        let more = self.later_of(&row.id);
        let card = DevboxCard { devbox: row.id, account: row.account, key: row.key, allow: row.allow, grants, gateways, more };
        Ok(ResumedDevbox { card, ca_pem: row.ca_pem, ca_key })
    }

    /// Ends a devbox of `tightlip run` and its grants. Done already is done.
    ///
    /// # Errors
    /// [`DevboxDenial::NotFound`] where it never was.
    pub fn close(&self, id: &DevboxId) -> Result<(), DevboxDenial> {
        let row = self.ledger.devbox(id)?.ok_or(DevboxDenial::NotFound)?;
        if self.ledger.hosted(id)?.is_some() {
            return Err(DevboxDenial::NotFound);
        }
        self.forget_devbox(id);
        if row.closed.is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        let closed = self.ledger.close_devbox(id, now, &self.end_event(&row, now)?);
        self.changes.fetch_add(1, Ordering::SeqCst);
        match closed {
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The event of a devbox's end. That it counts the grants says that a mark was left on all that the devbox was.
    pub(crate) fn end_event(&self, row: &DevboxRow, now: Timestamp) -> Result<Event, StoreError> {
        let grants = self.ledger.grants_of(&row.id)?.len();
        Ok(Event { count: Some(grants as u64), ..devbox_event(EventKind::DevboxClosed, row, now) })
    }

    /// Drops what memory holds of a devbox that ends: values in its plans among it.
    pub(crate) fn forget_devbox(&self, id: &DevboxId) {
        self.forget_uses(id);
        self.forget_later_of(id);
        let _untold = self.take_refused(id);
        lock(&self.plans).forget(id);
    }

    /// The devboxes of `tightlip run` that have not ended: after a restart, those that may be resumed.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub fn open_devboxes(&self) -> Result<Vec<DevboxId>, DevboxDenial> {
        Ok(self.ledger.open_devboxes()?.into_iter().map(|row| row.id).collect())
    }

    fn choose(&self, account: &AccountId, wanted: Vec<Wanted>, ports: &mut BTreeSet<u16>) -> Result<Vec<Chosen>, DevboxDenial> {
        if wanted.len() > DEVBOX_TOKENS_MAX {
            return Err(DevboxDenial::TooManySecrets);
        }
        let mut taken = HashSet::new();
        let mut chosen = Vec::with_capacity(wanted.len());
        for (which, Wanted { env, name }) in (1..).zip(wanted) {
            if !taken.insert(env.clone()) {
                return Err(DevboxDenial::EnvTwice(which));
            }
            let secret = self.store.secret(account, &name)?.ok_or(DevboxDenial::SecretUnknown(which))?;
            let row = match self.usable(&secret)? {
                Ok(row) => row,
                Err(SECRET_GONE) => return Err(DevboxDenial::SecretUnknown(which)),
                Err(why) => return Err(DevboxDenial::Unusable { which, why }),
            };
            if !add_ports(&row, ports) {
                return Err(DevboxDenial::TooManyPorts);
            }
            chosen.push(Chosen { env, row });
        }
        Ok(chosen)
    }

    fn choose_all(&self, account: &AccountId, ports: &mut BTreeSet<u16>) -> Result<(Vec<Chosen>, Vec<LeftOut>), DevboxDenial> {
        let (mut chosen, mut left_out) = (Vec::new(), Vec::new());
        for secret in self.store.secrets(account, None, PAGE_ITEMS_MAX)?.secrets {
            let full = chosen.len() >= DEVBOX_TOKENS_MAX;
            let why = if full {
                "a devbox holds at most 100 secrets, and newer ones were taken; ask for it with --secret NAME".to_owned()
            } else {
                match (EnvName::try_from(&secret.name), self.usable(&secret)?) {
                    (Err(_), _) => "its name is no variable's name; ask for it with --secret ENV=NAME".to_owned(),
                    (Ok(env), _) if env.is_acted_upon() => {
                        "programs act upon a variable of its name; ask for it with --secret ENV=NAME".to_owned()
                    }
                    (Ok(_), Err(why)) => format!("cannot be sent: {why}"),
                    (Ok(_), Ok(row)) if !add_ports(&row, ports) => "its bindings name too many ports".to_owned(),
                    (Ok(env), Ok(row)) => {
                        chosen.push(Chosen { env, row });
                        continue;
                    }
                }
            };
            left_out.push(LeftOut { name: secret.name, why });
            if full && left_out.len() >= LEFT_OUT_MAX {
                break;
            }
        }
        left_out.truncate(LEFT_OUT_MAX);
        Ok((chosen, left_out))
    }

    /// The opened row of a secret that can be swapped, or why it cannot.
    pub(crate) fn usable(&self, secret: &Secret) -> Result<Result<OpenedRow, &'static str>, DevboxDenial> {
        Ok(self.opened(secret)?.and_then(|row| match why_unusable(&row) {
            Some(why) => Err(why),
            None => Ok(row),
        }))
    }

    /// The opened row of a secret, or why it does not open.
    pub(crate) fn opened(&self, secret: &Secret) -> Result<Result<OpenedRow, &'static str>, DevboxDenial> {
        let row = match self.open_secret(&secret.account, &secret.id, &secret.name) {
            Ok(row) => row,
            Err(Refusal::Undecided) => return Err(DevboxDenial::Internal),
            Err(Refusal::SecretGone) => return Ok(Err(SECRET_GONE)),
            Err(refusal) => {
                self.tally.count_refusal(secret.account.clone(), None, refusal, None);
                return Ok(Err(SECRET_TAMPERED));
            }
        };
        Ok(Ok(row))
    }

    /// A grant with a token that is shaped like the value.
    pub(crate) fn make_grant(&self, devbox: &DevboxId, env: EnvName, row: &OpenedRow, now: Timestamp) -> Result<CardGrant, DevboxDenial> {
        let token = vault::make_token(row.known.kind, Some(&row.value))?;
        Ok(grant_of(devbox, env, row, token, now))
    }

    pub(crate) fn grant_row(&self, made: &CardGrant, gateway: Option<GatewayGrant>) -> Result<GrantRow, DevboxDenial> {
        let token = self.keys.wrap_token(&made.grant.devbox, &made.token)?;
        Ok(GrantRow { grant: made.grant.clone(), env: made.env.clone(), name: made.name.clone(), token, gateway })
    }

    fn card_grant(&self, row: GrantRow) -> Result<CardGrant, DevboxDenial> {
        let token = self.keys.unwrap_token(&row.grant.devbox, &row.token)?;
        let token = Some(token).filter(|token| vault::hash_token(token.as_str()) == row.grant.token).ok_or(DevboxDenial::Internal)?;
        Ok(CardGrant { grant: row.grant, env: row.env, name: row.name, token })
    }
}

impl DevboxCard {
    /// The grant of a token in the environment, or of one given later, compared by hash.
    #[must_use]
    pub fn grant(&self, token: &TokenHash) -> Option<Cow<'_, CardGrant>> {
        let is_it = |held: &CardGrant| held.grant.token == *token;
        let first = self.grants.iter().find(|held| is_it(held)).map(Cow::Borrowed);
        first.or_else(|| self.later_grant(is_it).map(Cow::Owned))
    }
}

/// Why an opened secret cannot be swapped; none where it can.
pub(crate) fn why_unusable(row: &OpenedRow) -> Option<&'static str> {
    why_not_sent(row.known.kind, row.known.fitness)
}

/// A grant of this token.
pub(crate) fn grant_of(devbox: &DevboxId, env: EnvName, row: &OpenedRow, token: Token, now: Timestamp) -> CardGrant {
    let grant = Grant {
        token: vault::hash_token(token.as_str()),
        devbox: devbox.clone(),
        account: row.secret.account.clone(),
        secret: row.secret.id.clone(),
        created: now,
        ended: None,
    };
    CardGrant { grant, env, name: row.secret.name.clone(), token }
}

/// Adds the ports of a secret's bindings; false, and nothing added, where they would be too many.
pub(crate) fn add_ports(row: &OpenedRow, ports: &mut BTreeSet<u16>) -> bool {
    let more: BTreeSet<u16> = row.known.bindings.iter().map(|binding| binding.port).collect();
    let fits = ports.union(&more).count() <= PORTS_MAX;
    if fits {
        ports.extend(more);
    }
    fits
}

pub(crate) fn devbox_event(kind: EventKind, row: &DevboxRow, now: Timestamp) -> Event {
    Event { devbox: Some(row.id.clone()), key: Some(row.key.clone()), ..Event::bare(kind, now, row.account.clone()) }
}

/// What the text that resumes a devbox begins with.
pub(crate) const RESUME_PREFIX: &str = "tlr_";
/// Secrets told to have been left out: the answer is one message.
const LEFT_OUT_MAX: usize = 50;
/// A secret of which what is stored is not what was written.
pub(crate) const SECRET_TAMPERED: &str = "its stored row or a binding of it was changed outside tightlip; delete it and store it again";
/// A secret that was deleted between two looks.
pub(crate) const SECRET_GONE: &str = "it was deleted at this moment";

//! The gateway's mark on API keys. The table of keys is the api's, so a row alone makes nobody: the gateway takes a key only where it saw it made, which its
//! MAC over whose key it is, what it may do and until when shows (record 0023). It sees a key made when it makes an account's first one itself, for the user
//! who runs the server, and when somebody shows it a key that it takes, to make another one of the same account that may do no more. Nothing that stands in a
//! database without its mark is ever marked afterwards (record 0048).

use std::sync::Arc;

use link::cli::Denial;
use link::control::Begun;
use link::front::NewKey;
use model::{AccountId, ApiKey, ApiKeyId, Event, EventKind, Scope, Scopes};
use store::{MarkedRows, Marker};
use vault::OpenKeys;
use zeroize::Zeroizing;

use crate::authenticate::AuthError;
use crate::gate::{Gate, GateError};
use crate::keys::{API_KEY_PREFIX, KeysError};

/// Puts the gateway's mark on a key.
#[must_use]
pub fn marked(keys: &OpenKeys, key: ApiKey) -> ApiKey {
    ApiKey { mac: keys.mac(KEY_MAC, &key.mac_input()), ..key }
}

/// Marks what the ledger's rows say together, with the gateway's key.
pub(crate) fn marker(keys: &Arc<OpenKeys>) -> Marker {
    let keys = Arc::clone(keys);
    Arc::new(move |input| keys.mac(ROWS_MAC, input))
}

/// As [`MarkedRows::are_decided`], under the gateway's key.
pub(crate) fn decisions_hold(keys: &OpenKeys, rows: &MarkedRows) -> bool {
    rows.are_decided(|input, mac| keys.mac_holds(ROWS_MAC, input, mac))
}

/// As [`MarkedRows::are_of_an_open_devbox`], under the gateway's key.
pub(crate) fn devbox_holds(keys: &OpenKeys, rows: &MarkedRows) -> bool {
    rows.are_of_an_open_devbox(|input, mac| keys.mac_holds(ROWS_MAC, input, mac))
}

/// Whether what the rows say of a devbox that has ended is what was written. An event must tell of the end: every build wrote it together with the end. One that
/// an earlier build ended has no mark: its end was not counted, and that is asked of the event.
pub(crate) fn ended_holds(keys: &OpenKeys, rows: &MarkedRows) -> bool {
    rows.events > 0 && (rows.mac.is_none() || rows.are_marked(|input, mac| keys.mac_holds(ROWS_MAC, input, mac)))
}

impl Gate {
    /// The mark for a key that the holder of `credential` makes: of the same account, with no more scopes and no later end.
    ///
    /// # Errors
    /// [`KeysError::Auth`], [`KeysError::NoScopes`], [`KeysError::ScopesExceed`], [`KeysError::LifeExceeds`]; [`KeysError::Unavailable`] where the
    /// event of it cannot be written.
    pub fn mark_key(&self, credential: &str, new: NewKey) -> Result<Vec<u8>, KeysError> {
        let caller = self.authenticate(Some(credential))?;
        caller.require(Scope::Keys)?;
        let NewKey { id, hash, scopes, expires } = new;
        let scopes: Scopes = scopes.into_iter().collect();
        let key = ApiKey { expires, ..ApiKey::new(id, caller.account.id, hash, scopes, self.clock.now()) };
        if scopes.is_empty() {
            return Err(KeysError::NoScopes);
        }
        if !caller.key.scopes.cover(scopes) {
            return Err(KeysError::ScopesExceed);
        }
        if !caller.key.outlasts(&key) {
            return Err(KeysError::LifeExceeds);
        }
        // An api that asks for keys behind its callers' backs leaves a trace where it cannot take it away.
        let event = Event {
            key: Some(caller.key.id.clone()),
            about_key: Some(key.id.clone()),
            ..Event::bare(EventKind::KeyMarked, self.clock.now(), key.account.clone())
        };
        self.ledger.record(&[event]).map_err(KeysError::Unavailable)?;
        Ok(marked(&self.keys, key).mac)
    }

    /// An id that no account has, and the account's first key, which has every scope. For the user who runs the server: nothing that exists is touched by it.
    ///
    /// # Errors
    /// When no id can be made.
    pub fn begin_account(&self) -> Result<(Begun, Zeroizing<String>), GateError> {
        let (created, number) = self.ids.next(self.clock.now())?;
        let account = AccountId::from_parts(created, number);
        let (created, number) = self.ids.next(created)?;
        let credential = vault::make_key(API_KEY_PREFIX);
        let id = ApiKeyId::from_parts(created, number);
        let key = ApiKey::new(id, account, vault::hash_token(&credential), Scopes::all(), created);
        let ApiKey { id, account, hash, mac, .. } = marked(&self.keys, key);
        Ok((Begun { account, key: id, hash, created, mac }, credential))
    }

    /// Whether the gateway saw this key made, as it stands in the store now.
    pub(crate) fn require_mark(&self, key: &ApiKey) -> Result<(), AuthError> {
        if self.keys.mac_holds(KEY_MAC, &key.mac_input(), &key.mac) { Ok(()) } else { Err(AuthError::Unmarked) }
    }
}

impl KeysError {
    /// Which kind of denial this is on the link.
    #[must_use]
    pub const fn denial(&self) -> Denial {
        match self {
            Self::Auth(error) => crate::bindings::auth_denial(error),
            Self::NoScopes | Self::Life | Self::TooMany => Denial::Invalid,
            Self::ScopesExceed | Self::LifeExceeds | Self::LastKey => Denial::Forbidden,
            Self::NotFound => Denial::NotFound,
            Self::Full | Self::Unavailable(_) | Self::Id(_) => Denial::Unavailable,
        }
    }
}

/// What the MAC of API keys is for; no other MAC can be taken for it.
pub(crate) const KEY_MAC: &str = "tightlip api key v1";
/// What the MAC of rows together is for; no other MAC can be taken for it.
const ROWS_MAC: &str = "tightlip rows v1";

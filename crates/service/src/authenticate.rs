//! Who is calling: an API key becomes a caller, or an error that says what to do.

use model::id::base62;
use model::{Account, AccountId, ApiKey, ApiKeyId, Scope, Timestamp, TokenHash};
use store::{Store, StoreError};
use vault::OpenKeys;
use zeroize::Zeroizing;

use crate::answers::Request;

/// A caller whose API key was found, and the number of its request where it gave one: the proof that later steps take.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose key it is.
    pub account: Account,
    /// The key's record.
    pub key: ApiKey,
    /// Its request: a change that was answered once under the same number is not done again.
    pub request: Option<Request>,
}

/// Why a caller is not let in. Never contains the credential.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No credential was shown.
    #[error("no API key was shown: send `Authorization: Bearer tlk_...`; the owner's key is in the file api-key of the data folder")]
    Missing,
    /// The admin key was shown where API keys are taken.
    #[error(
        "this is the admin key, which is for the gateway alone (`tightlip bind`); send an API key (tlk_...) here, and replace the admin key, since \
         it has been sent to the wrong process: remove the file gateway/admin-key, then `tightlip down` and `tightlip up`"
    )]
    AdminKey,
    /// No such API key.
    #[error("this API key is not known here: check TIGHTLIP_API_KEY, or use the owner's key in the file api-key of the data folder")]
    Unknown,
    /// The key was revoked. Only whoever holds it is told so.
    #[error("this API key was revoked: use another one; where it is the data folder's own, put the new key into its file api-key")]
    Revoked,
    /// The key's time is over. Only whoever holds it is told so.
    #[error("this API key has expired: use another one, or make one with `tightlip key create`")]
    Expired,
    /// The gateway did not see the key made. Only the gateway says so, to whoever holds the key.
    #[error(
        "this API key lacks the gateway's mark, so it was not made in the way that keys are: the gateway does not take it; make another one with \
         `tightlip key create`, and find out who wrote this one into the store"
    )]
    Unmarked,
    /// The key's account may not use the product.
    #[error("this account does not have the devbox capability: ask whoever runs this server to give it")]
    NoCapability,
    /// The key lacks a scope.
    #[error("this API key lacks the scope `{}`: use a key that has it", scope.as_str())]
    Forbidden {
        /// The missing scope.
        scope: Scope,
    },
    /// What concerns all accounts was asked for with a key of another account than the owner's.
    #[error(
        "this concerns all accounts of the server and needs a key of its owner's account: use the one in the file api-key of the data folder"
    )]
    NotOwner,
    /// The store could not say.
    #[error("failed to check the API key: the store does not answer; try again")]
    Unavailable(#[source] StoreError),
}

impl Caller {
    /// Checks that the caller may do what needs `scope`.
    ///
    /// # Errors
    /// [`AuthError::NoCapability`] and [`AuthError::Forbidden`].
    pub fn require(&self, scope: Scope) -> Result<(), AuthError> {
        if !self.account.devbox_capability {
            Err(AuthError::NoCapability)
        } else if !self.key.scopes.contains(scope) {
            Err(AuthError::Forbidden { scope })
        } else {
            Ok(())
        }
    }
}

impl AuthError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "key_missing",
            Self::AdminKey => "admin_key_refused",
            Self::Unknown => "key_unknown",
            Self::Revoked => "key_revoked",
            Self::Expired => "key_expired",
            Self::Unmarked => "key_unmarked",
            Self::NoCapability => "no_capability",
            Self::Forbidden { .. } => "scope_missing",
            Self::NotOwner => "owner_only",
            Self::Unavailable(_) => "store_unavailable",
        }
    }
}

/// Finds the caller of a credential. Known, unknown, expired or revoked, the same work is done: one hash, one lookup of a key and one of an account, one
/// comparison in constant time.
///
/// # Errors
/// [`AuthError`], but neither [`AuthError::NoCapability`] nor [`AuthError::Forbidden`]: those are [`Caller::require`]'s; and neither
/// [`AuthError::NotOwner`] nor [`AuthError::Unmarked`].
pub fn authenticate(store: &Store, credential: Option<&str>, now: Timestamp) -> Result<Caller, AuthError> {
    let credential = credential.filter(|text| !text.is_empty()).ok_or(AuthError::Missing)?;
    if credential.starts_with(ADMIN_KEY_PREFIX) {
        return Err(AuthError::AdminKey);
    }
    let shown = vault::hash_token(credential);
    let found = store.api_key(&shown).map_err(AuthError::Unavailable)?;
    let known = found.as_ref().map_or(NOBODY, |(key, _)| key.hash);
    let same = vault::same(&known.0, &shown.0);
    match found {
        Some((key, account)) if same => good(key, account, now),
        Some(_) | None => Err(AuthError::Unknown),
    }
}

/// The caller of an account's key that another side of the house has checked.
///
/// # Errors
/// As [`authenticate`].
pub(crate) fn caller_of(store: &Store, account: &AccountId, key: &ApiKeyId, now: Timestamp) -> Result<Caller, AuthError> {
    let key = store.api_key_of(account, key).map_err(AuthError::Unavailable)?.ok_or(AuthError::Unknown)?;
    let account = store.account(account).map_err(AuthError::Unavailable)?.ok_or(AuthError::Unknown)?;
    good(key, account, now)
}

fn good(key: ApiKey, account: Account, now: Timestamp) -> Result<Caller, AuthError> {
    if key.account != account.id {
        Err(AuthError::Unknown)
    } else if key.is_good(now) {
        Ok(Caller { account, key, request: None })
    } else if key.revoked.is_some() {
        Err(AuthError::Revoked)
    } else {
        Err(AuthError::Expired)
    }
}

/// A new admin key: 128 random bits, and the keyring's mark on them, so that a text that somebody else puts in its place is none.
#[must_use]
pub fn make_admin_key(keys: &OpenKeys) -> Zeroizing<String> {
    let random = vault::make_key(ADMIN_KEY_PREFIX);
    let body = &random[..ADMIN_KEY_PREFIX.len() + ADMIN_RANDOM_CHARS];
    let mark = Zeroizing::new(admin_mark(keys, body));
    Zeroizing::new([body, mark.as_str()].concat())
}

/// Whether an admin key was made with this keyring.
#[must_use]
pub fn is_own_admin_key(keys: &OpenKeys, key: &str) -> bool {
    let is_shaped = key.starts_with(ADMIN_KEY_PREFIX) && key.is_ascii();
    let (body, mark) = key.split_at_checked(ADMIN_KEY_PREFIX.len() + ADMIN_RANDOM_CHARS).unwrap_or_default();
    is_shaped && vault::same(Zeroizing::new(admin_mark(keys, body)).as_bytes(), mark.as_bytes())
}

fn admin_mark(keys: &OpenKeys, body: &str) -> String {
    let mac = Zeroizing::new(keys.mac(ADMIN_MAC, body.as_bytes()));
    let bits = mac.first_chunk::<16>().map_or(0, |half| u128::from_be_bytes(*half));
    base62(bits, ADMIN_MARK_CHARS)
}

/// What the MAC of admin keys is for; no other MAC can be taken for it.
const ADMIN_MAC: &str = "tightlip admin key v1";
/// 128 bits in base62, and as long as other credentials together with the mark's 125.
const ADMIN_RANDOM_CHARS: usize = 22;
const ADMIN_MARK_CHARS: usize = 21;
/// What an admin key begins with. Never the beginning of an API key.
pub const ADMIN_KEY_PREFIX: &str = "tla_";
/// What an unknown credential is compared with.
const NOBODY: TokenHash = TokenHash([0; 32]);

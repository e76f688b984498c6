//! Accounts: made and listed by whoever runs the server, on its own machine. No API key, whatever its scopes, makes an account.

use link::cli::Denial;
use link::control::Begun;
use model::limits::{ACCOUNTS_MAX, LINK_PAGE_ITEMS_MAX};
use model::{Account, AccountId, ApiKey, Event, EventKind, Label, Scopes};
use store::{AccountPage, StoreError};

use crate::gate::lock;
use crate::house::House;

/// The proof that somebody is the user who runs the server.
pub struct Operator(());

/// An account that is wanted.
#[derive(Debug)]
pub struct AccountPlan {
    /// What people call it: unique, and not empty.
    pub name: Label,
    /// Whether it may use the product's routes.
    pub devbox_capability: bool,
    /// Its id and first key, as the gateway made them.
    pub begun: Begun,
}

/// Why a verb on accounts failed. Never contains what was sent.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// Another user's process.
    #[error("accounts are made by the user who runs the server: run this as that user")]
    OtherUser,
    /// No name.
    #[error("an account needs a name: `tightlip account create NAME`")]
    NameEmpty,
    /// The name is taken.
    #[error("there is an account of this name already: choose another name, or see `tightlip account list`")]
    NameTaken,
    /// As many as there may be.
    #[error("an installation has at most {ACCOUNTS_MAX} accounts: run another one on a data folder of its own")]
    TooMany,
    /// The disk is full.
    #[error("failed to store the account: the disk is full, and nothing was changed; make room and try again")]
    Full,
    /// The store or its events cannot be written or read.
    #[error("failed to use the store, and nothing was changed: try again, and look at the output of `tightlip up`")]
    Unavailable(#[source] StoreError),
}

impl Operator {
    /// Whether a process of this user is the operator's: the server runs as the same user.
    ///
    /// # Errors
    /// [`AccountsError::OtherUser`].
    pub const fn check(peer_uid: u32, own_uid: u32) -> Result<Self, AccountsError> {
        if peer_uid == own_uid { Ok(Self(())) } else { Err(AccountsError::OtherUser) }
    }
}

impl House {
    /// Makes an account and its first key, which has every scope and which the gateway has made.
    ///
    /// # Errors
    /// [`AccountsError::NameTaken`], [`AccountsError::TooMany`]; nothing is changed on any error.
    pub fn create_account(&self, _operator: &Operator, plan: AccountPlan) -> Result<(Account, ApiKey), AccountsError> {
        if plan.name.as_str().is_empty() {
            return Err(AccountsError::NameEmpty);
        }
        let _turn = lock(&self.turn);
        if self.store.account_named(plan.name.as_str())?.is_some() {
            return Err(AccountsError::NameTaken);
        }
        if self.store.accounts(None, 0)?.total >= ACCOUNTS_MAX {
            return Err(AccountsError::TooMany);
        }
        let Begun { account: id, key, hash, created, mac } = plan.begun;
        let account = Account { id, name: plan.name.into(), devbox_capability: plan.devbox_capability, created };
        let key = ApiKey { mac, ..ApiKey::new(key, account.id.clone(), hash, Scopes::all(), created) };
        let account_made = Event::bare(EventKind::AccountCreated, created, account.id.clone());
        let key_made = Event { about_key: Some(key.id.clone()), ..Event::bare(EventKind::KeyCreated, created, account.id.clone()) };
        self.store.insert_account_with_key(&account, &key, [&account_made, &key_made])?;
        Ok((account, key))
    }

    /// A page of all accounts, oldest first, from the one after `after` on.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn accounts(&self, _operator: &Operator, after: Option<&AccountId>) -> Result<AccountPage, AccountsError> {
        Ok(self.store.accounts(after, LINK_PAGE_ITEMS_MAX)?)
    }
}

impl AccountsError {
    /// Which kind of denial this is to the command line.
    #[must_use]
    pub const fn denial(&self) -> Denial {
        match self {
            Self::OtherUser => Denial::Forbidden,
            Self::NameEmpty | Self::TooMany => Denial::Invalid,
            Self::NameTaken => Denial::Exists,
            Self::Full | Self::Unavailable(_) => Denial::Unavailable,
        }
    }
}

impl From<StoreError> for AccountsError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Full) { Self::Full } else { Self::Unavailable(error) }
    }
}

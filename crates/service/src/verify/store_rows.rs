//! The store's rows: accounts, API keys, secrets with their data keys, gateway configs.

use model::{Account, ApiKey, Place};
use store::{Looked, SealedSecret};
use vault::OpenError;

use super::{About, Looking, PAGE_ROWS, RESTORE};
use crate::marks::KEY_MAC;

impl Looking<'_> {
    pub(super) fn store_rows(&mut self) {
        let store = self.store;
        self.counts.accounts = self.table("accounts", |after| store.accounts(after, PAGE_ROWS), Self::account);
        self.counts.api_keys = self.table("api_keys", |after| store.api_keys(after, PAGE_ROWS), Self::api_key);
        self.counts.secrets = self.table("secrets", |after| store.secrets(after, PAGE_ROWS), Self::secret);
        self.counts.gateway_configs = self.table("gateway_configs", |after| store.gateway_configs(after, PAGE_ROWS), |_, _, _| {});
        if self.counts.api_keys > self.told_keys {
            self.find(
                "api_keys",
                About::default(),
                "there are more keys than events tell of",
                "tightlip key list, then tightlip key revoke ID",
            );
        }
        if self.counts.gateway_configs > self.told_configs {
            let next = "tightlip gateway-config list, then tightlip gateway-config delete ID";
            self.find("gateway_configs", About::default(), "there are more than events tell of", next);
        }
        match store.ownerless() {
            Err(error) => self.unreadable("data_keys", &error),
            Ok(ownerless) => {
                if let Some(id) = &ownerless.data_key {
                    self.find(
                        "data_keys",
                        About::row(id.as_str()),
                        "no secret needs it: it was planted, or its secret was removed",
                        RESTORE,
                    );
                }
                if ownerless.ciphertexts != 0 {
                    self.find("ciphertexts", About::default(), "there are not as many as secrets", RESTORE);
                }
            }
        }
    }

    /// Goes through a table page by page. How many rows it has.
    pub(super) fn table<T>(
        &mut self,
        table: &str,
        page: impl Fn(Option<&str>) -> store::Result<Vec<Looked<T>>>,
        each: impl Fn(&mut Self, &str, &T),
    ) -> u64 {
        let (mut after, mut count): (Option<String>, u64) = (None, 0);
        loop {
            let rows = match page(after.as_deref()) {
                Ok(rows) => rows,
                Err(error) => {
                    self.unreadable(table, &error);
                    return count;
                }
            };
            let Some(last) = rows.last() else { return count };
            after = Some(last.key.clone());
            count += rows.len() as u64;
            for looked in &rows {
                match &looked.row {
                    Some(row) => each(self, &looked.key, row),
                    None => {
                        let name = if table == "secrets" { self.store.name_of(&looked.key).ok().flatten() } else { None };
                        let about = About::row(&looked.key).named(name.as_ref());
                        let what = match looked.key.as_str() {
                            "" => "there is a row without an id: it was planted, or its id was taken out",
                            _ => "the row makes no sense: a part of it was changed or is gone",
                        };
                        self.find(table, about, what, RESTORE);
                    }
                }
            }
            self.step(rows.len());
        }
    }

    fn account(&mut self, _key: &str, (account, told, counted): &(Account, i64, i64)) {
        let about = About::row(account.id.as_str());
        match self.store.tells_of_account(&account.id) {
            Ok(true) => {}
            Ok(false) => self.find("accounts", about, "no event tells that it was made", RESTORE),
            Err(error) => self.unreadable("accounts", &error),
        }
        if told != counted {
            self.find("accounts", about, "its number of secrets is another than it has", RESTORE);
        }
    }

    fn api_key(&mut self, _key: &str, key: &ApiKey) {
        if !self.keys.mac_holds(KEY_MAC, &key.mac_input(), &key.mac) {
            let next = "tightlip key revoke ID; then find out who wrote it into the store";
            self.find("api_keys", About::row(key.id.as_str()), "it lacks the gateway's mark: it was planted or changed", next);
        }
        self.revoked_key(key);
    }

    fn revoked_key(&mut self, key: &ApiKey) {
        if key.revoked.is_some() && !self.revoked.contains(&key.id) {
            let next = "tightlip key create, where the key is still wanted";
            self.find("api_keys", About::row(key.id.as_str()), "it is revoked, and no event tells of that", next);
        }
    }

    fn secret(&mut self, _key: &str, row: &SealedSecret) {
        let secret = &row.secret;
        let about = About::row(secret.id.as_str()).named(Some(&secret.name));
        let place = Place {
            deployment: self.keys.deployment().to_owned(),
            account: secret.account.clone(),
            secret: secret.id.clone(),
            name: secret.name.clone(),
            version: secret.version,
        };
        if let Err(error) = self.keys.open(&row.data_key, &row.sealed, &place) {
            match error {
                OpenError::ValueSealed => self.find("secrets", about, &error.to_string(), STORE_AGAIN),
                OpenError::WrongDeployment
                | OpenError::WrongDataKey
                | OpenError::UnknownSigner
                | OpenError::SignatureForged
                | OpenError::UnknownRecipient
                | OpenError::DataKeySealed => {
                    self.find("data_keys", About::row(row.data_key.id.as_str()).named(Some(&secret.name)), &error.to_string(), STORE_AGAIN);
                }
            }
        }
        let told = match self.store.told_of(&secret.account, &secret.name, &secret.id) {
            Ok(told) => told,
            Err(error) => return self.unreadable("events of the api", &error),
        };
        let what = match told.version {
            None => Some("no event tells of it: it was planted, or moved to another name or account"),
            Some(version) if secret.version < version => Some("it was put back to an older version"),
            Some(version) if secret.version > version => Some("no event tells of its version"),
            Some(_) if told.updated != Some(secret.updated) || told.created != Some(secret.created) => Some("its times were changed"),
            Some(_) => None,
        };
        if let Some(what) = what {
            self.find("secrets", about, what, STORE_AGAIN);
        }
    }
}

/// What mends a secret whose row is not its own.
const STORE_AGAIN: &str = "tightlip secret delete NAME, then tightlip secret set NAME; replace the value at its issuer too";

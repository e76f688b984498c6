//! The first run, and what every later one looks at before it starts anything.
//!
//! The first run builds everything aside, marks it complete, and only then moves it into its place: whatever interrupts it, the next start either begins
//! anew or moves the rest. A folder that was set up once is never set up again: a missing part is for a backup to bring back.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use model::{Account, AccountId, ApiKey, ApiKeyId, Clock, Event, EventKind, Scopes};
use rootkey::{PassphraseError, RootKeyError};
use serde::{Deserialize, Serialize};
use service::authenticate::{is_own_admin_key, make_admin_key};
use service::small::{self, Links};
use store::{Ledger, Mode, SchemaFaults, Store, StoreError};
use vault::{KeyringError, OpenKeys, RootKey, Sealer, SigningKey};
use zeroize::Zeroizing;

use crate::anchor;
use crate::config::Config;
use crate::folder::{DataFolder, FILE_MODE, FOLDER_MODE};
use crate::root::Root;

/// Whether this start made the data folder's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstRun {
    /// It did.
    Yes,
    /// An earlier one did and was interrupted; this one put them into their place.
    Finished,
    /// They were there.
    No,
}

/// The public half of the keyring's key that signs the manifest of public keys. It comes from the opened keyring, never from the api's folder: whoever took
/// the api over may have written there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pin(Vec<u8>);

impl Pin {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why the data folder's contents cannot be used, or could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A part of the folder is missing.
    #[error("{} is missing; nothing was changed; bring it back from your backup, or name another folder with --data DIR", .0.display())]
    Missing(PathBuf),
    /// The root key cannot be used.
    #[error("nothing was changed: the root key at {} cannot be used", path.display())]
    RootKey {
        /// Where it is.
        path: PathBuf,
        /// Why not, and what to do.
        #[source]
        source: RootKeyError,
    },
    /// The root key is another installation's.
    #[error("nothing was changed: {} is not the root key of this data folder; bring the right one back from your backup", .0.display())]
    WrongRootKey(PathBuf),
    /// The passphrase is another one.
    #[error("the passphrase is wrong, and nothing was changed")]
    WrongPassphrase,
    /// No root key follows from the passphrase.
    #[error("failed to derive the root key from the passphrase")]
    Passphrase(#[source] PassphraseError),
    /// Somebody else made or removed the contents since the passphrase was asked for.
    #[error("the data folder was set up or removed by somebody else at this moment: start again")]
    Meanwhile,
    /// A newer tightlip has written here.
    #[error("nothing was changed: {} was written by a newer tightlip; start that one, or restore a backup of this version", .0.display())]
    Newer(PathBuf),
    /// A database has other tables, indexes, triggers or views than tightlip makes.
    #[error("nothing was changed: the schema of {} was changed outside tightlip ({faults}); look with `tightlip verify`, and restore a backup from before that", path.display())]
    Schema {
        /// Which database.
        path: PathBuf,
        /// What is wrong with it.
        faults: SchemaFaults,
    },
    /// A database, the keyring or the manifest is of another installation.
    #[error("nothing was changed: {} belongs to another installation than the keyring; restore both from one backup", .0.display())]
    Foreign(PathBuf),
    /// The keyring or the manifest.
    #[error("failed to {what}")]
    Keyring {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: KeyringError,
    },
    /// A database.
    #[error("failed to {what} {}", path.display())]
    Store {
        /// What was tried.
        what: &'static str,
        /// Which database.
        path: PathBuf,
        /// Why not.
        #[source]
        source: StoreError,
    },
    /// The system's randomness.
    #[error("failed to make a key: the system gave no randomness")]
    Random,
    /// The system refused.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// What the children need, opened once and found good.
pub struct Opened {
    /// The gateway's keys.
    pub keys: OpenKeys,
    /// The store, to read.
    pub store: Store,
    /// The ledger.
    pub ledger: Ledger,
    /// The manifest's pin, for the api.
    pub pin: Pin,
}

impl Opened {
    /// The pin alone; the keys are wiped and the databases closed.
    #[must_use]
    pub fn into_pin(self) -> Pin {
        self.pin
    }
}

/// Makes the folder's contents where there are none, finishes what was interrupted, and looks at everything that the children need. Call with the lock.
/// Gives the root key besides, where no file holds it.
///
/// # Errors
/// When something is missing, wrong, newer, or could not be made.
pub fn ensure(
    folder: &DataFolder,
    mut root: Root,
    config: &Config,
    clock: &dyn Clock,
) -> Result<(FirstRun, Option<RootKey>, Opened), SetupError> {
    let aside = Layout(folder.set_up());
    let mut first_run = FirstRun::No;
    if aside.0.exists() && !aside.complete().exists() {
        std::fs::remove_dir_all(&aside.0).map_err(io_failed("remove", &aside.0))?;
    }
    if !aside.0.exists() && PARTS.iter().all(|part| !folder.path().join(part).exists()) {
        root = build(&aside, root, (folder, config), clock)?;
        first_run = FirstRun::Yes;
    }
    if aside.complete().exists() {
        move_in(&aside, folder)?;
        first_run = if first_run == FirstRun::Yes { FirstRun::Yes } else { FirstRun::Finished };
    }
    let opened = check(folder, &root)?;
    match root {
        Root::File => Ok((first_run, None, opened)),
        Root::Derived(key) => Ok((first_run, Some(key), opened)),
        Root::New(_) => Err(SetupError::Meanwhile),
    }
}

/// Whether the folder has contents, complete or not: those are not made anew.
#[must_use]
pub fn is_set_up(folder: &DataFolder) -> bool {
    Layout(folder.set_up()).complete().exists() || PARTS.iter().any(|part| folder.path().join(part).exists())
}

/// Where the folder's contents lie: in their place, or still aside, where moving them in was interrupted.
#[must_use]
pub fn places(folder: &DataFolder) -> Vec<DataFolder> {
    let aside = Layout(folder.set_up());
    let aside = Some(aside.folder()).filter(|_| aside.complete().exists());
    [folder.clone()].into_iter().chain(aside).collect()
}

/// The folder while it is built: the same layout, aside.
struct Layout(PathBuf);

impl Layout {
    fn complete(&self) -> PathBuf {
        self.0.join("complete")
    }

    /// The layout as a data folder, for its paths alone.
    fn folder(&self) -> DataFolder {
        DataFolder::aside(self.0.clone())
    }
}

fn build(aside: &Layout, root: Root, (folder, config): (&DataFolder, &Config), clock: &dyn Clock) -> Result<Root, SetupError> {
    let to = aside.folder();
    for folder in [to.path().to_owned(), to.store(), to.gateway(), to.api()] {
        DirBuilder::new().mode(FOLDER_MODE).create(&folder).map_err(io_failed("make", &folder))?;
    }
    let from_file = matches!(root, Root::File);
    let root = make_root(&to, root)?;
    let deployment = format!("dep_{}", model::id::base62(random()?, DEPLOYMENT_CHARS));
    let signing = SigningKey::make().map_err(keyring("make the api's signing key"))?;
    let mut keys = OpenKeys::make(&deployment).map_err(keyring("make the keyring"))?;
    keys.trust_api(signing.verify_key());
    write_new(&to.keyring(), &keys.wrap(&root).map_err(keyring("wrap the keyring"))?)?;
    write_new(&to.manifest(), &keys.manifest().map_err(keyring("sign the manifest"))?)?;
    write_new(&to.manifest_pin(), &keys.manifest_pin())?;
    write_new(&to.signing_key(), &signing.to_bytes())?;
    write_new(&to.admin_key(), make_admin_key(&keys).as_bytes())?;
    let api_key = vault::make_key("tlk_");
    write_new(&to.api_key(), api_key.as_bytes())?;
    write_new(&to.config(), crate::config::TEMPLATE.as_bytes())?;
    Store::create(&to.store_db(), &deployment).map_err(store_failed("make", to.store_db()))?;
    Ledger::create(&to.ledger(), &deployment).map_err(store_failed("make", to.ledger()))?;
    make_owner(&to.store_db(), &api_key, &keys, clock)?;
    let store = Store::open(&to.store_db(), Mode::Reader).map_err(store_failed("read", to.store_db()))?;
    let ledger = Ledger::open_to_read(&to.ledger()).map_err(store_failed("read", to.ledger()))?;
    anchor::first(folder, config, &keys, &store, &ledger, clock).map_err(store_failed("read", to.store_db()))?;
    drop((store, ledger));
    write_new(&aside.complete(), b"")?;
    for folder in [to.store(), to.gateway(), to.api(), to.path().to_owned()] {
        sync(&folder)?;
    }
    Ok(if from_file { Root::File } else { Root::Derived(root) })
}

fn make_root(to: &DataFolder, root: Root) -> Result<RootKey, SetupError> {
    match root {
        Root::File => rootkey::make(&to.root_key()).map_err(|source| SetupError::RootKey { path: to.root_key(), source }),
        Root::New(passphrase) => rootkey::passphrase::make(&to.root_passphrase(), &passphrase).map_err(SetupError::Passphrase),
        Root::Derived(_) => Err(SetupError::Meanwhile),
    }
}

/// The account of the machine's owner, and the key that may do everything in it.
fn make_owner(db: &Path, api_key: &str, keys: &OpenKeys, clock: &dyn Clock) -> Result<(), SetupError> {
    let now = clock.now();
    let failed = store_failed("write", db.to_owned());
    let account = Account { id: AccountId::from_parts(now, random()?), name: OWNER.to_owned(), devbox_capability: true, created: now };
    let key = ApiKey::new(ApiKeyId::from_parts(now, random()?), account.id.clone(), vault::hash_token(api_key), Scopes::all(), now);
    let key = service::marks::marked(keys, key);
    let store = Store::open(db, Mode::Writer).map_err(&failed)?;
    let account_made = Event::bare(EventKind::AccountCreated, now, account.id.clone());
    let key_made = Event { about_key: Some(key.id.clone()), ..Event::bare(EventKind::KeyCreated, now, account.id.clone()) };
    store.insert_account_with_key(&account, &key, [&account_made, &key_made]).map_err(&failed)
}

/// Moves what was built into its place. Every step may be the last one before a crash: the next start goes on here.
fn move_in(aside: &Layout, folder: &DataFolder) -> Result<(), SetupError> {
    for part in PARTS.iter().chain(&["tightlip.toml"]) {
        let (from, to) = (aside.0.join(part), folder.path().join(part));
        // An operator's own configuration stays.
        if from.exists() && !to.exists() {
            std::fs::rename(&from, &to).map_err(io_failed("move in", &to))?;
        }
    }
    sync(folder.path())?;
    std::fs::remove_dir_all(&aside.0).map_err(io_failed("remove", &aside.0))?;
    sync(folder.path())
}

/// Looks at everything that the children need, and changes none of it but an older schema, and an admin key that was not made here.
///
/// # Errors
/// When something is missing, wrong or newer.
pub fn check(folder: &DataFolder, root: &Root) -> Result<Opened, SetupError> {
    let files = [folder.keyring(), folder.signing_key(), folder.manifest(), folder.manifest_pin(), folder.store_db(), folder.ledger()];
    if let Some(missing) = files.into_iter().find(|path| !path.exists()) {
        return Err(SetupError::Missing(missing));
    }
    let keys = open_keys(folder, root)?;
    renew_admin_key(folder, &keys)?;
    let seed = read(&folder.signing_key())?;
    if !keys.trusts_seed(&seed) {
        return Err(SetupError::Foreign(folder.signing_key()));
    }
    let signing = SigningKey::from_bytes(&seed).map_err(keyring("read the api's signing key"))?;
    // The api may write its folder: what it would seal to is the keyring's own, or nothing starts.
    let pin = Pin(keys.manifest_pin());
    if *read(&folder.manifest_pin())? != pin.0 {
        return Err(SetupError::Foreign(folder.manifest_pin()));
    }
    let sealer = Sealer::new(&read(&folder.manifest())?, pin.bytes(), signing).map_err(|source| {
        let forged = matches!(source, KeyringError::ManifestForged);
        if forged { SetupError::Foreign(folder.manifest()) } else { keyring("check the manifest")(source) }
    })?;
    let store = open_store(&folder.store_db()).map_err(store_failed("open", folder.store_db()))?;
    let ledger = Ledger::open(&folder.ledger()).map_err(store_failed("open", folder.ledger()))?;
    let told = [
        (folder.manifest(), sealer.deployment().to_owned()),
        (folder.store_db(), store.deployment().map_err(store_failed("read", folder.store_db()))?),
        (folder.ledger(), ledger.deployment().to_owned()),
    ];
    if let Some((path, _)) = told.into_iter().find(|(_, deployment)| deployment != keys.deployment()) {
        return Err(SetupError::Foreign(path));
    }
    Ok(Opened { keys, store, ledger, pin })
}

/// Makes another admin key where there is none, or one that the keyring did not mark: whoever put it there knows it.
fn renew_admin_key(folder: &DataFolder, keys: &OpenKeys) -> Result<(), SetupError> {
    let path = folder.admin_key();
    let is_gone = std::fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    if !is_gone && has_own_admin_key(folder, keys)? {
        return Ok(());
    }
    let fresh = path.with_extension("new");
    // What a crash left.
    let _ = std::fs::remove_file(&fresh);
    write_new(&fresh, make_admin_key(keys).as_bytes())?;
    std::fs::rename(&fresh, &path).map_err(|error| {
        // A folder: it stays where it is.
        let _ = std::fs::remove_file(&fresh);
        io_failed("replace", &path)(error)
    })?;
    sync(&folder.gateway())?;
    let why = if is_gone { "was gone" } else { "was changed outside tightlip, or is of an earlier build" };
    tracing::warn!("{} {why}: there is a new admin key in it, and the old one is refused", path.display());
    Ok(())
}

/// Whether the admin key was made with this keyring.
///
/// # Errors
/// When the system refuses.
pub fn has_own_admin_key(folder: &DataFolder, keys: &OpenKeys) -> Result<bool, SetupError> {
    let key = match small::read(&folder.admin_key(), Links::Refuse) {
        Ok(key) => key,
        // A link, a pipe, or something large.
        Err(error) if [io::ErrorKind::InvalidInput, io::ErrorKind::FileTooLarge].contains(&error.kind()) => return Ok(false),
        Err(error) => return Err(io_failed("read", &folder.admin_key())(error)),
    };
    Ok(std::str::from_utf8(&key).is_ok_and(|key| is_own_admin_key(keys, key.trim_end())))
}

/// The keyring, opened with the root key.
///
/// # Errors
/// Where the root key is missing or another one, or the keyring is damaged.
pub fn open_keys(folder: &DataFolder, root: &Root) -> Result<OpenKeys, SetupError> {
    let path = folder.root_key();
    let of_file;
    let root_key = match root {
        Root::File => {
            of_file = rootkey::load(&path).map_err(|source| SetupError::RootKey { path: path.clone(), source })?;
            &of_file
        }
        Root::Derived(key) => key,
        Root::New(_) => return Err(SetupError::Meanwhile),
    };
    OpenKeys::unwrap(&read(&folder.keyring())?, root_key).map_err(|source| match (source, root) {
        (KeyringError::WrongRootKey, Root::File) => SetupError::WrongRootKey(path.clone()),
        (KeyringError::WrongRootKey, Root::Derived(_) | Root::New(_)) => SetupError::WrongPassphrase,
        (source, _) => keyring("open the keyring")(source),
    })
}

/// The store to read, once it has this build's schema: only a writer can bring it there.
fn open_store(db: &Path) -> Result<Store, StoreError> {
    let opened = Store::open(db, Mode::Reader);
    if !matches!(opened, Err(StoreError::Outdated { .. })) {
        return opened;
    }
    drop(Store::open(db, Mode::Writer)?);
    Store::open(db, Mode::Reader)
}

/// Reads a small file of ours.
///
/// # Errors
/// When the system refuses, or it is no such file.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SetupError> {
    small::read(path, Links::Refuse).map_err(io_failed("read", path))
}

/// Writes a small file of ours, which must not exist; on disk when this returns, but for its folder.
///
/// # Errors
/// When the system refuses.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), SetupError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(io_failed("write", path))
}

/// Brings the entries of a folder to disk.
///
/// # Errors
/// When the system refuses.
pub fn sync(folder: &Path) -> Result<(), SetupError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_failed("write", folder))
}

fn random() -> Result<u128, SetupError> {
    vault::random_u128().map_err(|_| SetupError::Random)
}

/// An error's maker for `what` was tried on `path`.
pub fn io_failed<'a>(what: &'static str, path: &'a Path) -> impl Fn(io::Error) -> SetupError + 'a {
    move |source| SetupError::Io { what, path: path.to_owned(), source }
}

fn keyring(what: &'static str) -> impl Fn(KeyringError) -> SetupError {
    move |source| SetupError::Keyring { what, source }
}

fn store_failed(what: &'static str, path: PathBuf) -> impl Fn(StoreError) -> SetupError {
    move |source| {
        let path = path.clone();
        if let StoreError::Schema(faults) = source {
            return SetupError::Schema { path, faults };
        }
        if matches!(source, StoreError::Newer { .. }) { SetupError::Newer(path) } else { SetupError::Store { what, path, source } }
    }
}

/// What the first run makes, beside the configuration. Any one of them means that the folder was set up.
pub const PARTS: [&str; 4] = ["gateway", "store", "api", "api-key"];
const DEPLOYMENT_CHARS: usize = 20;
const OWNER: &str = "owner";

//! Who makes backups, of what, and that nothing is left of one that failed.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use installation::Installation;
use link::cli::{BackedUp, Denial};
use model::{Account, EventKind, Scopes};
use service::BackupError;
use service::backup::{ABOUT, About, Names, Need, SmallFile, Sources};
use store::EventQuery;
use vault::RootKey;
use vault::backup::Opener;

#[path = "fixture/installation.rs"]
mod installation;

struct Desk {
    house: Installation,
    sources: Sources,
    root: RootKey,
}

impl Desk {
    fn make() -> Self {
        Self::over(Installation::make())
    }

    fn over(house: Installation) -> Self {
        let root = RootKey::make().unwrap();
        let at = |name: &str| house.folder.path().join(name);
        fs::write(at("signing.key"), &house.signing_seed).unwrap();
        fs::write(at("admin-key"), &house.admin_key).unwrap();
        let file = |name: &'static str, need| SmallFile { name, path: at(name), need };
        let sources = Sources {
            keyring: house.keys.wrap(&root).unwrap(),
            recipe: Vec::new(),
            names: Names { store: "store", ledger: "ledger", manifest: "manifest", manifest_pin: "pin", signing_key: "signing.key" },
            signing_key: at("signing.key"),
            manifest: at("manifest"),
            manifest_pin: at("pin"),
            files: vec![file("admin-key", Need::Always), file("settings", Need::IfThere)],
            resting: Box::new(service::backup::Resting::default),
            scratch: at("scratch"),
            turn: Mutex::new(()),
        };
        Self { house, sources, root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.house.folder.path().join(name)
    }

    fn new_file(&self) -> File {
        tempfile::tempfile_in(self.house.folder.path()).unwrap()
    }

    fn back_up(&self, admin_key: &str, file: &File) -> Result<BackedUp, BackupError> {
        self.house.gate.back_up(admin_key, &self.house.caller(), &self.sources, file.try_clone().unwrap())
    }

    /// Tries, and checks that nothing is left of it: no bytes, no copies, no event.
    fn refused(&self) -> BackupError {
        let file = self.new_file();
        let refused = self.back_up(&self.house.admin_key, &file).unwrap_err();
        assert_eq!(file.metadata().unwrap().len(), 0);
        assert!(!self.sources.scratch.exists());
        assert_eq!(self.recorded(), 0);
        refused
    }

    fn recorded(&self) -> usize {
        let events = self.house.ledger.events(&EventQuery::of(self.house.owner.id.clone(), 5000)).unwrap();
        events.iter().filter(|told| told.event.kind == EventKind::BackedUp).count()
    }

    fn parts(&self, file: &mut File) -> BTreeMap<String, Vec<u8>> {
        file.rewind().unwrap();
        let opener = Opener::begin(&*file).unwrap();
        let keys = opener.unwrap_keyring(&self.root).unwrap();
        let mut kept: BTreeMap<String, Kept> = BTreeMap::new();
        opener.open(&keys, |name| Ok(kept.entry(name.to_owned()).or_default().clone())).unwrap();
        kept.into_iter().map(|(name, kept)| (name, kept.0.lock().unwrap().clone())).collect()
    }
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn without_the_admin_key_there_is_no_backup() {
    let desk = Desk::make();
    for key in ["", "tla_wrong", &desk.house.owner_key] {
        let file = desk.new_file();
        let refused = desk.back_up(key, &file).unwrap_err();
        assert!(matches!(refused, BackupError::NotAdmin) && refused.denial() == Denial::NotAuthenticated);
        assert_eq!(file.metadata().unwrap().len(), 0);
    }
    assert_eq!(desk.recorded(), 0);
}

#[test]
fn a_backup_with_another_accounts_key_is_the_owners_to_know_of() {
    let guest = Account { name: "guest".into(), ..installation::account(2) };
    let key = vault::make_key("tlk_").to_string();
    let desk = Desk::over(Installation::with_keys(|store| {
        installation::add_account(store, &guest);
        installation::add_key(store, &guest, 2, &key, Scopes::all());
    }));
    let caller = desk.house.gate.authenticate(Some(&key)).unwrap();
    desk.house.gate.back_up(&desk.house.admin_key, &caller, &desk.sources, desk.new_file()).unwrap();
    let told = |account: &Account| desk.house.ledger.events(&EventQuery::of(account.id.clone(), 5000)).unwrap();
    let made: Vec<_> = told(&desk.house.owner).into_iter().filter(|told| told.event.kind == EventKind::BackedUp).collect();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].event.key, Some(caller.key.id));
    assert!(told(&guest).is_empty());
}

#[test]
fn only_a_new_and_empty_file_is_written_to() {
    let desk = Desk::make();
    let mut full = desk.new_file();
    full.write_all(b"somebody's words").unwrap();
    assert!(matches!(desk.back_up(&desk.house.admin_key, &full), Err(BackupError::NotAFile)));
    full.rewind().unwrap();
    let mut words = String::new();
    full.read_to_string(&mut words).unwrap();
    assert_eq!(words, "somebody's words");
    let (_reader, writer) = io::pipe().unwrap();
    assert!(matches!(desk.back_up(&desk.house.admin_key, &File::from(OwnedFd::from(writer))), Err(BackupError::NotAFile)));
}

#[test]
fn a_file_that_cannot_be_read_back_is_no_backup() {
    let desk = Desk::make();
    let path = desk.path("write-only");
    let file = File::options().write(true).create_new(true).open(&path).unwrap();
    let refused = desk.back_up(&desk.house.admin_key, &file).unwrap_err();
    assert!(matches!(refused, BackupError::Unverified(_)), "{refused:?}");
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn one_backup_is_made_at_a_time() {
    let desk = Desk::make();
    let _turn = desk.sources.turn.lock().unwrap();
    assert!(matches!(desk.refused(), BackupError::Another));
}

#[test]
fn a_store_whose_events_were_tampered_with_is_not_backed_up() {
    let desk = Desk::make();
    desk.house.store("A", "a plain value");
    let store = rusqlite::Connection::open(desk.path("tightlip.db")).unwrap();
    assert!(store.execute("UPDATE events SET body = replace(body, 'created', 'deleted')", []).unwrap() > 0);
    drop(store);
    assert!(matches!(desk.refused(), BackupError::Damaged("the store")));
}

#[test]
fn a_signing_key_that_the_gateway_does_not_trust_is_not_backed_up() {
    let desk = Desk::make();
    for other in [&[7; 32][..], b"short"] {
        fs::write(&desk.sources.signing_key, other).unwrap();
        assert!(matches!(desk.refused(), BackupError::Damaged("the api's signing key")));
    }
}

#[test]
fn without_a_file_that_every_backup_needs_there_is_none() {
    let desk = Desk::make();
    fs::remove_file(desk.path("admin-key")).unwrap();
    let refused = desk.refused();
    assert!(matches!(&refused, BackupError::Part { path, .. } if path.ends_with("admin-key")), "{refused:?}");
    assert!(!refused.to_string().contains("admin-key"));
}

#[test]
fn what_a_crash_left_behind_is_swept() {
    let desk = Desk::make();
    fs::create_dir(&desk.sources.scratch).unwrap();
    fs::write(desk.sources.scratch.join("store"), "half a copy").unwrap();
    desk.sources.sweep().unwrap();
    assert!(!desk.sources.scratch.exists());
    desk.sources.sweep().unwrap();
}

#[test]
fn a_backup_holds_every_part_and_is_recorded() {
    let desk = Desk::make();
    desk.house.store("A", "a plain value");
    desk.house.store("B", "another plain value");
    desk.house.card(&["A"]);
    fs::write(desk.path("settings"), "[gateway]").unwrap();
    let mut file = desk.new_file();
    let made = desk.back_up(&desk.house.admin_key, &file).unwrap();
    assert_eq!((made.secrets, made.bytes), (2, file.metadata().unwrap().len()));
    assert_eq!(desk.recorded(), 1);
    assert!(!desk.sources.scratch.exists());

    let parts = desk.parts(&mut file);
    let names: Vec<&str> = parts.keys().map(String::as_str).collect();
    assert_eq!(names, [ABOUT, "admin-key", "ledger", "manifest", "pin", "settings", "signing.key", "store"]);
    assert_eq!(parts["admin-key"], desk.house.admin_key.as_bytes());
    assert_eq!(parts["signing.key"], desk.house.signing_seed);
    assert_eq!((&parts["manifest"], &parts["pin"]), (&desk.house.keys.manifest().unwrap(), &desk.house.keys.manifest_pin()));
    let about = About::read(&parts[ABOUT]).unwrap();
    assert_eq!((about.secrets, about.made), (2, installation::START));
    assert_eq!((about.api.seq, about.gateway.seq), (made.events.api, made.events.gateway));

    let copy = desk.path("copy.db");
    fs::write(&copy, &parts["store"]).unwrap();
    let copy = store::Store::open(&copy, store::Mode::Reader).unwrap();
    assert_eq!(copy.inspect().unwrap().seq, made.events.api);
}

//! Both databases at one moment, under writers that never rest.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use model::{BindingId, ChainedEvent, Event, EventKind, StoredBinding};
use store::{EventQuery, Ledger, Mode, Store, StoreError};

use crate::backend::DEPLOYMENT;
use crate::sample;

struct Both {
    folder: tempfile::TempDir,
    store: Store,
    /// The gateway's own view of the store.
    reader: Store,
    ledger: Ledger,
    account: model::Account,
}

impl Both {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, ledger) = (folder.path().join("tightlip.db"), folder.path().join("gateway.db"));
        Store::create(&store, DEPLOYMENT).unwrap();
        Ledger::create(&ledger, DEPLOYMENT).unwrap();
        let ledger = Ledger::open(&ledger).unwrap();
        let (store, reader) = (Store::open(&store, Mode::Writer).unwrap(), Store::open(&store, Mode::Reader).unwrap());
        let account = sample::stored_account(&store);
        Self { folder, store, reader, ledger, account }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Copies both, and opens the copies, which are looked at whole.
    fn copies(&self, number: usize) -> (Store, Ledger) {
        let cut = self.ledger.cut(&self.reader).unwrap();
        let (store, ledger) = (self.path(&format!("store-{number}")), self.path(&format!("ledger-{number}")));
        cut.store.copy_to(&store).unwrap();
        cut.ledger.copy_to(&ledger).unwrap();
        let (store, ledger) = (Store::open(&store, Mode::Reader).unwrap(), Ledger::open_to_read(&ledger).unwrap());
        store.inspect().unwrap();
        ledger.inspect().unwrap();
        (store, ledger)
    }

    fn bind(&self, secret: &model::Secret) -> StoredBinding {
        let binding = StoredBinding {
            id: BindingId::from_parts(secret.created, sample::number().into()),
            account: secret.account.clone(),
            secret: secret.id.clone(),
            binding: model::Binding::to_host("api.example.com".parse().unwrap()),
            created: secret.created,
            mac: vec![7; 32],
        };
        let event = Event::bare(EventKind::BindingCreated, secret.created, secret.account.clone()).about(secret);
        self.ledger.insert_binding(&binding, &event).unwrap();
        binding
    }
}

fn all(list: impl Fn(&EventQuery) -> Vec<ChainedEvent>, account: &model::Account) -> Vec<ChainedEvent> {
    let mut query = EventQuery::of(account.id.clone(), 5000);
    let mut events = Vec::new();
    loop {
        let page = list(&query);
        let Some(last) = page.last() else { return events };
        query.after = last.seq;
        events.extend(page);
    }
}

#[test]
fn nothing_that_the_ledger_tells_of_is_missing_from_the_store_and_nothing_acknowledged_from_either() {
    const WRITERS: usize = 4;
    const CUTS: usize = 12;
    let both = Both::make();
    let (done, acknowledged) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let busy = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let row = sample::stored_secret(&both.store, &both.account.id);
                    let binding = both.bind(&row.secret);
                    acknowledged.lock().unwrap().push((row.secret.clone(), binding));
                    let next = sample::next(&row);
                    both.store.update_secret(&next, &sample::updated(&next)).unwrap();
                    both.bind(&next.secret);
                    busy.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for number in 0..CUTS {
            let wanted = busy.load(Ordering::SeqCst) + 3;
            while busy.load(Ordering::SeqCst) < wanted {
                thread::yield_now();
            }
            let before = acknowledged.lock().unwrap().clone();
            let (store, ledger) = both.copies(number);
            let told = all(|query| store.events(query).unwrap(), &both.account);
            let versions: HashSet<_> = told.iter().map(|told| (told.event.secret.clone(), told.event.version)).collect();
            let uses = all(|query| ledger.events(query).unwrap(), &both.account);
            assert!(uses.len() >= before.len());
            for told in uses {
                assert!(
                    versions.contains(&(told.event.secret, told.event.version)),
                    "the ledger tells of a version that the store never had"
                );
            }
            for (secret, binding) in before {
                assert!(store.sealed(&secret.id).unwrap().is_some());
                assert!(ledger.bindings_of(&secret.id).unwrap().contains(&binding));
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    both.store.verify_chain().unwrap();
    both.ledger.verify_chain().unwrap();
}

#[test]
fn writers_go_on_while_a_cut_is_held_and_copied() {
    let both = Both::make();
    let row = sample::stored_secret(&both.store, &both.account.id);
    let cut = both.ledger.cut(&both.reader).unwrap();
    let later = sample::stored_secret(&both.store, &both.account.id);
    both.bind(&later.secret);
    let next = sample::next(&row);
    both.store.update_secret(&next, &sample::updated(&next)).unwrap();
    cut.store.copy_to(&both.path("copy")).unwrap();
    cut.ledger.copy_to(&both.path("ledger-copy")).unwrap();
    let (store, ledger) =
        (Store::open(&both.path("copy"), Mode::Reader).unwrap(), Ledger::open_to_read(&both.path("ledger-copy")).unwrap());
    assert_eq!(store.sealed(&row.secret.id).unwrap(), Some(row));
    assert_eq!((store.count_secrets().unwrap(), both.store.count_secrets().unwrap()), (1, 2));
    assert_eq!(store.sealed(&later.secret.id).unwrap(), None);
    assert_eq!((ledger.inspect().unwrap().seq, both.ledger.inspect().unwrap().seq), (0, 1));
}

#[test]
fn a_copy_is_its_owners_alone_and_never_takes_a_files_place() {
    let both = Both::make();
    let cut = both.ledger.cut(&both.reader).unwrap();
    std::fs::write(both.path("taken"), "words").unwrap();
    assert!(matches!(cut.store.copy_to(&both.path("taken")), Err(StoreError::Exists)));
    assert_eq!(std::fs::read(both.path("taken")).unwrap(), b"words");
    assert!(matches!(cut.store.copy_to(&both.path("nowhere/copy")), Err(StoreError::Missing)));
    cut.store.copy_to(&both.path("copy")).unwrap();
    assert_eq!(std::fs::metadata(both.path("copy")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        std::fs::read_dir(both.folder.path()).unwrap().filter(|entry| names(entry, "copy")).count(),
        1,
        "a journal was left beside it"
    );
}

fn names(entry: &std::io::Result<std::fs::DirEntry>, word: &str) -> bool {
    entry.as_ref().unwrap().file_name().to_string_lossy().contains(word)
}

#[test]
fn a_copy_with_a_damaged_page_is_found() {
    let both = Both::make();
    for _ in 0..200 {
        sample::stored_secret(&both.store, &both.account.id);
    }
    let copy = both.path("copy");
    both.ledger.cut(&both.reader).unwrap().store.copy_to(&copy).unwrap();
    let whole = std::fs::read(&copy).unwrap();
    let mut found = 0;
    for page in 1..whole.len() / 4096 {
        let mut bytes = whole.clone();
        // The page's kind and its cells' places (SQLite's file format, section 1.6).
        bytes[page * 4096..page * 4096 + 64].fill(0xff);
        let damaged = both.path("damaged");
        std::fs::write(&damaged, bytes).unwrap();
        assert!(look(&damaged).is_err(), "a damaged page {page} was not found");
        found += 1;
    }
    assert!(found > 10);
    look(&copy).unwrap();
}

fn look(path: &Path) -> Result<store::Head, StoreError> {
    Store::open(path, Mode::Reader)?.inspect()
}

//! The databases' files themselves: pages that lead in circles, pipes in their place, a header that says another number, keys larger than any of ours.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use nix::sys::stat::Mode;
use rusqlite::Connection;

use crate::house::{House, Verdict, said_by, verify};
use crate::server::{BINARY, refused, state, up};

const STORE: &str = "store/tightlip.db";
const LEDGER: &str = "gateway/gateway.db";
/// The databases' page size.
const PAGE: usize = 4096;
/// How many levels the trees have: each page of one has all its children at one place, so a walk is some 400 times as long with each.
const LEVELS: u32 = 6;

/// The program under a limit of time: where it waits or walks for ever, it ends with 124.
fn timed(command: &Command) -> Command {
    let mut timed = Command::new("timeout");
    timed.args(["--signal=KILL", "30"]).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => timed.env(key, value),
            None => timed.env_remove(key),
        };
    }
    timed
}

fn verify_in_time(data: &Path) -> Verdict {
    let mut command = Command::new(BINARY);
    command.env("XDG_STATE_HOME", state(data)).arg("--data").arg(data).args(["verify", "--json"]);
    let output = timed(&command).output().unwrap();
    assert!(output.status.code().is_some_and(|code| code != 124), "it did not end");
    said_by(&output)
}

/// A page of a B-tree: an inner one whose children are all `child`, or a leaf where there is none. Its keys make no sense, and nobody reads them who counts.
fn page(is_index: bool, child: Option<u32>, offset: usize) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    let cell = match (child, is_index) {
        (Some(child), true) => [&child.to_be_bytes()[..], &[3, 2, 1, 0]].concat(),
        (Some(child), false) => [&child.to_be_bytes()[..], &[1, 0, 0, 0]].concat(),
        (None, true) => vec![3, 2, 1, 0],
        (None, false) => vec![3, 1, 2, 1, 0],
    };
    let header = offset + if child.is_some() { 12 } else { 8 };
    let cells = if child.is_some() { (PAGE - header) / (cell.len() + 2) } else { 1 };
    let mut end = PAGE;
    for number in 0..cells {
        end -= cell.len();
        page[end..end + cell.len()].copy_from_slice(&cell);
        page[header + 2 * number..][..2].copy_from_slice(&u16::try_from(end).unwrap().to_be_bytes());
    }
    page[offset] = match (child.is_some(), is_index) {
        (true, true) => 2,
        (true, false) => 5,
        (false, true) => 10,
        (false, false) => 13,
    };
    page[offset + 3..offset + 5].copy_from_slice(&u16::try_from(cells).unwrap().to_be_bytes());
    page[offset + 5..offset + 7].copy_from_slice(&u16::try_from(end).unwrap().to_be_bytes());
    if let Some(child) = child {
        page[offset + 8..offset + 12].copy_from_slice(&child.to_be_bytes());
    }
    page
}

/// Puts trees that nobody comes to the end of in the place of a table and of its indexes.
fn make_endless(database: &Path, table: &str) {
    let conn = Connection::open(database).unwrap();
    let mut statement = conn.prepare("SELECT rootpage, type = 'index' FROM sqlite_schema WHERE tbl_name = ?1 AND rootpage > 0").unwrap();
    let roots: Vec<(u32, bool)> =
        statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap();
    drop(statement);
    // Into the file itself, and nothing left beside it that would be read instead.
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).unwrap();
    conn.close().unwrap_or_else(|(_, error)| panic!("{error}"));
    let file = fs::OpenOptions::new().read(true).write(true).open(database).unwrap();
    let mut pages = u32::try_from(file.metadata().unwrap().len() / PAGE as u64).unwrap();
    let write = |number: u32, bytes: &[u8]| file.write_all_at(bytes, u64::from(number - 1) * PAGE as u64).unwrap();
    for (root, is_index) in roots {
        write(root, &page(is_index, Some(pages + 1), 0));
        for _ in 1..LEVELS {
            pages += 1;
            write(pages, &page(is_index, Some(pages + 1), 0));
        }
        pages += 1;
        write(pages, &page(is_index, None, 0));
    }
    file.write_all_at(&pages.to_be_bytes(), 28).unwrap();
}

#[test]
fn pages_that_lead_in_circles_are_named_and_hold_up_no_look() {
    let house = House::make();
    // The last is looked at for what it refers to.
    for (file, table, tree) in
        [(STORE, "store", "gateway_configs"), (LEDGER, "ledger", "bindings"), (LEDGER, "ledger", "grants"), (STORE, "store", "secrets")]
    {
        let copy = house.copy("copy");
        make_endless(&copy.join(file), tree);
        let verdict = verify_in_time(&copy);
        verdict.assert_finds(table, "file is damaged");
        assert_eq!(verdict.said["findings"].as_array().unwrap().len(), 1, "{tree}: {}", verdict.text);
    }
}

#[test]
fn pages_that_lead_in_circles_hold_up_no_look_of_a_server() {
    let house = House::make();
    let server = house.serve();
    server.wait_until_both_serve();
    make_endless(&house.data().join(STORE), "gateway_configs");
    verify_in_time(&house.data()).assert_finds("store", "file is damaged");
}

#[test]
fn a_schemas_pages_that_lead_in_circles_hold_up_neither_a_look_nor_a_start() {
    let house = House::make();
    let data = house.copy("copy");
    let database = data.join(LEDGER);
    let conn = Connection::open(&database).unwrap();
    // A row that may come again and again: an index that its table makes has no statement, and is only looked up.
    let (name, table, root): (String, String, u8) = conn
        .query_row("SELECT name, tbl_name, rootpage FROM sqlite_schema WHERE name LIKE 'sqlite_autoindex_bindings%'", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    conn.close().unwrap_or_else(|(_, error)| panic!("{error}"));
    let file = fs::OpenOptions::new().read(true).write(true).open(&database).unwrap();
    let pages = u32::try_from(file.metadata().unwrap().len() / PAGE as u64).unwrap();
    let mut header = [0; 100];
    file.read_exact_at(&mut header, 0).unwrap();
    let mut first = vec![0; PAGE];
    file.read_exact_at(&mut first, 0).unwrap();
    let write = |number: u32, bytes: &[u8]| file.write_all_at(bytes, u64::from(number - 1) * PAGE as u64).unwrap();
    // The first child is what the root was, so that every table is there; the others are the circle.
    let is_inner = first[100] == 5;
    let old = if is_inner { u32::from_be_bytes(first[108..112].try_into().unwrap()) } else { pages + LEVELS + 1 };
    let mut root_page = page(false, Some(pages + 1), 100);
    root_page[..100].copy_from_slice(&header);
    let cell = usize::from(u16::from_be_bytes(root_page[112..114].try_into().unwrap()));
    root_page[cell..cell + 4].copy_from_slice(&old.to_be_bytes());
    for level in 1..LEVELS {
        write(pages + level, &page(false, Some(pages + level + 1), 0));
    }
    let says = ["index", &name, &table].map(str::as_bytes);
    let lengths = says.map(|text| u8::try_from(13 + 2 * text.len()).unwrap());
    let record = [&[6, lengths[0], lengths[1], lengths[2], 1, 0][..], says[0], says[1], says[2], &[root]].concat();
    let cell = [&[u8::try_from(record.len()).unwrap(), 1][..], &record].concat();
    let mut leaf = vec![0; PAGE];
    leaf[PAGE - cell.len()..].copy_from_slice(&cell);
    leaf[0] = 13;
    leaf[3..5].copy_from_slice(&1_u16.to_be_bytes());
    let start = u16::try_from(PAGE - cell.len()).unwrap().to_be_bytes();
    leaf[5..7].copy_from_slice(&start);
    leaf[8..10].copy_from_slice(&start);
    write(pages + LEVELS, &leaf);
    assert!(is_inner, "the schema has more than one page");
    write(1, &root_page);
    file.write_all_at(&(pages + LEVELS).to_be_bytes(), 28).unwrap();
    drop(file);
    verify_in_time(&data).assert_finds("files", "damaged");
    assert_eq!(refused(&mut timed(&up(&data))).0, 1);
}

#[test]
fn a_pipe_in_the_place_of_a_databases_file_holds_up_neither_a_look_nor_a_start() {
    let house = House::make();
    for file in [STORE, LEDGER] {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let data = house.copy("copy");
            let name = format!("{file}{suffix}");
            let path = data.join(&name);
            let _absent = fs::remove_file(&path);
            nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
            assert_eq!(verify_in_time(&data).assert_finds("files", "no regular file")["id"], name.as_str());
            let (code, said) = refused(&mut timed(&up(&data)));
            assert!(code == 1 && said.contains(path.to_str().unwrap()) && said.contains("move it aside"), "{code}: {said}");
        }
    }
}

#[test]
fn a_header_that_says_another_version_than_the_schema_is_found() {
    let house = House::make();
    for file in [STORE, LEDGER] {
        for number in [9, 3, 0] {
            let data = house.copy("copy");
            let conn = Connection::open(data.join(file)).unwrap();
            conn.execute_batch(&format!("PRAGMA user_version = {number}")).unwrap();
            conn.close().unwrap_or_else(|(_, error)| panic!("{error}"));
            let verdict = verify(&data);
            assert_eq!(verdict.assert_finds("files", "another version")["id"], file);
            let (code, said) = refused(&mut up(&data));
            let is_told = said.contains(&format!("says {number}: ")) && said.contains("header was changed");
            assert!(code == 1 && is_told && said.contains("newer tightlip") == (number == 9), "{code}: {said}");
        }
    }
}

#[test]
fn a_keyring_that_was_changed_or_is_gone_is_found() {
    let house = House::make();
    let right = fs::read_to_string(house.data().join("gateway/keyring.json")).unwrap();
    let (sealed, root) = (right.find("\"sealed\":\"").unwrap() + 20, right.find("\"root\":\"").unwrap() + 12);
    let flipped = |at: usize| {
        let mut bytes = right.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        bytes
    };
    let data = house.copy("copy");
    let path = data.join("gateway/keyring.json");
    for (wrong, words) in [
        (flipped(sealed), "damaged"),
        (right.as_bytes()[..sealed].to_vec(), "damaged"),
        (Vec::new(), "damaged"),
        (flipped(root), "gateway/root.key"),
    ] {
        fs::write(&path, wrong).unwrap();
        assert_eq!(verify(&data).assert_finds("files", words)["id"], "gateway/keyring.json");
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(verify(&data).assert_finds("files", "gone")["id"], "gateway/keyring.json");
    nix::unistd::mkfifo(&path, Mode::S_IRUSR).unwrap();
    assert_eq!(verify_in_time(&data).assert_finds("files", "gone")["id"], "gateway/keyring.json");
    // What the system does not let one read says nothing about what stands there.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(verify(&data).assert_finds("files", "gone")["id"], "gateway/keyring.json");
}

#[test]
fn rows_larger_than_any_of_ours_are_found_and_take_no_memory() {
    let house = House::make();
    let planted = |bytes: u32| {
        format!(
            "ledger:WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
             INSERT INTO bindings (id, account, secret, binding, created, mac)
                SELECT printf('%0{bytes}d', i), account, secret, binding, created, mac FROM n, (SELECT * FROM bindings LIMIT 1) /* ledger */"
        )
    };
    house.assert_found(&planted(2_000_000), "ledger", "larger than any of tightlip's");
    house.assert_found(&planted(900_000), "bindings", "makes no sense");
    // What all that this test waited for took at its most, servers with them.
    let children = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).unwrap();
    assert!(children.max_rss() < 160 * 1024, "{} KiB", children.max_rss());
}

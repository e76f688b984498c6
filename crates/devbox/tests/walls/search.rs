//! What is looked for in the work folder is found whatever else lies there, or nothing starts.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use model::limits::DEVBOX_SEARCH_ENTRIES_MAX;

use super::Test;
use super::cli::{folder, shell};

pub const TESTS: &[Test] = &[
    ("junk_unmasks_nothing", junk_unmasks_nothing),
    ("junk_hides_no_repository", junk_hides_no_repository),
    ("a_work_folder_that_cannot_be_searched_is_refused_and_named", a_work_folder_that_cannot_be_searched_is_refused_and_named),
    ("sockets_and_env_files_in_git_are_masked", sockets_and_env_files_in_git_are_masked),
    ("copies_that_editors_make_of_env_files_are_masked", copies_that_editors_make_of_env_files_are_masked),
    ("what_is_masked_in_git_leaves_git_working", what_is_masked_in_git_leaves_git_working),
];

fn fill(folder: &Path, count: usize) {
    std::fs::create_dir_all(folder).unwrap();
    (0..count).for_each(|number| drop(std::fs::File::create(folder.join(format!("f{number}"))).unwrap()));
}

/// More than a search ever stopped at.
const JUNK: usize = 25_000;

fn junk_unmasks_nothing() {
    let work = folder();
    for (file, text) in
        [(".env", "a canary"), (".env.local", "a canary"), ("services/api/.env", "a canary"), ("node_modules/x/.env", "a canary")]
    {
        std::fs::create_dir_all(work.path().join(file).parent().unwrap()).unwrap();
        std::fs::write(work.path().join(file), text).unwrap();
    }
    // The first devbox's agent: at the top, and in a folder that is looked at before the others.
    fill(work.path(), JUNK);
    fill(&work.path().join("0"), JUNK);
    let script = "cat .env .env.local services/api/.env node_modules/x/.env; echo read";
    assert_eq!(shell(work.path(), script).says(), "read");
}

fn junk_hides_no_repository() {
    let work = folder();
    fill(work.path(), JUNK);
    let git = work.path().join("vendor/lib/.git");
    std::fs::create_dir_all(git.join("objects")).unwrap();
    std::fs::create_dir(git.join("refs")).unwrap();
    std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    std::fs::write(git.join("config"), "[core]\n").unwrap();
    let script = "echo evil >> vendor/lib/.git/config; mkdir -p late/.git; echo x > late/.git/HEAD; true";
    let said = String::from_utf8(shell(work.path(), script).output().stderr).unwrap();
    assert_eq!(std::fs::read_to_string(git.join("config")).unwrap(), "[core]\n");
    assert!(said.contains("vendor/lib/.git/config was changed") && said.contains("`late/.git` was made"), "{said}");
}

fn a_work_folder_that_cannot_be_searched_is_refused_and_named() {
    let outer = folder();
    let junk = outer.path().join("junk");
    fill(&junk, 50_000);
    let many = DEVBOX_SEARCH_ENTRIES_MAX / 50_000 + 1;
    let work = outer.path().join("work");
    (0..many).for_each(|number| std::fs::create_dir_all(work.join("made/here").join(number.to_string())).unwrap());
    std::fs::write(work.join(".env"), "a canary").unwrap();
    let cli = shell(&work, "cat .env; echo ran").cli();
    let mounts = "for d in work/made/here/*; do mount --bind junk $d || exit 1; done; exec \"$@\"";
    let mut bound = Command::new("unshare");
    bound.args(["-rm", "sh", "-c", mounts, "sh"]).arg(cli.get_program()).args(cli.get_args());
    let output = bound.current_dir(outer.path()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.code() == Some(125) && !said.contains("canary") && !said.contains("ran\n"), "{said}");
    assert!(said.contains("most of them in `made`") && said.contains("remove what is not needed there"), "{said}");
}

fn sockets_and_env_files_in_git_are_masked() {
    let work = folder();
    std::fs::create_dir_all(work.path().join(".git/info")).unwrap();
    let _top = UnixListener::bind(work.path().join(".git/fsmonitor--daemon.ipc")).unwrap();
    let _below = UnixListener::bind(work.path().join(".git/info/d.sock")).unwrap();
    std::fs::write(work.path().join(".git/.env"), "a canary").unwrap();
    let script = "for s in .git/fsmonitor--daemon.ipc .git/info/d.sock; do
                  perl -MIO::Socket::UNIX -e 'print IO::Socket::UNIX->new(Peer=>$ARGV[0]) ? \"connected \" : \"refused \"' $s; done
                  cat .git/.env; mv .git/info .git/x 2>/dev/null && echo moved; true";
    assert_eq!(shell(work.path(), script).says(), "refused refused");
}

fn copies_that_editors_make_of_env_files_are_masked() {
    let work = folder();
    for name in ["..env.swp", ".env~", "#.env#", ".env.swp"] {
        std::fs::write(work.path().join(name), "a canary").unwrap();
    }
    std::os::unix::fs::symlink("me@host.1", work.path().join(".#.env")).unwrap();
    assert_eq!(shell(work.path(), "cat ..env.swp .env~ '#.env#' .env.swp '.#.env'; echo read").says(), "read");
}

fn what_is_masked_in_git_leaves_git_working() {
    let work = folder();
    let git = |words: &[&str]| assert!(Command::new("git").args(words).current_dir(work.path()).output().unwrap().status.success());
    git(&["init", "-q"]);
    let _daemon = UnixListener::bind(work.path().join(".git/fsmonitor--daemon.ipc")).unwrap();
    std::fs::write(work.path().join("file"), "text").unwrap();
    let script = "git add file && git -c user.name=x -c user.email=x@y commit -qm one && git config core.x y; git log --format=%s
                  echo evil > .git/hooks/pre-commit; mv .git g 2>/dev/null && echo moved; true";
    let output = shell(work.path(), script).output();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "one\n", "{said}");
    assert!(said.contains(".git/config was changed") && said.contains(".git/hooks/pre-commit was added"), "{said}");
    assert!(!work.path().join(".git/hooks/pre-commit").exists() && !work.path().join(".git/commondir").exists());
}

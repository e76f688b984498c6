//! The work folder's repository.

use std::path::Path;
use std::process::Command;

use super::Test;
use super::cli::{folder, shell};

pub const TESTS: &[Test] = &[
    ("hooks_are_private_and_told", hooks_are_private_and_told),
    ("the_configuration_is_private_masked_and_told", the_configuration_is_private_masked_and_told),
    ("git_cannot_be_moved_away", git_cannot_be_moved_away),
    ("a_planted_commondir_is_removed", a_planted_commondir_is_removed),
    ("a_pointer_elsewhere_cannot_be_turned", a_pointer_elsewhere_cannot_be_turned),
    ("a_bare_repository_beside_is_guarded", a_bare_repository_beside_is_guarded),
    ("submodules_are_guarded", submodules_are_guarded),
    ("a_new_repository_is_told", a_new_repository_is_told),
    ("git_works_inside", git_works_inside),
    ("a_symlink_as_git_is_pinned", a_symlink_as_git_is_pinned),
];

fn git(at: &Path, words: &[&str]) {
    let done = Command::new("git")
        .args([
            "-c",
            "init.defaultBranch=main",
            "-c",
            "protocol.file.allow=always",
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@y",
            "-c",
            "safe.directory=*",
        ])
        .args(words)
        .current_dir(at)
        .env("HOME", at)
        .output()
        .unwrap();
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn repository() -> tempfile::TempDir {
    let work = folder();
    git(work.path(), &["init", "-q"]);
    std::fs::create_dir_all(work.path().join(".git/hooks")).unwrap();
    std::fs::write(work.path().join(".git/hooks/post-commit"), "#!/bin/sh\n").unwrap();
    work
}

fn hooks_are_private_and_told() {
    let work = repository();
    let output =
        shell(work.path(), "echo evil > .git/hooks/pre-commit; echo evil >> .git/hooks/post-commit; cat .git/hooks/post-commit").output();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "#!/bin/sh\nevil\n");
    assert!(!work.path().join(".git/hooks/pre-commit").exists());
    assert_eq!(std::fs::read_to_string(work.path().join(".git/hooks/post-commit")).unwrap(), "#!/bin/sh\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(".git/hooks/pre-commit was added") && said.contains(".git/hooks/post-commit was changed"), "{said}");
}

fn the_configuration_is_private_masked_and_told() {
    let work = repository();
    git(work.path(), &["remote", "add", "origin", "https://me:hunter2@github.com/a/b"]);
    git(work.path(), &["config", "http.extraHeader", "Authorization: Basic hunter2"]);
    let before = std::fs::read_to_string(work.path().join(".git/config")).unwrap();
    // git replaces its configuration by renaming: that must work, too.
    let output = shell(work.path(), "grep -r hunter2 .git; git remote get-url origin; git config core.fsmonitor evil && git config core.fsmonitor; echo '[x]' >> .git/config").output();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "https://github.com/a/b\nevil\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_to_string(work.path().join(".git/config")).unwrap(), before);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(".git/config was changed") && said.contains("+ fsmonitor = evil"), "{said}");
}

fn git_cannot_be_moved_away() {
    let work = repository();
    let script = "mv .git g 2>/dev/null && echo moved; rm -rf .git/hooks .git/config 2>/dev/null; mv .git/config c 2>/dev/null && echo moved; mv .git/hooks h 2>/dev/null && echo moved; ls -d .git .git/hooks .git/config | wc -l";
    assert_eq!(shell(work.path(), script).says(), "3");
    assert!(work.path().join(".git/hooks/post-commit").exists() && work.path().join(".git/config").is_file());
}

fn a_planted_commondir_is_removed() {
    let work = repository();
    let output = shell(work.path(), "mkdir -p evil/hooks; echo ../evil > .git/commondir; echo x > .git/config.worktree").output();
    assert!(output.status.success() && !work.path().join(".git/commondir").exists() && !work.path().join(".git/config.worktree").exists());
    assert!(String::from_utf8(output.stderr).unwrap().contains(".git/commondir was made in the devbox and was removed"));
}

fn a_pointer_elsewhere_cannot_be_turned() {
    let main = repository();
    git(main.path(), &["commit", "-q", "--allow-empty", "-m", "x"]);
    let outer = folder();
    let tree = outer.path().join("tree");
    git(main.path(), &["worktree", "add", "-q", tree.to_str().unwrap()]);
    let before = std::fs::read_to_string(tree.join(".git")).unwrap();
    let output = shell(&tree, "echo 'gitdir: evil' > .git; rm -f .git; mv .git x; true").output();
    assert_eq!(std::fs::read_to_string(tree.join(".git")).unwrap(), before);
    assert!(String::from_utf8(output.stderr).unwrap().contains("points outside"));
}

fn a_bare_repository_beside_is_guarded() {
    let work = folder();
    std::fs::create_dir(work.path().join("store")).unwrap();
    git(work.path(), &["init", "-q", "--separate-git-dir", "store/own.git"]);
    std::fs::write(work.path().join(".git"), "gitdir: ./store/own.git\n").unwrap();
    let before = std::fs::read_to_string(work.path().join("store/own.git/config")).unwrap();
    let output = shell(
        work.path(),
        "echo evil >> store/own.git/config; mv store s 2>/dev/null && echo moved; git status -s >/dev/null && echo works",
    )
    .output();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "works\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_to_string(work.path().join("store/own.git/config")).unwrap(), before);
}

fn submodules_are_guarded() {
    let part = repository();
    git(part.path(), &["commit", "-q", "--allow-empty", "-m", "x"]);
    let work = repository();
    git(work.path(), &["submodule", "--quiet", "add", part.path().to_str().unwrap(), "libs/part"]);
    let config = work.path().join(".git/modules/libs/part/config");
    let before = std::fs::read_to_string(&config).unwrap();
    let script = "echo evil >> .git/modules/libs/part/config; for d in .git/modules .git/modules/libs .git/modules/libs/part; do mv $d m 2>/dev/null && echo moved; done; true";
    assert_eq!(shell(work.path(), script).says(), "");
    assert_eq!(std::fs::read_to_string(&config).unwrap(), before);
}

fn a_new_repository_is_told() {
    let work = folder();
    let output = shell(work.path(), "git init -q .").output();
    assert!(String::from_utf8(output.stderr).unwrap().contains("`.git` was made in the devbox"));
    assert!(work.path().join(".git/HEAD").exists());
}

fn git_works_inside() {
    let work = repository();
    let script = "echo x > f && git add f && git -c user.name=x -c user.email=x@y commit -qm one && git checkout -qb other && git branch -m renamed && git log --oneline | wc -l";
    assert_eq!(shell(work.path(), script).says(), "1");
    git(work.path(), &["rev-parse", "-q", "--verify", "renamed"]);
}

fn a_symlink_as_git_is_pinned() {
    let (work, elsewhere) = (folder(), repository());
    std::os::unix::fs::symlink(elsewhere.path().join(".git"), work.path().join(".git")).unwrap();
    assert_eq!(
        shell(work.path(), "rm -f .git 2>/dev/null; ln -sfn evil .git 2>/dev/null; readlink .git").says(),
        elsewhere.path().join(".git").to_str().unwrap()
    );
    assert!(work.path().join(".git").is_symlink());
}

//! The work folder's repository.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Test;
use super::cli::{folder, shell};

pub const TESTS: &[Test] = &[
    ("hooks_are_private_and_told", hooks_are_private_and_told),
    ("the_configuration_is_private_masked_and_told", the_configuration_is_private_masked_and_told),
    ("what_the_configuration_includes_is_read_only_masked_and_told", what_the_configuration_includes_is_read_only_masked_and_told),
    ("what_is_included_through_links_and_other_files_is_guarded", what_is_included_through_links_and_other_files_is_guarded),
    ("what_is_included_and_not_there_is_told_when_it_is_made", what_is_included_and_not_there_is_told_when_it_is_made),
    ("git_cannot_be_moved_away", git_cannot_be_moved_away),
    ("a_commondir_cannot_be_planted", a_commondir_cannot_be_planted),
    (
        "a_commondir_that_another_devbox_removes_at_this_moment_is_waited_for",
        a_commondir_that_another_devbox_removes_at_this_moment_is_waited_for,
    ),
    ("hooks_cannot_be_planted_where_there_were_none", hooks_cannot_be_planted_where_there_were_none),
    ("a_nested_repository_is_guarded", a_nested_repository_is_guarded),
    ("repositories_made_below_are_told", repositories_made_below_are_told),
    ("a_work_folder_that_is_a_repository_is_guarded", a_work_folder_that_is_a_repository_is_guarded),
    ("a_link_to_the_repository_is_followed_and_guarded", a_link_to_the_repository_is_followed_and_guarded),
    ("a_worktree_elsewhere_is_guarded", a_worktree_elsewhere_is_guarded),
    ("a_configuration_replaced_outside_is_told", a_configuration_replaced_outside_is_told),
    ("a_pointer_elsewhere_cannot_be_turned", a_pointer_elsewhere_cannot_be_turned),
    ("a_bare_repository_beside_is_guarded", a_bare_repository_beside_is_guarded),
    ("submodules_are_guarded", submodules_are_guarded),
    ("a_new_repository_is_told", a_new_repository_is_told),
    ("what_does_not_fit_into_the_report_is_counted", what_does_not_fit_into_the_report_is_counted),
    ("a_repository_that_there_is_no_room_to_guard_is_read_only", a_repository_that_there_is_no_room_to_guard_is_read_only),
    ("a_report_of_strange_names_arrives_and_is_harmless", a_report_of_strange_names_arrives_and_is_harmless),
    ("a_folder_that_git_takes_for_a_repository_is_named", a_folder_that_git_takes_for_a_repository_is_named),
    ("a_repository_in_the_place_of_another_is_told", a_repository_in_the_place_of_another_is_told),
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

fn what_the_configuration_includes_is_read_only_masked_and_told() {
    let work = repository();
    git(work.path(), &["config", "include.path", "../.gitconfig"]);
    git(work.path(), &["config", "includeIf.onbranch:x.path", "extra/deep/git.inc"]);
    std::fs::create_dir_all(work.path().join(".git/extra/deep")).unwrap();
    let team = "[alias]\n\tst = status\n";
    std::fs::write(work.path().join(".gitconfig"), team).unwrap();
    std::fs::write(work.path().join(".git/extra/deep/git.inc"), "[http]\n\textraHeader = Authorization: Basic hunter2\n").unwrap();
    let script = "grep -r hunter2 .git .gitconfig; git config alias.st; for f in .gitconfig .git/extra/deep/git.inc; do
                  (echo evil >> $f) 2>/dev/null && echo wrote; rm -f $f 2>/dev/null && echo removed; mv $f y 2>/dev/null && echo moved
                  (echo evil > y; mv y $f) 2>/dev/null && echo replaced; done
                  mv .git/extra/deep .git/extra/x 2>/dev/null && echo moved; mv .git/extra .git/x 2>/dev/null && echo moved; true";
    let output = shell(work.path(), script).output();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "status\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_to_string(work.path().join(".gitconfig")).unwrap(), team);
    assert!(std::fs::read_to_string(work.path().join(".git/extra/deep/git.inc")).unwrap().contains("hunter2"));
}

fn what_is_included_through_links_and_other_files_is_guarded() {
    let work = repository();
    let at = |name: &str| work.path().join(name);
    std::fs::create_dir_all(at("conf/real")).unwrap();
    std::os::unix::fs::symlink("conf/real", at("link")).unwrap();
    std::os::unix::fs::symlink("first", at("conf/real/other")).unwrap();
    std::fs::write(at("conf/real/first"), "[include]\n\tpath = second\n").unwrap();
    std::fs::write(at("conf/real/second"), format!("[include]\n\tpath = {}\n", at("third").display())).unwrap();
    // It includes itself and the first again.
    std::fs::write(at("third"), "[include]\n\tpath = third\n[include]\n\tpath = conf/real/first\n[x]\n\ty = z\n").unwrap();
    std::fs::write(at(".git/config"), "[include]\n\tpath = ../link/other\n").unwrap();
    let script = "for f in conf/real/first conf/real/second third; do (echo evil >> $f) 2>/dev/null && echo wrote; done
                  for f in link conf conf/real conf/real/other third; do mv $f y 2>/dev/null && echo moved $f; rm -f $f 2>/dev/null && echo removed $f; done; echo new > conf/new";
    assert_eq!(shell(work.path(), script).says(), "");
    assert!(at("conf/new").exists());
}

fn what_is_included_and_not_there_is_told_when_it_is_made() {
    let work = repository();
    git(work.path(), &["config", "include.path", "../.gitconfig"]);
    git(work.path(), &["config", "--add", "include.path", "/etc/gitconfig"]);
    git(work.path(), &["config", "--add", "include.path", "../../out.inc"]);
    let quiet = String::from_utf8(shell(work.path(), "true").output().stderr).unwrap();
    assert!(!quiet.contains("includes"), "{quiet}");
    let said = String::from_utf8(shell(work.path(), "echo '[x]' > .gitconfig").output().stderr).unwrap();
    assert!(said.contains("`.gitconfig`, which .git/config includes, was made in the devbox"), "{said}");
}

fn git_cannot_be_moved_away() {
    let work = repository();
    let script = "mv .git g 2>/dev/null && echo moved; rm -rf .git/hooks .git/config 2>/dev/null; mv .git/config c 2>/dev/null && echo moved; mv .git/hooks h 2>/dev/null && echo moved; ls -d .git .git/hooks .git/config | wc -l";
    assert_eq!(shell(work.path(), script).says(), "3");
    assert!(work.path().join(".git/hooks/post-commit").exists() && work.path().join(".git/config").is_file());
}

fn a_commondir_cannot_be_planted() {
    let work = repository();
    let script =
        "mkdir -p evil/hooks; (echo ../evil > .git/commondir) 2>/dev/null && echo wrote; rm -f .git/commondir 2>/dev/null && echo removed
                  mv .git/commondir c 2>/dev/null && echo moved; git status -s > /dev/null && echo works; echo x > .git/config.worktree";
    assert_eq!(shell(work.path(), script).says(), "works");
    assert!(!work.path().join(".git/commondir").exists() && !work.path().join(".git/config.worktree").exists());
}

fn a_commondir_that_another_devbox_removes_at_this_moment_is_waited_for() {
    let work = repository();
    let path = work.path().join(".git/commondir");
    std::fs::write(&path, ".\n").unwrap();
    let file = std::fs::File::open(&path).unwrap();
    file.try_lock().unwrap();
    let removed = std::thread::spawn(move || {
        std::thread::park_timeout(std::time::Duration::from_millis(150));
        std::fs::remove_file(&path).unwrap();
        drop(file);
    });
    assert_eq!(shell(work.path(), "git status -s > /dev/null && echo works").says(), "works");
    removed.join().unwrap();
    assert!(!work.path().join(".git/commondir").exists());
}

fn hooks_cannot_be_planted_where_there_were_none() {
    let work = repository();
    std::fs::remove_dir_all(work.path().join(".git/hooks")).unwrap();
    // Were they the host's for a moment only, git outside would run them in it; a folder that cannot be written could not be removed either.
    shell(work.path(), "mkdir -p .git/hooks; echo evil > .git/hooks/pre-commit; chmod 555 .git/hooks").says();
    assert!(!work.path().join(".git/hooks/pre-commit").exists());
}

fn a_nested_repository_is_guarded() {
    let work = folder();
    std::fs::create_dir_all(work.path().join("libs/part")).unwrap();
    git(&work.path().join("libs/part"), &["init", "-q"]);
    let config = work.path().join("libs/part/.git/config");
    let before = std::fs::read_to_string(&config).unwrap();
    let script = "cd libs/part; git config core.fsmonitor evil; git config core.fsmonitor; echo evil > .git/hooks/pre-commit; mv .git x 2>/dev/null; cd ..
                  mv part away; mkdir -p part/.git; cp -r away/.git/HEAD away/.git/objects away/.git/refs part/.git; true";
    let output = shell(work.path(), script).output();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "evil\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`libs/part/.git` was made") && said.contains("`libs/away/.git` was made"), "{said}");
    let config = work.path().join("libs/away").join(config.strip_prefix(work.path().join("libs/part")).unwrap());
    assert_eq!(std::fs::read_to_string(config).unwrap(), before);
    assert!(!work.path().join("libs/away/.git/hooks/pre-commit").exists());
}

fn repositories_made_below_are_told() {
    let work = repository();
    let script =
        "mkdir -p a/b/c/d/e/f/g closed; cd a/b/c/d/e/f/g; git init -q .; cd - > /dev/null; git init -q --bare looks; chmod 311 closed
                  mv .git/HEAD .git/gone; cp -r looks/* .";
    let said = String::from_utf8(shell(work.path(), script).output().stderr).unwrap();
    let mut wanted =
        vec!["`a/b/c/d/e/f/g/.git` was made in the devbox", "`looks` was made a bare repository", "`.` was made a bare repository"];
    if !nix::unistd::geteuid().is_root() {
        wanted.push("`closed` cannot be looked into");
    }
    assert!(wanted.iter().all(|text| said.contains(text)), "{said}");
}

fn a_work_folder_that_is_a_repository_is_guarded() {
    let work = repository();
    let git = work.path().join(".git");
    let before = std::fs::read_to_string(git.join("config")).unwrap();
    shell(&git, "echo evil >> config; echo evil > hooks/pre-commit; cat config").says();
    assert_eq!(std::fs::read_to_string(git.join("config")).unwrap(), before);
    assert!(!git.join("hooks/pre-commit").exists());
}

fn a_link_to_the_repository_is_followed_and_guarded() {
    let work = repository();
    std::fs::rename(work.path().join(".git"), work.path().join("own")).unwrap();
    std::os::unix::fs::symlink("own", work.path().join(".git")).unwrap();
    let before = std::fs::read_to_string(work.path().join("own/config")).unwrap();
    shell(work.path(), "echo evil >> own/config; echo evil > own/hooks/pre-commit; git status > /dev/null || true").says();
    assert_eq!(std::fs::read_to_string(work.path().join("own/config")).unwrap(), before);
    assert!(!work.path().join("own/hooks/pre-commit").exists());
}

fn a_worktree_elsewhere_is_guarded() {
    let (work, outer) = (repository(), folder());
    git(work.path(), &["commit", "-q", "--allow-empty", "-m", "x"]);
    git(work.path(), &["worktree", "add", "-q", outer.path().join("tree").to_str().unwrap()]);
    let script = "(echo ../../../evil > .git/worktrees/tree/commondir) 2>/dev/null && echo wrote; mv .git/worktrees/tree x 2>/dev/null && echo moved; true";
    assert_eq!(shell(work.path(), script).says(), "");
    assert_eq!(std::fs::read_to_string(work.path().join(".git/worktrees/tree/commondir")).unwrap(), "../..\n");
}

fn a_configuration_replaced_outside_is_told() {
    let work = repository();
    let mut cli = shell(work.path(), "echo ready; while [ ! -e go ]; do sleep 0.02; done").cli();
    let mut child = cli.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    git(work.path(), &["config", "user.name", "x"]);
    std::fs::write(work.path().join("go"), "").unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains(".git/config was replaced from outside"), "{said}");
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

fn what_does_not_fit_into_the_report_is_counted() {
    let work = repository();
    let script =
        "for i in $(seq 60); do mkdir -p 0/d$i/.git; touch 0/d$i/.git/HEAD; done; git init -q src; echo evil > .git/hooks/pre-commit
                  for i in $(seq 90); do echo \"[a$i]\" >> .git/config; done";
    let said = String::from_utf8(shell(work.path(), script).output().stderr).unwrap();
    assert!(
        said.contains(".git/hooks/pre-commit was added") && said.contains(".git/config was changed") && said.contains("and 80 lines more"),
        "{said}"
    );
    let told = said.lines().filter(|line| line.contains("was made in the devbox")).count();
    let last = said.lines().last().unwrap();
    assert!(last.starts_with(&format!("and {} more things", 61 - told)) && last.contains("find . -name .git"), "{told}: {last}");
}

fn a_repository_that_there_is_no_room_to_guard_is_read_only() {
    let work = folder();
    git(work.path(), &["init", "-q", "vendor"]);
    git(work.path(), &["init", "-q", "--bare", "store"]);
    for number in 0..190 {
        let decoy = work.path().join(format!("0/d{number}/.git"));
        std::fs::create_dir_all(&decoy).unwrap();
        std::fs::write(decoy.join("HEAD"), "").unwrap();
    }
    let before = ["vendor/.git/config", "store/config"].map(|config| std::fs::read_to_string(work.path().join(config)).unwrap());
    let script = "for r in vendor/.git store; do (echo evil >> $r/config) 2>/dev/null && echo wrote $r; (echo evil > $r/hooks/pre-commit) 2>/dev/null && echo hooked $r
                  mv $r/config x 2>/dev/null && echo moved; done; git -C vendor config core.fsmonitor evil 2>/dev/null && echo configured; cat vendor/.git/HEAD; ls store | grep -c .";
    let output = shell(work.path(), script).output();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().next(), Some("ref: refs/heads/main"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("of them can be read and not written"), "{said}");
    assert_eq!(["vendor/.git/config", "store/config"].map(|config| std::fs::read_to_string(work.path().join(config)).unwrap()), before);
}

fn a_report_of_strange_names_arrives_and_is_harmless() {
    let work = repository();
    let make = "import os
open('.env.\\x1b]0;pwned\\x07\\x1b[6n\\rlooks harmless', 'w').close()
for i in range(110): open('.env' + '\\x01' * 200 + str(i), 'w').close()
for i in range(60): os.makedirs('\\x01\\x1b[2K' * 40 + str(i) + '/.git/hooks'); open('\\x01\\x1b[2K' * 40 + str(i) + '/.git/HEAD', 'w').close()
os.makedirs('x\\x1b[1A\\u009b2K\\x1b[8m/.git'); open('x\\x1b[1A\\u009b2K\\x1b[8m/.git/HEAD', 'w').close()";
    let change = "import os
for d in os.listdir('.'):
    if d[0] in 'x\\x01': open(d + '/.git/hooks/post-checkout', 'w').write('x')
open('.git/hooks/pre-commit', 'w').write('x')";
    for (script, told) in [(make, "more things"), (change, ".git/hooks/pre-commit was added")] {
        std::fs::write(work.path().join("agent.py"), script).unwrap();
        let output = shell(work.path(), "python3 agent.py").output();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.contains(told), "{said}");
        assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
    }
}

fn a_folder_that_git_takes_for_a_repository_is_named() {
    let work = repository();
    git(work.path(), &["commit", "-q", "--allow-empty", "-m", "x"]);
    std::fs::create_dir(work.path().join("docs")).unwrap();
    // Whose objects and references lie elsewhere; a submodule's and a worktree's folder of which no `.git` tells.
    let script = "git init -q --bare t; mkdir -p .c docs/.c/x; mv t/objects t/refs t/config docs/.c/x/; echo 'ref: refs/heads/main' > docs/HEAD; echo .c/x > docs/commondir
                  git init -q --bare .git/modules/part; mkdir -p .git/worktrees/tree; echo ../.. > .git/worktrees/tree/commondir; cp .git/HEAD .git/worktrees/tree";
    let said = String::from_utf8(shell(work.path(), script).output().stderr).unwrap();
    for named in ["docs", ".git/modules/part", ".git/worktrees/tree"] {
        // The real one is the judge.
        let taken = Command::new("git")
            .args(["rev-parse", "--git-dir"])
            .current_dir(work.path().join(named))
            .env("HOME", work.path())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&taken.stdout).trim(), ".", "{named}: {}", String::from_utf8_lossy(&taken.stderr));
        assert!(said.contains(&format!("`{named}` was made")), "{named}: {said}");
    }
    let again =
        String::from_utf8(shell(work.path(), "(echo evil > docs/commondir) 2>/dev/null; echo x >> docs/HEAD").output().stderr).unwrap();
    assert!(!again.contains("was made"), "{again}");
    assert_eq!(std::fs::read_to_string(work.path().join("docs/commondir")).unwrap(), ".c/x\n");
}

fn a_repository_in_the_place_of_another_is_told() {
    let work = folder();
    git(work.path(), &["init", "-q", "--bare", "store"]);
    let said = String::from_utf8(shell(work.path(), "mv store s; git init -q --bare store").output().stderr).unwrap();
    assert!(said.contains("`s` was made a bare repository") && said.contains("`store` was made a bare repository"), "{said}");
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

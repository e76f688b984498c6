//! Which folder is given: the one that was meant, and no other that has its name by now.

use std::path::Path;

use super::Test;
use super::cli::{Box, folder, shell};

pub const TESTS: &[Test] = &[
    ("a_work_folder_that_was_replaced_meanwhile_is_not_mounted", a_work_folder_that_was_replaced_meanwhile_is_not_mounted),
    (
        "a_work_folder_whose_name_is_turned_all_the_time_is_the_right_one_or_none",
        a_work_folder_whose_name_is_turned_all_the_time_is_the_right_one_or_none,
    ),
    ("a_path_that_is_replaced_all_the_time_is_the_right_one_or_none", a_path_that_is_replaced_all_the_time_is_the_right_one_or_none),
    ("folders_of_keys_are_no_work_folder", folders_of_keys_are_no_work_folder),
    ("a_hidden_folder_of_the_home_behind_a_link_is_no_work_folder", a_hidden_folder_of_the_home_behind_a_link_is_no_work_folder),
    ("a_path_that_leads_to_keys_must_be_named", a_path_that_leads_to_keys_must_be_named),
    ("the_systems_settings_are_given_to_nobody_who_does_not_name_them", the_systems_settings_are_given_to_nobody_who_does_not_name_them),
];

/// A home with a key, and a project beside it whose folder `packages/app` is worked in.
fn place() -> tempfile::TempDir {
    let outer = folder();
    for name in ["home/.ssh", "home/.config/gh", "home/.config/nvim", "home/plain", "proj/packages/app"] {
        std::fs::create_dir_all(outer.path().join(name)).unwrap();
    }
    std::fs::write(outer.path().join("home/.ssh/id"), "a canary").unwrap();
    std::fs::write(outer.path().join("proj/packages/app/README"), "the right one").unwrap();
    std::os::unix::fs::symlink(outer.path().join("home/.ssh"), outer.path().join("proj/packages/lnk")).unwrap();
    outer
}

fn asked(outer: &Path, work: &str, script: &str) -> Box {
    let mut asked = shell(&outer.join(work), script);
    asked.user_home = outer.join("home");
    asked
}

/// The exit code and everything that was said.
fn outcome(asked: &Box) -> (Option<i32>, String) {
    let output = asked.output();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn a_work_folder_that_was_replaced_meanwhile_is_not_mounted() {
    let outer = place();
    std::fs::create_dir(outer.path().join("proj/other")).unwrap();
    let mut asked = asked(outer.path(), "proj/packages/app", "cat * 2>/dev/null");
    for line in ["mv packages/app away && ln -s ../../home/plain packages/app", "mv packages/app packages/gone && mv other packages/app"] {
        asked.meanwhile = Some(format!("cd {} && {line}", outer.path().join("proj").display()));
        let (code, said) = outcome(&asked);
        assert!(code == Some(125) && said.contains("was moved away or replaced by another"), "{line}: {said}");
        for back in ["away", "packages/gone"] {
            let app = outer.path().join("proj/packages/app");
            if outer.path().join("proj").join(back).exists() {
                let _removed = std::fs::remove_file(&app).or_else(|_| std::fs::rename(&app, outer.path().join("proj/other")));
                std::fs::rename(outer.path().join("proj").join(back), app).unwrap();
            }
        }
    }
}

/// Turns two names all the time, as the agent of another devbox would, until the end of the test.
struct Turner(std::process::Child);

impl Turner {
    fn start(folder: &Path, one: &str, other: &str) -> Self {
        let turn = "import ctypes, os, sys, time
libc = ctypes.CDLL(None)
one, other = sys.argv[1].encode(), sys.argv[2].encode()
while True:
    libc.renameat2(-100, one, -100, other, 2)
    time.sleep(0.001)";
        Self(std::process::Command::new("python3").args(["-c", turn, one, other]).current_dir(folder).spawn().unwrap())
    }
}

impl Drop for Turner {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn a_work_folder_whose_name_is_turned_all_the_time_is_the_right_one_or_none() {
    let outer = place();
    let app = outer.path().join("proj/packages/app");
    let asked = asked(outer.path(), "proj/packages/app", "cat id README 2>/dev/null");
    let _turner = Turner::start(&outer.path().join("proj/packages"), "app", "lnk");
    for _ in 0..30 {
        // What the caller's shell did long before: it is in the true folder, whatever that is called.
        let cli = asked.cli();
        let line = "until cd \"$0\" && [ -f README ]; do cd /; done 2>/dev/null; exec \"$@\"";
        let request = serde_json::to_string(&Box { work: ".".into(), ..asked.clone() }).unwrap();
        let mut command = std::process::Command::new("sh");
        command.args(["-c", line]).arg(&app).arg(cli.get_program()).arg("__cli").arg(request);
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!said.contains("canary"), "{said}");
        // The name may lead to the keys just when it is looked at.
        let refused = said.contains("replaced by another") || said.contains("folder of keys and logins");
        assert!(said == "the right one" || refused, "{said}");
    }
}

fn a_path_that_is_replaced_all_the_time_is_the_right_one_or_none() {
    let outer = place();
    let packages = outer.path().join("proj/packages");
    std::fs::create_dir(outer.path().join("work")).unwrap();
    let _turner = Turner::start(&packages, "app", "lnk");
    for option in ["--ro", "--rw", "--home"] {
        let script = format!("cat ~/id ~/README {0}/id {0}/README 2>/dev/null", packages.join("app").display());
        let mut asked = asked(outer.path(), "work", &script);
        match option {
            "--ro" => asked.ro = vec![packages.join("app")],
            "--rw" => asked.rw = vec![packages.join("app")],
            _ => asked.home = Some(packages.join("app")),
        }
        for _ in 0..10 {
            let (_, said) = outcome(&asked);
            assert!(!said.contains("canary"), "{option}: {said}");
        }
    }
}

fn folders_of_keys_are_no_work_folder() {
    let outer = place();
    std::fs::create_dir_all(outer.path().join("home/.ssh/deep")).unwrap();
    std::fs::create_dir_all(outer.path().join("kept/kube")).unwrap();
    std::os::unix::fs::symlink("../kept/kube", outer.path().join("home/.kube")).unwrap();
    for work in ["home/.ssh", "home/.ssh/deep", "home/.config", "home/.config/gh", "proj/packages/lnk", "home/.kube", "kept/kube", "kept"] {
        let (code, said) = outcome(&asked(outer.path(), work, "ls"));
        assert!(code == Some(125) && said.contains("folder of keys and logins"), "{work}: {said}");
    }
    std::fs::create_dir_all(outer.path().join("home/.codex/worktrees/one")).unwrap();
    assert_eq!(outcome(&asked(outer.path(), "home/.codex", "ls")).0, Some(125), "it holds a login");
    for work in ["home/.codex/worktrees/one", "home/.config/nvim", "home/plain", "proj"] {
        assert_eq!(outcome(&asked(outer.path(), work, "echo runs")), (Some(0), "runs\n".to_owned()), "{work}");
    }
    let (code, said) = outcome(&asked(outer.path(), "home", "ls"));
    assert!(code == Some(125) && said.contains("is your home folder"), "{said}");
}

fn a_hidden_folder_of_the_home_behind_a_link_is_no_work_folder() {
    let outer = place();
    std::os::unix::fs::symlink("../home/.config/nvim", outer.path().join("proj/link")).unwrap();
    std::os::unix::fs::symlink("home", outer.path().join("by")).unwrap();
    let run = |work: &str| {
        let asked = asked(outer.path(), work, "echo runs");
        let output = asked.cli().env("PWD", outer.path().join(work)).stdin(std::process::Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, said) = run("proj/link");
    assert!(code == Some(125) && said.contains("reached through a symbolic link"), "{said}");
    assert_eq!(run("home/.config/nvim"), (Some(0), "runs\n".to_owned()));
}

fn a_path_that_leads_to_keys_must_be_named() {
    let outer = place();
    let home = outer.path().join("home");
    std::os::unix::fs::symlink(&home, outer.path().join("proj/home")).unwrap();
    for option in ["--ro", "--rw", "--home"] {
        let run = |path: &Path| {
            let mut asked = asked(outer.path(), "proj", "echo runs");
            match option {
                "--ro" => asked.ro = vec![path.to_owned()],
                "--rw" => asked.rw = vec![path.to_owned()],
                _ => asked.home = Some(path.to_owned()),
            }
            outcome(&asked)
        };
        for path in ["packages/lnk", "packages/lnk/.", "home", "home/.ssh"] {
            let (code, said) = run(&outer.path().join("proj").join(path));
            assert!(code == Some(125) && said.contains("name that folder itself"), "{option} {path}: {said}");
        }
        for path in [home.join(".ssh"), home.join(".config"), home.join("plain")] {
            assert_eq!(run(&path), (Some(0), "runs\n".to_owned()), "{option} {path:?}");
        }
    }
}

fn the_systems_settings_are_given_to_nobody_who_does_not_name_them() {
    let work = folder();
    let (code, said) = outcome(&shell(Path::new("/etc/ssl"), "ls"));
    assert!(code == Some(125) && said.contains("is a part of the system"), "{said}");
    let mut home = shell(work.path(), "ls");
    home.home = Some("/etc/ssl".into());
    assert_eq!(outcome(&home).0, Some(125));
    std::os::unix::fs::symlink("/etc/ssl", work.path().join("link")).unwrap();
    for (path, code) in [(work.path().join("link"), 125), ("/etc/ssl/certs".into(), 0)] {
        let mut asked = shell(work.path(), "true");
        asked.ro = vec![path.clone()];
        assert_eq!(outcome(&asked).0, Some(code), "{path:?}");
    }
}

//! What the devbox sees of the host's files.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use devbox::{HomeFile, Program};

use super::Test;
use super::cli::{command, folder, shell};

pub const TESTS: &[Test] = &[
    ("hidden_paths_and_their_ancestors_are_refused", hidden_paths_and_their_ancestors_are_refused),
    ("hidden_paths_by_another_name_are_refused", hidden_paths_by_another_name_are_refused),
    ("a_hidden_place_is_refused_wherever_it_is_mounted", a_hidden_place_is_refused_wherever_it_is_mounted),
    ("another_data_folder_is_not_seen", another_data_folder_is_not_seen),
    ("the_home_and_the_system_are_no_work_folder", the_home_and_the_system_are_no_work_folder),
    ("a_missing_path_is_refused", a_missing_path_is_refused),
    ("a_folder_as_stdin_is_refused", a_folder_as_stdin_is_refused),
    ("other_homes_and_the_hosts_run_are_empty", other_homes_and_the_hosts_run_are_empty),
    ("the_root_and_the_system_are_read_only", the_root_and_the_system_are_read_only),
    ("the_hosts_unix_sockets_are_not_there", the_hosts_unix_sockets_are_not_there),
    ("a_socket_in_the_work_folder_is_masked", a_socket_in_the_work_folder_is_masked),
    ("env_files_are_masked", env_files_are_masked),
    ("env_files_are_masked_wherever_they_lie", env_files_are_masked_wherever_they_lie),
    ("the_folder_of_a_masked_file_cannot_be_moved", the_folder_of_a_masked_file_cannot_be_moved),
    ("a_folder_that_cannot_be_looked_into_is_empty", a_folder_that_cannot_be_looked_into_is_empty),
    ("a_masked_env_symlink_is_masked_itself", a_masked_env_symlink_is_masked_itself),
    ("etc_holds_no_other_user", etc_holds_no_other_user),
    ("the_bundle_stands_at_every_usual_path", the_bundle_stands_at_every_usual_path),
    ("devices_are_few", devices_are_few),
    ("device_files_cannot_be_changed", device_files_cannot_be_changed),
    ("there_is_no_sys", there_is_no_sys),
    ("the_work_folder_is_written_through", the_work_folder_is_written_through),
    ("ro_is_read_only_and_rw_is_not", ro_is_read_only_and_rw_is_not),
    ("a_single_file_can_be_given", a_single_file_can_be_given),
    ("a_later_path_wins", a_later_path_wins),
    ("tmp_and_home_are_private", tmp_and_home_are_private),
    ("a_kept_home_is_kept", a_kept_home_is_kept),
    ("a_file_of_the_home_stands_there_and_is_the_users", a_file_of_the_home_stands_there_and_is_the_users),
    ("what_a_kept_home_has_already_stays_as_it_is", what_a_kept_home_has_already_stays_as_it_is),
    ("a_file_of_the_home_cannot_lie_elsewhere", a_file_of_the_home_cannot_lie_elsewhere),
    ("a_program_is_found_by_its_name", a_program_is_found_by_its_name),
    ("a_file_on_stdin_cannot_be_opened_anew", a_file_on_stdin_cannot_be_opened_anew),
];

fn hidden_paths_and_their_ancestors_are_refused() {
    let outer = folder();
    let data = outer.path().join("data");
    let work = outer.path().join("work");
    for path in [&data, &work, &data.join("gateway")] {
        std::fs::create_dir(path).unwrap();
    }
    let mut asked = shell(&work, "true");
    asked.hidden = vec![data.clone()];
    assert!(asked.output().status.success(), "beside it");
    for path in [outer.path().to_owned(), data.clone(), data.join("gateway")] {
        for option in ["--ro", "--rw", "work", "--home"] {
            let mut asked = asked.clone();
            match option {
                "--ro" => asked.ro.push(path.clone()),
                "--rw" => asked.rw.push(path.clone()),
                "--home" => asked.home = Some(path.clone()),
                _ => asked.work.clone_from(&path),
            }
            let output = asked.output();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(125) && said.contains("data folder"), "{option} {path:?}: {said}");
        }
    }
    // A symlink to it is it.
    let link = outer.path().join("link");
    std::os::unix::fs::symlink(&data, &link).unwrap();
    asked.ro = vec![link];
    assert_eq!(asked.output().status.code(), Some(125));
}

fn hidden_paths_by_another_name_are_refused() {
    let (outer, work) = (folder(), folder());
    for name in ["all/data/gateway", "alias"] {
        std::fs::create_dir_all(outer.path().join(name)).unwrap();
    }
    for path in ["alias", "alias/data", "alias/data/gateway"] {
        let mut asked = shell(work.path(), "true");
        asked.hidden = vec![outer.path().join("all/data")];
        asked.ro = vec![outer.path().join(path)];
        let cli = asked.cli();
        let mut bound = std::process::Command::new("unshare");
        bound.args(["-rm", "sh", "-c", "mount --bind all alias && exec \"$@\"", "sh"]).arg(cli.get_program()).args(cli.get_args());
        let output = bound.current_dir(outer.path()).stdin(std::process::Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(125) && said.contains("data folder"), "{path}: {said}");
    }
}

fn a_hidden_place_is_refused_wherever_it_is_mounted() {
    let outer = folder();
    for name in ["real/home/data/gateway", "real/beside", "h", "work/b", "work/c"] {
        std::fs::create_dir_all(outer.path().join(name)).unwrap();
    }
    std::fs::write(outer.path().join("real/home/data/gateway/root.key"), "the key").unwrap();
    let run = |mounts: &str, asked: &super::cli::Box| {
        let cli = asked.cli();
        let mut bound = std::process::Command::new("unshare");
        bound.args(["-rm", "sh", "-c", &format!("{mounts} && exec \"$@\""), "sh"]).arg(cli.get_program()).args(cli.get_args());
        let output = bound.current_dir(outer.path()).stdin(std::process::Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let work = outer.path().join("work");
    let mut asked = shell(&work, "cat */gateway/root.key */data/gateway/root.key 2>/dev/null; echo ran");
    asked.hidden = vec![outer.path().join("h/data")];
    // What lies beside it under the other name may be given, and a mount in the work folder is no reason by itself.
    asked.ro = vec![outer.path().join("real/beside")];
    assert_eq!(run("mount --bind real/home h && mount --bind real/beside work/c", &asked), (Some(0), "ran\n".to_owned()));
    for (mounts, ro) in [
        // An ancestor of it by the other name only.
        ("mount --bind real/home h", Some("real")),
        ("mount --bind real/home h", Some("real/home/data/gateway")),
        // Mounted within the work folder: what holds it, itself, and a part.
        ("mount --bind real/home h && mount --bind real/home work/b", None),
        ("mount --bind real/home h && mount --bind real/home/data work/b", None),
        ("mount --bind real/home h && mount --bind real/home/data/gateway work/b", None),
    ] {
        asked.ro = ro.map(|path| outer.path().join(path)).into_iter().collect();
        let (code, said) = run(mounts, &asked);
        assert!(code == Some(125) && said.contains("data folder") && !said.contains("the key"), "{mounts}, {ro:?}: {said}");
    }
}

fn another_data_folder_is_not_seen() {
    let work = folder();
    for (data, files) in [
        ("deep/.tl", &["gateway/keyring.json", "gateway/root.key", "api-key"][..]),
        ("target/kept", &["keyring.json", "root.key"]),
        ("part", &["keyring.json", "root.passphrase.json"]),
    ] {
        for file in files {
            let path = work.path().join(data).join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "a canary").unwrap();
        }
    }
    let script = "grep -rl canary .; mv deep/.tl deep/x 2>/dev/null && echo moved; mv deep target/deep 2>/dev/null && echo moved; ls deep/.tl target/kept part";
    let output = shell(work.path(), script).output();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "deep/.tl:\n\npart:\n\ntarget/kept:\n");
    assert!(String::from_utf8(output.stderr).unwrap().contains("`deep/.tl` holds keys of tightlip's"));
    // As the work folder, or given besides, none is taken at all.
    let other = folder();
    assert_eq!(shell(&work.path().join("deep/.tl"), "true").output().status.code(), Some(125));
    let mut asked = shell(other.path(), "true");
    asked.ro = vec![work.path().join("deep/.tl/gateway")];
    assert_eq!(asked.output().status.code(), Some(125));
}

fn the_home_and_the_system_are_no_work_folder() {
    for path in ["/", "/usr", "/proc", "/etc", "/dev"] {
        assert_eq!(shell(std::path::Path::new(path), "true").output().status.code(), Some(125), "{path}");
    }
}

fn a_missing_path_is_refused() {
    let work = folder();
    let mut asked = shell(work.path(), "true");
    asked.ro = vec!["/usr".into(), work.path().join("missing")];
    let said = String::from_utf8(asked.output().stderr).unwrap();
    assert!(said.contains("path 1 of --ro is a part of the system"), "{said}");
    asked.ro = vec![work.path().join("missing")];
    let said = String::from_utf8(asked.output().stderr).unwrap();
    assert!(said.contains("path 1 of --ro does not exist"), "{said}");
}

fn a_folder_as_stdin_is_refused() {
    let work = folder();
    let output = shell(work.path(), "true").cli().stdin(std::fs::File::open("/").unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is a folder"));
}

fn other_homes_and_the_hosts_run_are_empty() {
    let work = folder();
    let said = shell(
        work.path(),
        "ls -A /home; echo -; ls -A /root /mnt /opt 2>/dev/null | grep -v :; ls -A /run; ls -A /var/lib /var/log /var/cache | grep -v :",
    )
    .says();
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["agent", "-", "lock"], "{said}");
}

fn the_root_and_the_system_are_read_only() {
    let work = folder();
    let script = "for p in /x /usr/x /etc/x /usr/bin/x /dev/x /home/x /proc/x; do if (: > $p) 2>/dev/null; then echo wrote $p; fi; done
                  (: > /etc/passwd) 2>/dev/null && echo wrote passwd; (echo 1 > /proc/sys/kernel/core_uses_pid) 2>/dev/null && echo wrote sysctl
                  (echo 1 > /proc/self/oom_score_adj) 2>/dev/null && echo wrote proc; chmod 777 / 2>/dev/null && echo changed; echo done";
    assert_eq!(shell(work.path(), script).says(), "done");
}

fn the_hosts_unix_sockets_are_not_there() {
    let outside = folder();
    let path = outside.path().join("agent.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let work = folder();
    let script = format!(
        "perl -MIO::Socket::UNIX -e 'print IO::Socket::UNIX->new(Peer=>$ARGV[0]) ? \"connected\" : \"refused\"' {}",
        path.display()
    );
    assert_eq!(shell(work.path(), &script).says(), "refused");
}

fn a_socket_in_the_work_folder_is_masked() {
    let work = folder();
    let path = work.path().join("agent.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let script = "perl -MIO::Socket::UNIX -e 'print IO::Socket::UNIX->new(Peer=>\"agent.sock\") ? \"connected\" : \"refused\"'";
    assert_eq!(shell(work.path(), script).says(), "refused");
}

fn env_files_are_masked() {
    let work = folder();
    std::fs::create_dir_all(work.path().join("service/deep")).unwrap();
    for name in [".env", ".env.local", "service/deep/.env", ".env.example"] {
        std::fs::write(work.path().join(name), name).unwrap();
    }
    let script = "cat .env .env.local service/deep/.env; cat .env.example; for f in .env service/deep/.env; do
                  (echo x > $f) 2>/dev/null && echo wrote; rm -f $f 2>/dev/null && echo removed; mv $f y 2>/dev/null && echo moved; done; true";
    let output = shell(work.path(), script).output();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), ".env.example");
    assert_eq!(String::from_utf8(output.stderr).unwrap().lines().filter(|line| line.contains("service/deep/.env")).count(), 1, "said");
    assert_eq!(std::fs::read_to_string(work.path().join(".env")).unwrap(), ".env");
}

fn env_files_are_masked_wherever_they_lie() {
    let work = folder();
    let places = ["a/b/c/d/e/f/g/h", "target/debug", "node_modules/of/others", "x/venv/lib"];
    for place in places {
        std::fs::create_dir_all(work.path().join(place)).unwrap();
        std::fs::write(work.path().join(place).join(".env"), "a canary").unwrap();
    }
    let output = shell(work.path(), "grep -r canary . | wc -l").output();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "0\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(places.iter().all(|place| said.contains(&format!("{place}/.env"))), "{said}");
}

fn the_folder_of_a_masked_file_cannot_be_moved() {
    let work = folder();
    std::fs::create_dir_all(work.path().join("services/api/empty")).unwrap();
    std::fs::write(work.path().join("services/api/.env"), "a canary").unwrap();
    let _listener = UnixListener::bind(work.path().join("services/d.sock")).unwrap();
    let script = "mkdir target; python3 -c 'import os
for d in (\"services\", \"services/api\"):
    for to in (\"target/x\", \"services2\", \"services/x\"):
        try: os.rename(d, to); print(\"renamed\", d, to)
        except OSError: pass'
                  cat services/api/.env; echo new > services/api/file; mv services/api/file services/api/other; mv services/api/empty services/api/full; ls -A services/api";
    assert_eq!(shell(work.path(), script).says(), ".env\nfull\nother");
    assert!(work.path().join("services/api/.env").exists());
    // What an earlier devbox could move is found where it is now.
    std::fs::rename(work.path().join("services"), work.path().join("target/services")).unwrap();
    let script = "cat target/services/api/.env; perl -MIO::Socket::UNIX -e 'print IO::Socket::UNIX->new(Peer=>\"target/services/d.sock\") ? \"connected\" : \"refused\"'";
    assert_eq!(shell(work.path(), script).says(), "refused");
}

fn a_folder_that_cannot_be_looked_into_is_empty() {
    use std::os::unix::fs::chown;
    use std::os::unix::process::CommandExt;
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can make a folder of another group");
        return;
    }
    // The folder is the user's and its group is not: nothing but its mode says who may look, and the owner may change that.
    let work = folder();
    chown(work.path(), Some(65534), Some(65534)).unwrap();
    std::fs::create_dir_all(work.path().join("shut/deep")).unwrap();
    for path in ["shut/.env", "shut/deep/.env"] {
        std::fs::write(work.path().join(path), "a canary").unwrap();
    }
    for path in ["shut", "shut/deep", "shut/.env", "shut/deep/.env"] {
        chown(work.path().join(path), Some(65534), Some(1)).unwrap();
    }
    for mode in [0o000, 0o311, 0o644] {
        std::fs::set_permissions(work.path().join("shut"), std::fs::Permissions::from_mode(mode)).unwrap();
        let cli = shell(work.path(), "chmod 755 shut 2>/dev/null; grep -r canary . ; echo looked").cli();
        let mut command = std::process::Command::new(cli.get_program());
        let output = command.args(cli.get_args()).uid(65534).gid(65534).stdin(std::process::Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "looked\n", "{mode:o}: {said}");
        assert!(said.contains("`shut` cannot be looked into"), "{mode:o}: {said}");
    }
}

fn a_masked_env_symlink_is_masked_itself() {
    let work = folder();
    std::fs::write(work.path().join("real"), "kept").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", work.path().join(".env")).unwrap();
    std::os::unix::fs::symlink("real", work.path().join(".env.local")).unwrap();
    assert_eq!(shell(work.path(), "cat .env .env.local real; wc -l < /etc/passwd").says(), "kept2");
}

fn etc_holds_no_other_user() {
    let work = folder();
    let me = nix::unistd::getuid().as_raw();
    let said = shell(
        work.path(),
        "cut -d: -f3 /etc/passwd; cat /etc/resolv.conf; id -u; hostname; ls /etc/shadow /etc/ssh /etc/ssl/private 2>/dev/null; true",
    )
    .says();
    assert_eq!(said.lines().collect::<Vec<_>>(), [&me.to_string(), "65534", "nameserver 198.18.0.1", &me.to_string(), "devbox"]);
}

fn the_bundle_stands_at_every_usual_path() {
    let work = folder();
    let script = "cat /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; ls /etc/ssl/certs; head -c 4 /etc/ssl/certs/java/cacerts | cmp - /etc/pki/java/cacerts -n 4 && echo same";
    assert_eq!(shell(work.path(), script).says(), "a bundle\na bundle\na bundle\na bundle\nca-certificates.crt\njava\nsame");
}

fn devices_are_few() {
    let work = folder();
    let said = shell(work.path(), "ls /dev | tr '\\n' ' '; echo x > /dev/null; head -c 4 /dev/zero | wc -c").says();
    assert_eq!(said, "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero 4");
}

fn device_files_cannot_be_changed() {
    // Set to what they are already: where it is allowed nothing breaks.
    let script = "for d in null zero full random urandom tty; do d=/dev/$d; chmod $(stat -c %a $d) $d 2>/dev/null && echo changed $d
                  touch -c -d @$(stat -c %Y $d) $d 2>/dev/null && echo touched $d; chown $(stat -c %u $d) $d 2>/dev/null && echo owned $d; done
                  echo x > /dev/null && (echo x > /dev/full) 2>/dev/null || echo full; dd if=/dev/zero of=/dev/null bs=1k count=1 2>/dev/null; head -c 4 /dev/urandom | wc -c";
    assert_eq!(shell(folder().path(), script).says(), "full\n4");
}

fn there_is_no_sys() {
    let work = folder();
    assert_eq!(
        shell(work.path(), "ls / | tr '\\n' ' '; ls /sys 2>/dev/null || echo none").says().split(' ').filter(|name| *name == "sys").count(),
        0
    );
}

fn the_work_folder_is_written_through() {
    let work = folder();
    std::fs::write(work.path().join("in"), "hello").unwrap();
    assert_eq!(shell(work.path(), "pwd; cp in out; mkdir d; mv out d/out; umask").says(), format!("{}\n0022", work.path().display()));
    assert_eq!(std::fs::read_to_string(work.path().join("d/out")).unwrap(), "hello");
}

fn ro_is_read_only_and_rw_is_not() {
    let (work, ro, rw) = (folder(), folder(), folder());
    std::fs::write(ro.path().join("f"), "given").unwrap();
    let mut asked = shell(
        work.path(),
        &format!("cat {0}/f; (echo x > {0}/g) 2>/dev/null || echo refused; echo y > {1}/g", ro.path().display(), rw.path().display()),
    );
    asked.ro = vec![ro.path().to_owned()];
    asked.rw = vec![rw.path().to_owned()];
    assert_eq!(asked.says(), "givenrefused");
    assert!(rw.path().join("g").exists() && !ro.path().join("g").exists());
}

fn a_single_file_can_be_given() {
    let (work, outside) = (folder(), folder());
    for name in ["given", "other"] {
        std::fs::write(outside.path().join(name), name).unwrap();
    }
    let mut asked = shell(
        work.path(),
        &format!("ls {0}; cat {0}/given; (echo x > {0}/given) 2>/dev/null || echo ' refused'", outside.path().display()),
    );
    asked.ro = vec![outside.path().join("given")];
    assert_eq!(asked.says(), "given\ngiven refused");
}

fn a_later_path_wins() {
    let work = folder();
    std::fs::create_dir(work.path().join("fixed")).unwrap();
    let mut asked = shell(work.path(), "(echo x > fixed/x) 2>/dev/null || echo refused; echo y > y");
    asked.ro = vec![work.path().join("fixed")];
    assert_eq!(asked.says(), "refused");
    assert!(work.path().join("y").exists());
}

fn tmp_and_home_are_private() {
    let (work, other) = (folder(), folder());
    // Nobody else's file has this name.
    let written = other.path().file_name().unwrap().to_str().unwrap().to_owned() + "-inside";
    let script = format!(
        "ls -d {} 2>/dev/null; echo $HOME; ls -A ~; echo x > ~/x; echo x > /tmp/{written}; stat -c %a /tmp ~; df --output=target /tmp ~ | tail -2",
        other.path().display()
    );
    assert_eq!(shell(work.path(), &script).says(), "/home/agent\n1777\n700\n/tmp\n/home/agent");
    assert!(!std::path::Path::new("/tmp").join(written).exists());
}

fn a_kept_home_is_kept() {
    let (work, home) = (folder(), folder());
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut asked = shell(work.path(), "echo kept > ~/note");
    asked.home = Some(home.path().to_owned());
    asked.says();
    assert_eq!(std::fs::read_to_string(home.path().join("note")).unwrap(), "kept\n");
}

fn home_file(path: &str, text: &str) -> HomeFile {
    HomeFile { path: path.to_owned(), text: text.to_owned() }
}

fn a_file_of_the_home_stands_there_and_is_the_users() {
    let work = folder();
    let script = "cd ~/.one/two; cat three; stat -c %a three; test -O three && echo own; echo more >> three && tail -1 three";
    let mut asked = shell(work.path(), script);
    asked.home_files = vec![home_file(".one/two/three", "text\n")];
    assert_eq!(asked.says(), "text\n600\nown\nmore");
}

fn what_a_kept_home_has_already_stays_as_it_is() {
    let (work, home, outside) = (folder(), folder(), folder());
    std::fs::write(home.path().join("mine"), "mine\n").unwrap();
    std::os::unix::fs::symlink(outside.path().join("new"), home.path().join("link")).unwrap();
    std::os::unix::fs::symlink(outside.path(), home.path().join("folder")).unwrap();
    let mut asked = shell(work.path(), "cat ~/mine ~/other");
    asked.home = Some(home.path().to_owned());
    asked.home_files = ["mine", "link", "folder/new", "mine/new", "other"].map(|path| home_file(path, "ours\n")).into();
    assert_eq!(asked.says(), "mine\nours");
    assert_eq!(std::fs::read_to_string(home.path().join("other")).unwrap(), "ours\n");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0, "no symlink was followed");
}

fn a_file_of_the_home_cannot_lie_elsewhere() {
    let work = folder();
    for path in ["../out", "a/../../out", ""] {
        let mut asked = shell(work.path(), "true");
        asked.home_files = vec![home_file(path, "text")];
        assert_eq!(asked.output().status.code(), Some(125), "{path:?}");
    }
}

fn a_program_is_found_by_its_name() {
    let work = folder();
    let mut asked = shell(work.path(), "PATH=/run/programs:$PATH; greet hello");
    asked.programs = vec![Program { name: "greet".to_owned(), target: "/usr/bin/echo".into() }];
    assert_eq!(asked.says(), "hello");
}

fn a_file_on_stdin_cannot_be_opened_anew() {
    let (work, outside) = (folder(), folder());
    let path = outside.path().join("notes");
    std::fs::write(&path, "notes\n").unwrap();
    let asked = command(
        work.path(),
        &["bash", "-c", "cat; (echo x > /proc/self/fd/0) 2>/dev/null || echo refused; (cat < /dev/stdin) 2>/dev/null || echo refused"],
    );
    let output = asked.cli().stdin(std::fs::File::open(&path).unwrap()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "notes\nrefused\nrefused\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "notes\n");
}

//! Devboxes of several users: of their own where the keeper is the machine's root, of the keeper's where it is not.

use link::keeper::{Hosted, Kept, Trouble};
use model::Stream;

use super::Test;
use super::fixture::{Keeper, hosted, is_root, next_devbox};

pub const TESTS: &[Test] = &[
    ("root_inside_is_refused", root_inside_is_refused),
    ("another_user_is_refused_to_whoever_is_not_root", another_user_is_refused_to_whoever_is_not_root),
    ("one_devbox_reaches_no_process_of_another", one_devbox_reaches_no_process_of_another),
    ("processes_outside_are_the_devboxs_user", processes_outside_are_the_devboxs_user),
    ("an_ordinary_user_keeps_devboxes_too", an_ordinary_user_keeps_devboxes_too),
];

fn as_user(uid: Option<u32>) -> Hosted {
    Hosted { uid, ..hosted() }
}

fn root_inside_is_refused() {
    let keeper = Keeper::start();
    let kept = keeper.build_later(&next_devbox(), &as_user(Some(0)), b"").answer().0;
    assert!(matches!(&kept, Kept::Failed(Trouble::Refused(words)) if words.contains("never runs as the machine's root")), "{kept:?}");
    assert_eq!(keeper.roster(), []);
}

fn another_user_is_refused_to_whoever_is_not_root() {
    let keeper = Keeper::start_as(is_root().then_some(ORDINARY));
    let kept = keeper.build_later(&next_devbox(), &as_user(Some(ORDINARY + 1)), b"").answer().0;
    assert!(matches!(kept, Kept::Failed(Trouble::Refused(_))), "{kept:?}");
    assert_eq!((keeper.children(), keeper.roster()), (0, Vec::new()));
}

fn one_devbox_reaches_no_process_of_another() {
    let keeper = Keeper::start();
    let (one, other) = (keeper.open(&hosted(), b"PLAIN=of one\0"), keeper.plain_devbox());
    let running = keeper.execute(&one, "echo ready; exec sleep 6661");
    keeper.piece(&one, &running, Stream::Stdout, 0, 10_000);
    let script = "for n in $(seq 2 60); do [ $n = $$ ] || kill -9 $n 2>/dev/null; cat /proc/$n/environ 2>/dev/null; done | tr '\\0' '\\n' | grep -c 'of one'; pgrep -cx sleep; true";
    assert_eq!(keeper.says(&other, script), "0\n0");
    assert_eq!(keeper.look(&one, &running, 0).ended, None);
}

fn processes_outside_are_the_devboxs_user() {
    let keeper = Keeper::start();
    let uid = if is_root() { Some(3_333_333) } else { None };
    let wanted = uid.unwrap_or(rustix::process::geteuid().as_raw());
    let devbox = keeper.open(&as_user(uid), b"");
    assert_eq!(
        keeper.says(&devbox, "touch made; stat -c '%u %g' made; id -u; id -G; id -un"),
        format!("{wanted} {wanted}\n{wanted}\n{wanted}\nuser")
    );
    keeper.execute(&devbox, "exec sleep 6662");
    keeper.says(&devbox, "until pgrep -fx 'sleep 6662'; do :; done");
    let mut seen = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if line == b"sleep\x006662\0" {
            let status = std::fs::read_to_string(entry.path().join("status")).unwrap();
            assert!(status.contains(&format!("Uid:\t{wanted}\t{wanted}\t{wanted}\t{wanted}\n")), "{status}");
            seen += 1;
        }
    }
    assert_eq!(seen, 1);
}

fn an_ordinary_user_keeps_devboxes_too() {
    let keeper = Keeper::start_as(is_root().then_some(ORDINARY));
    let devbox = keeper.open(&as_user(None), b"PLAIN=value\0");
    let uid = if is_root() { ORDINARY } else { rustix::process::geteuid().as_raw() };
    assert_eq!(keeper.says(&devbox, "id -u; whoami; pwd; echo $PLAIN"), format!("{uid}\nuser\n/home/user\nvalue"));
    keeper.end(&devbox);
    assert_eq!(keeper.children(), 0);
}

/// No user of the machine's in particular.
const ORDINARY: u32 = 54_321;

//! `__init`: from a fresh process to pid 1 of a devbox.
//!
//! unshare(2) of a user namespace fails in a threaded process, hence a process of its own that has one thread. It makes the namespaces and stays
//! outside them only to be waited for; its child is pid 1 inside.

use std::os::fd::{AsFd, OwnedFd};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid};

use crate::control::{At, Control, Fail, Order, Report, Step};
use crate::kernel::fork::{Side, fork};
use crate::kernel::{descriptors, signals};
use crate::network;
use crate::reaper::{self, Inside};
use crate::root;
use crate::setup::{Account, Setup, read_memory};
use crate::walls::{self, Walls};

/// The body of the hidden `__init` subcommand. Must be called first in `main`, before anything is opened and any thread is started.
pub fn init_main() -> ! {
    // Nothing can be told without a connection to the maker: leave.
    let Ok(control) = take_control() else { std::process::exit(EXIT_LOST) };
    match outside(&control) {
        Ok((told, Side::Child)) => inside(&control, told),
        Ok((told, Side::Parent(first))) => {
            // From here on pid 1 alone speaks: when it is gone, the maker must see it. And it alone reads what it was handed.
            drop((control, told));
            std::process::exit(wait_for(first))
        }
        Err(fail) => {
            drop(control.send(&Report::Failed(fail), &[]));
            std::process::exit(EXIT_LOST)
        }
    }
}

/// The connection came as standard input; everything else that was inherited is closed.
fn take_control() -> std::io::Result<Control> {
    descriptors::close_from(3)?;
    let control = std::io::stdin().as_fd().try_clone_to_owned()?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(Control::from_fd(control))
}

/// Makes the namespaces and pid 1. Returns in both.
fn outside(control: &Control) -> Result<(Told, Side), Fail> {
    // A session of its own: the terminal's signals go to the maker, which passes them on.
    rustix::process::setsid().at(Step::Setup)?;
    signals::default(Signal::SIGCHLD).at(Step::Setup)?;
    // Where memory runs out, a devbox goes first, and not who holds it. Raising this needs no right; where the kernel has none of it, nothing is lost.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let told = receive(control)?;
    make_namespaces(&told.setup.user)?;
    let side = fork().at(Step::FirstProcess)?;
    Ok((told, side))
}

/// Waits for pid 1, which dies with us, and kills it when the maker says so.
fn wait_for(first: Pid) -> i32 {
    // Nothing is done with them any more; what keeps them harmless is that nobody inside can reach this process.
    let _ = walls::give_up_capabilities();
    let awaited: SigSet = [Signal::SIGCHLD, Signal::SIGTERM].into_iter().collect();
    let blocked = awaited.thread_block();
    loop {
        match waitpid(first, blocked.is_ok().then_some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => return code,
            Ok(WaitStatus::StillAlive) => match awaited.wait() {
                Ok(Signal::SIGTERM) => {
                    let _ = kill(first, Signal::SIGKILL);
                }
                Ok(_) => {}
                Err(_) => return EXIT_LOST,
            },
            Err(nix::Error::EINTR) => {}
            Ok(_) | Err(_) => return EXIT_LOST,
        }
    }
}

/// Pid 1.
fn inside(control: &Control, told: Told) -> ! {
    let code = build_and_run(control, told).unwrap_or_else(|fail| {
        drop(control.send(&Report::Failed(fail), &[]));
        EXIT_LOST
    });
    std::process::exit(code)
}

fn build_and_run(control: &Control, told: Told) -> Result<i32, Fail> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).at(Step::FirstProcess)?;
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).at(Step::FirstProcess)?;
    let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    nix::unistd::sethostname(root::HOST_NAME).at(Step::Network)?;
    let numbers = walls::limit_processes();
    network::bring_up()?;
    let Told { setup, bundle, plain } = told;
    let (roles, fds) = network::open_listeners(&setup.ports)?;
    let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    control.send(&Report::Listening(roles), &borrowed).at(Step::Listen)?;
    drop(fds);
    // While the maker hands the listeners over, the walls go up.
    let built = root::build(&setup, &read_memory(bundle).at(Step::Setup)?)?;
    let walls = Walls::make(&built)?;
    walls::give_up_capabilities()?;
    let plain = plain.map(read_memory).transpose().at(Step::Setup)?.unwrap_or_default();
    reaper::run(control, Inside { setup, plain, built, walls, umask, numbers })
}

/// What the maker handed over: the setup, and what pid 1 reads when it is needed.
struct Told {
    setup: Setup,
    bundle: OwnedFd,
    plain: Option<OwnedFd>,
}

fn receive(control: &Control) -> Result<Told, Fail> {
    let (order, fds): (Order, Vec<OwnedFd>) = control.recv().at(Step::Setup)?;
    let mut fds = fds.into_iter();
    let (Order::Setup, Some(setup), Some(bundle)) = (order, fds.next(), fds.next()) else {
        return Err(Fail::new(Step::Setup, libc::EPROTO));
    };
    Ok(Told { setup: Setup::from_memory(setup).at(Step::Setup)?, bundle, plain: fds.next() })
}

/// All namespaces at once, and the user mapped to itself: files made inside are the user's own.
fn make_namespaces(user: &Account) -> Result<(), Fail> {
    if Uid::effective().is_root() {
        // Root may and should leave its other groups behind; where it may not, the mounts hold all the same.
        let _ = nix::unistd::setgroups(&[Gid::from_raw(user.gid)]);
    }
    let all = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    unshare(all).at(Step::Namespaces)?;
    std::fs::write("/proc/self/setgroups", "deny").at(Step::Identity)?;
    std::fs::write("/proc/self/uid_map", format!("{0} {0} 1", user.uid)).at(Step::Identity)?;
    std::fs::write("/proc/self/gid_map", format!("{0} {0} 1", user.gid)).at(Step::Identity)
}

/// The maker was told why, or is gone.
const EXIT_LOST: i32 = 125;

//! The devbox's side of `cargo xtask bench b5`: makes a devbox that runs `true`, so many times, and says what each took in microseconds: until the command
//! was executed, and until it had ended.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of the benchmarks")]

use std::time::Instant;

use devbox::{Spec, Terminal, WorkFolder};

fn main() {
    if std::env::args().nth(1).as_deref() == Some("__init") {
        devbox::init_main();
    }
    let rounds: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let work = WorkFolder::current().unwrap();
    let bundle_pem = devbox::system_bundle().unwrap();
    for _ in 0..rounds {
        let spec = Spec {
            argv: vec!["/usr/bin/true".into()],
            env: vec![("PATH".into(), "/usr/bin".into()), ("HOME".into(), "/home/user".into())],
            work_dir: work.clone(),
            ro: Vec::new(),
            rw: Vec::new(),
            home: None,
            home_files: Vec::new(),
            programs: Vec::new(),
            hidden: Vec::new(),
            bundle_pem: bundle_pem.clone(),
            ports: vec![80, 443],
            terminal: Terminal::Off,
        };
        let begun = Instant::now();
        let running = devbox::prepare(&spec).unwrap().start().unwrap();
        let executed = begun.elapsed();
        assert_eq!(running.wait().unwrap().code, 0);
        println!("{} {}", executed.as_micros(), begun.elapsed().as_micros());
    }
}

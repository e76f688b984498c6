//! A process that holds keys is closed to its neighbours. On its own, since it changes the whole process.
#![allow(clippy::unwrap_used, reason = "tests")]

use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

#[test]
fn a_secluded_process_leaves_no_core_and_cannot_be_traced() {
    vault::seclude().unwrap();
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    let core = getrlimit(Resource::Core);
    assert!(core.current.is_some_and(|bytes| bytes <= 1) && core.maximum == core.current);
    vault::seclude().unwrap();
}

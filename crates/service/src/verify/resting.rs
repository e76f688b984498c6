//! The keys as they rest on the disk, held against those that this process opened at its start: what was written over them shows at the next start otherwise, when
//! nothing opens any more.

use link::cli::Finding;

use super::{About, FILES, found};
use crate::backup::{Resting, Sources};

/// What of them is not as it was.
pub(super) fn check(sources: &Sources) -> Vec<Finding> {
    let Resting { keyring, recipe, root_opens } = (sources.resting)();
    let mut findings = Vec::new();
    let mut find = |id: &str, what: &str, next: &str| findings.push(found(FILES, About { id: Some(id), name: None }, what, next));
    if keyring != sources.keyring {
        find("gateway/keyring.json", "it is gone, or not the keyring that this server opened: nothing opens after the next start", SAVE);
    }
    let is_file = sources.recipe.is_empty();
    if !is_file && recipe != sources.recipe {
        find("gateway/root.passphrase.json", "it is gone, or not what the root key of this server follows from", SAVE);
    }
    if is_file && !root_opens {
        find("gateway/root.key", "it is gone, or not the root key of this server's keyring: nothing opens after the next start", PUT_BACK);
    }
    findings
}

/// A backup holds the keyring and the recipe of the server that makes it.
const SAVE: &str = "tightlip backup FILE, before the server ends; then tightlip down, and tightlip restore FILE --force";
const PUT_BACK: &str = "put your copy of root.key back, before the server ends";

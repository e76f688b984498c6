//! Whether the server answers, takes the key, and is ready.

use super::super::fault::Fault;
use super::super::target::Target;
use super::clock;
use super::looks::Looks;

/// Looks at the server and its gateway. False where there is no use in looking further.
pub(super) fn look(target: &Target, looks: &mut Looks) -> bool {
    let client = match target.client() {
        Ok(client) => client,
        Err(fault) => {
            looks.fault("server", fault);
            return false;
        }
    };
    match client.list_page(1, None) {
        Ok(page) => {
            looks.ok("server", "answers, and takes the key");
            if let Some(newest) = page.secrets.first() {
                clock::compare_stored(newest.update_time_ms.max(newest.create_time_ms), looks);
            }
        }
        Err(error) => {
            looks.fault("server", target.told().to_fault(Fault::from(error)));
            return false;
        }
    }
    if !target.is_local() {
        looks.note("gateway", "another machine's: what its devboxes see is looked at there", "run `tightlip doctor` on that machine");
        return false;
    }
    match target.gate().and_then(|gate| gate.ready()) {
        Ok(()) => looks.ok("gateway", "ready to decide and to record"),
        Err(fault) => {
            let next = fault.next.clone().unwrap_or_else(|| WHERE_IT_SAYS_WHY.to_owned());
            looks.fault("gateway", fault.next(next));
            return false;
        }
    }
    true
}

const WHERE_IT_SAYS_WHY: &str = "see the output of `tightlip up`, or up.log in the data folder; then tightlip down, and tightlip up";

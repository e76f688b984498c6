//! Who shows devboxes what hosts say. Before a value leaves that no host had until then, or that replies were not looked through for, each of them has its replies
//! looked through for it: a host may say it in another exchange, under another name or to another devbox, as soon as it hears it.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use model::{AccountId, Refusal};

use crate::gate::{Gate, lock};

/// What passes replies on to one devbox.
pub trait Onlooker: Send + Sync {
    /// Whose the devbox is.
    fn account(&self) -> &AccountId;

    /// Comes back when no reply passes any more but through a plan of this moment or a later one. May wait for the databases.
    fn catch_up(&self);
}

/// All of them.
#[derive(Default)]
pub(crate) struct Onlookers(Mutex<Vec<Weak<dyn Onlooker>>>);

impl Onlookers {
    fn add(&self, onlooker: Weak<dyn Onlooker>) {
        let mut all = lock(&self.0);
        all.retain(|known| known.strong_count() > 0);
        all.push(onlooker);
    }

    fn of(&self, account: &AccountId) -> Vec<Arc<dyn Onlooker>> {
        lock(&self.0).iter().filter_map(Weak::upgrade).filter(|onlooker| onlooker.account() == account).collect()
    }
}

impl Gate {
    /// From now on no value leaves that this onlooker was not told of, for as long as there is one.
    pub fn show(&self, onlooker: Weak<dyn Onlooker>) {
        self.onlookers.add(onlooker);
    }

    /// Comes back when all that is shown to devboxes of the account is scrubbed of what stands now. Others' devboxes are not scrubbed of its values anyway.
    ///
    /// # Errors
    /// [`Refusal::Undecided`] where that takes too long.
    pub(crate) fn tell(&self, account: &AccountId) -> Result<(), Refusal> {
        let begun = Instant::now();
        for onlooker in self.onlookers.of(account) {
            if begun.elapsed() > TELLING_MAX {
                return Err(Refusal::Undecided);
            }
            onlooker.catch_up();
        }
        Ok(())
    }
}

/// An account may have hundreds of devboxes, each with replies of many hosts. What was told stays told: the next try goes on from there.
const TELLING_MAX: Duration = Duration::from_secs(2);

//! The only code that can read a value.
//!
//! What lives here: the closed type of plaintext and every verb that needs its bytes (seal, open, arm, scrub, recognise, put on the client's wire, pour into an environment), and the
//! keys that these verbs use. What never does: a logger, async, SQL, a clock, and any public function that gives a value's bytes back.
#![deny(unsafe_code)]

pub mod arm;
pub mod backup;
mod bound;
pub mod dotenv;
mod envelope;
pub mod keyring;
pub mod locked;
pub mod open;
pub mod pour;
pub mod recognise;
pub mod scrub;
pub mod seal;
pub mod sort;
pub mod token;
pub mod value;
pub mod wire;

pub use arm::{ArmError, Found, arm};
pub use keyring::{ApiVerifyKey, KeyringError, OpenKeys, RootKey, SigningKey};
pub use locked::{LockError, Locked, seclude};
pub use open::OpenError;
pub use pour::{PourError, make_vessel, pour_env};
pub use recognise::{fits_header, recognise, too_short};
pub use scrub::{Rendering, ScrubError, ScrubPair, ScrubPlan, Scrubber};
pub use seal::{SealError, Sealer};
pub use sort::{Plain, Sort, sort};
pub use token::{RandomError, hash_token, make_gateway_token, make_key, make_token, random_u128, same};
pub use value::{SecretValue, ValueError};

//! The anchor at a start and at a restore: whether the data folder is what was served last, and what is done where it is not.

use model::{Clock, Event, EventKind};
use service::anchor::{AnchorError, AnchorPlaces, Anchored};
use store::{Ledger, Store, StoreError};
use vault::OpenKeys;

use crate::config::Config;
use crate::folder::DataFolder;
use crate::setup::{FirstRun, Opened};

/// What becomes of a data folder, or a backup, that is older than the anchor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rollback {
    /// It is not served, not restored.
    #[default]
    Refuse,
    /// A person says that it is to be so.
    Accept,
}

/// How a start stands about the anchor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It is kept.
    #[default]
    Kept,
    /// It was kept before and was gone.
    WasGone(std::path::PathBuf),
    /// It cannot be kept: why.
    CannotBeKept(String),
}

impl Rollback {
    /// What an option says.
    #[must_use]
    pub const fn of(accept: bool) -> Self {
        if accept { Self::Accept } else { Self::Refuse }
    }
}

impl Standing {
    /// What a person is told, where something is not as it should be.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Kept => None,
            Self::WasGone(path) => Some(format!(
                "The anchor {} was gone and was made anew, as you said: if the data folder was put back from an older copy before this start, nothing shows it.",
                path.display()
            )),
            Self::CannotBeKept(why) => Some(format!(
                "No anchor is kept ({why}), so an older copy of the data folder that is put back is not noticed, and the next start is refused without \
                 --accept-rollback: name a folder with `[gateway] anchor` in tightlip.toml."
            )),
        }
    }
}

/// Writes the anchor of a data folder that is being made, before it is there: from its first moment on it has one.
///
/// # Errors
/// When its databases cannot be read. A place that takes no anchor is told by [`begin`].
pub fn first(
    folder: &DataFolder,
    config: &Config,
    keys: &OpenKeys,
    store: &Store,
    ledger: &Ledger,
    clock: &dyn Clock,
) -> Result<(), StoreError> {
    let present = Anchored::of(store, ledger, clock.now())?;
    let _told_later = places_of(folder, config, keys.deployment()).write(keys, &present);
    Ok(())
}

/// Holds the data folder against its anchors, and writes the present one. A folder without any is served only by the start that made it: whether there was one
/// before, nothing in the folder itself can say.
///
/// # Errors
/// [`AnchorError`] where it is older, or an anchor is missing, was changed or cannot be read, unless that is accepted.
pub fn begin(
    folder: &DataFolder,
    config: &Config,
    opened: &Opened,
    first_run: FirstRun,
    rollback: Rollback,
    clock: &dyn Clock,
) -> Result<Standing, AnchorError> {
    let places = places_of(folder, config, opened.keys.deployment());
    let held = places.check(&opened.keys, &opened.store, &opened.ledger).and_then(|newest| match (newest, first_run) {
        (Some(_), _) | (None, FirstRun::Yes) => Ok(()),
        (None, FirstRun::Finished | FirstRun::No) => Err(AnchorError::Missing(places.paths())),
    });
    let mut standing = Standing::Kept;
    match held {
        Ok(()) => {}
        Err(error) if error.is_tampering() && rollback == Rollback::Accept => {
            tracing::warn!("accepted: {error}");
            if let AnchorError::Missing(paths) = error {
                record(opened, EventKind::AnchorMissing, clock)?;
                standing = paths.into_iter().next().map_or(Standing::Kept, Standing::WasGone);
            }
            record(opened, EventKind::RollbackAccepted, clock)?;
        }
        Err(error) => return Err(error),
    }
    if places.is_empty() {
        return Ok(told(Standing::CannotBeKept("neither XDG_STATE_HOME nor HOME is set".to_owned())));
    }
    let present = Anchored::of(&opened.store, &opened.ledger, clock.now())?;
    if let Err(error) = places.write(&opened.keys, &present) {
        standing = Standing::CannotBeKept(crate::child::chain(&error));
    }
    Ok(told(standing))
}

/// The places of the folder's anchors, for this deployment.
#[must_use]
pub fn places_of(folder: &DataFolder, config: &Config, deployment: &str) -> AnchorPlaces {
    AnchorPlaces::new(&config.anchor_folders(), folder.path(), deployment)
}

/// Where anchors of a folder that is restored may be: by its present settings, and by those that the backup brings.
pub struct Anchors(AnchorPlaces);

impl Anchors {
    /// Of the folder, and of what is to come into it. Settings that cannot be read name no place.
    #[must_use]
    pub fn of(folder: &DataFolder, aside: &DataFolder, opened: &Opened) -> Self {
        let by = |settings: std::path::PathBuf| Config::load(&settings).map(|config| config.anchor_folders()).unwrap_or_default();
        let folders: Vec<_> = [folder.config(), aside.config()].into_iter().flat_map(by).collect();
        Self(AnchorPlaces::new(&folders, folder.path(), opened.keys.deployment()))
    }

    /// Whether what is to come has what the anchors tell of.
    ///
    /// # Errors
    /// [`AnchorError`], where it does not.
    pub fn check(&self, opened: &Opened) -> Result<(), AnchorError> {
        self.0.check(&opened.keys, &opened.store, &opened.ledger).map(drop)
    }

    /// Writes what is to come. Where that fails, the next start says so.
    pub fn write(&self, opened: &Opened, clock: &dyn Clock) {
        let Ok(present) = Anchored::of(&opened.store, &opened.ledger, clock.now()) else { return };
        if let Err(error) = self.0.write(&opened.keys, &present) {
            tracing::warn!("{}", crate::child::chain(&error));
        }
    }
}

fn told(standing: Standing) -> Standing {
    if let Some(warning) = standing.warning() {
        tracing::warn!("{warning}");
    }
    standing
}

/// Records what happened to the anchor among the owner's events.
fn record(opened: &Opened, kind: EventKind, clock: &dyn Clock) -> Result<(), AnchorError> {
    let owner = opened.store.owner()?;
    let events: Vec<Event> = owner.map(|owner| Event::bare(kind, clock.now(), owner.id)).into_iter().collect();
    Ok(opened.ledger.record(&events)?)
}

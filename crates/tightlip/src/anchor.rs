//! The anchor at a start and at a restore: whether the data folder is what was served last, and what is done where it is not.

use model::{Clock, Event, EventKind, Writer};
use service::anchor::{AnchorError, AnchorPlace, Anchored};

use crate::config::Config;
use crate::folder::DataFolder;
use crate::setup::Opened;

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
                "The anchor {} was gone and was made anew: if the data folder was put back from an older copy before this start, nothing shows it. \
                 This is usual where the folder was moved or came to a new machine.",
                path.display()
            )),
            Self::CannotBeKept(why) => Some(format!(
                "No anchor is kept ({why}), so an older copy of the data folder that is put back is not noticed: name a folder with `[gateway] anchor` in tightlip.toml."
            )),
        }
    }
}

/// Holds the data folder against its anchor, and writes the present one.
///
/// # Errors
/// [`AnchorError`] where it is older, or the anchor was changed or cannot be read, unless that is accepted.
pub fn begin(
    folder: &DataFolder,
    config: &Config,
    opened: &Opened,
    rollback: Rollback,
    clock: &dyn Clock,
) -> Result<Standing, AnchorError> {
    let Some(place) = place(folder, config, opened) else {
        return Ok(told(Standing::CannotBeKept("neither XDG_STATE_HOME nor HOME is set".to_owned())));
    };
    let read = place.read(&opened.keys).and_then(|anchored| match anchored {
        // An anchor is written after the ledger says so: one that does not any more was put back from before, or changed so that its rows are marked anew.
        Some(anchored) if !opened.ledger.was_anchored()? => {
            Err(AnchorError::RolledBack { path: place.path().to_owned(), writer: Writer::Gateway, seq: anchored.gateway.seq })
        }
        Some(anchored) => place.check(&anchored, &opened.store, &opened.ledger).map(|()| true),
        None => Ok(false),
    });
    let was_anchored = opened.ledger.was_anchored()?;
    let mut standing = Standing::Kept;
    match read {
        Ok(true) => {}
        Ok(false) if was_anchored => {
            record(opened, EventKind::AnchorMissing, clock)?;
            standing = told(Standing::WasGone(place.path().to_owned()));
        }
        Ok(false) => {}
        Err(error) if error.is_tampering() && rollback == Rollback::Accept => {
            tracing::warn!("accepted: {error}");
            record(opened, EventKind::RollbackAccepted, clock)?;
        }
        Err(error) => return Err(error),
    }
    let present = Anchored::of(&opened.store, &opened.ledger, clock.now())?;
    // Before the anchor, which counts on it.
    if !was_anchored {
        opened.ledger.note_anchor()?;
    }
    if let Err(error) = place.write(&opened.keys, &present) {
        return Ok(told(Standing::CannotBeKept(crate::child::chain(&error))));
    }
    Ok(standing)
}

/// The place of the folder's anchor.
#[must_use]
pub fn place(folder: &DataFolder, config: &Config, opened: &Opened) -> Option<AnchorPlace> {
    place_of(folder, config, opened.keys.deployment())
}

/// The place of the folder's anchor, for this deployment.
#[must_use]
pub fn place_of(folder: &DataFolder, config: &Config, deployment: &str) -> Option<AnchorPlace> {
    config.anchor_folder().map(|dir| AnchorPlace::new(&dir, folder.path(), deployment))
}

/// Where anchors of a folder that is restored may be: by its present settings, and by those that the backup brings.
pub struct Anchors(Vec<AnchorPlace>);

impl Anchors {
    /// Of the folder, and of what is to come into it. Settings that cannot be read name no place.
    #[must_use]
    pub fn of(folder: &DataFolder, aside: &DataFolder, opened: &Opened) -> Self {
        let by = |settings: std::path::PathBuf| Config::load(&settings).ok().and_then(|config| place(folder, &config, opened));
        let mut places: Vec<AnchorPlace> = [folder.config(), aside.config()].into_iter().filter_map(by).collect();
        places.dedup_by(|one, other| one.path() == other.path());
        Self(places)
    }

    /// Whether what is to come has what the anchors tell of.
    ///
    /// # Errors
    /// [`AnchorError`], where it does not.
    pub fn check(&self, opened: &Opened) -> Result<(), AnchorError> {
        self.0.iter().try_for_each(|place| match place.read(&opened.keys)? {
            Some(anchored) => place.check(&anchored, &opened.store, &opened.ledger),
            None => Ok(()),
        })
    }

    /// Writes what is to come. Where that fails, the next start says so.
    pub fn write(&self, opened: &Opened, clock: &dyn Clock) {
        let noted = opened.ledger.note_anchor();
        let Ok(present) = noted.and_then(|()| Anchored::of(&opened.store, &opened.ledger, clock.now())) else { return };
        for place in &self.0 {
            if let Err(error) = place.write(&opened.keys, &present) {
                tracing::warn!("{}", crate::child::chain(&error));
            }
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

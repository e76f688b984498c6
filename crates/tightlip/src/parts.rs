//! What a backup holds of the data folder: each part is called by its file's place in the folder.
//!
//! Not among them: the root key, which opens the backup; and the keyring and the recipe of a root key out of a passphrase, which stand in the backup's head.

use std::path::PathBuf;
use std::sync::Mutex;

use service::backup::{Names, Need, Resting, SmallFile, Sources};
use vault::OpenKeys;

use crate::folder::DataFolder;
use crate::setup::read;

/// What the gateway makes backups of. `keyring` is the wrapped keyring that it opened, `recipe` how its root key
/// follows from a passphrase, empty where it does not.
#[must_use]
pub fn sources(folder: &DataFolder, keyring: Vec<u8>, recipe: Vec<u8>) -> Sources {
    let file = |name: &'static str, need| SmallFile { name, path: folder.path().join(name), need };
    Sources {
        resting: resting(folder, &keyring),
        keyring,
        recipe,
        names: Names { store: STORE, ledger: LEDGER, manifest: MANIFEST, manifest_pin: MANIFEST_PIN, signing_key: SIGNING_KEY },
        signing_key: folder.signing_key(),
        manifest: folder.manifest(),
        manifest_pin: folder.manifest_pin(),
        files: vec![file(ADMIN_KEY, Need::Always), file(API_KEY, Need::IfThere), file(CONFIG, Need::IfThere)],
        scratch: folder.backup_scratch(),
        turn: Mutex::new(()),
    }
}

/// Reads the keys as they rest, beside the keyring that was opened.
fn resting(folder: &DataFolder, opened: &[u8]) -> Box<dyn Fn() -> Resting + Send + Sync> {
    let (keyring, recipe, root, opened) = (folder.keyring(), folder.root_passphrase(), folder.root_key(), opened.to_vec());
    Box::new(move || Resting {
        keyring: read(&keyring).unwrap_or_default().to_vec(),
        recipe: read(&recipe).unwrap_or_default().to_vec(),
        root_opens: rootkey::load(&root).is_ok_and(|root| OpenKeys::unwrap(&opened, &root).is_ok()),
    })
}

/// Where in `folder` the part of this name belongs; none for a name that no backup of this version has.
#[must_use]
pub fn place_in(folder: &DataFolder, name: &str) -> Option<PathBuf> {
    ALL.contains(&name).then(|| folder.path().join(name))
}

const STORE: &str = "store/tightlip.db";
const LEDGER: &str = "gateway/gateway.db";
const MANIFEST: &str = "api/manifest.json";
const MANIFEST_PIN: &str = "api/manifest.pin";
const SIGNING_KEY: &str = "api/signing.key";
const ADMIN_KEY: &str = "gateway/admin-key";
const API_KEY: &str = "api-key";
const CONFIG: &str = "tightlip.toml";
const ALL: [&str; 8] = [STORE, LEDGER, MANIFEST, MANIFEST_PIN, SIGNING_KEY, ADMIN_KEY, API_KEY, CONFIG];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_called_by_its_files_place() {
        let folder = DataFolder::aside(PathBuf::from("/data"));
        let places = [
            (STORE, folder.store_db()),
            (LEDGER, folder.ledger()),
            (MANIFEST, folder.manifest()),
            (MANIFEST_PIN, folder.manifest_pin()),
            (SIGNING_KEY, folder.signing_key()),
            (ADMIN_KEY, folder.admin_key()),
            (API_KEY, folder.api_key()),
            (CONFIG, folder.config()),
        ];
        assert_eq!(places.len(), ALL.len());
        for (name, path) in places {
            assert_eq!(place_in(&folder, name), Some(path));
        }
        for other in ["gateway/root.key", "gateway/keyring.json", "../x", "/etc/passwd", "", "api"] {
            assert_eq!(place_in(&folder, other), None, "{other}");
        }
    }
}

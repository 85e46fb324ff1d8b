//! Files that nobody comes back to go in time: uploads, and what imports have left over.

use super::{Importer, locked};
use crate::uploads::long_there;
use std::time::Duration;
use tidings_store::StoreError;

/// How often uploads are looked through for old ones.
const EXPIRE_EVERY: Duration = Duration::from_secs(600);

impl Importer {
    /// Looks again and again, for as long as the server runs.
    pub(super) async fn expire(&self) {
        let mut tick = tokio::time::interval(EXPIRE_EVERY);
        loop {
            tick.tick().await;
            let (uploads, now) = (self.0.uploads.clone(), self.0.clock.now());
            // What cannot be removed is told by whoever removes it.
            drop(tokio::task::spawn_blocking(move || uploads.expire(now)).await);
            if let Err(error) = self.remove_left_over().await {
                tracing::warn!("files that imports have left over cannot be looked for: {error}");
            }
            locked(&self.0.trials).retain(|id, _| self.0.uploads.path(id).is_file());
        }
    }

    /// Removes files that were to be an import's, and whose import was never recorded.
    async fn remove_left_over(&self) -> Result<(), StoreError> {
        let (folder, now) = (self.0.folder.clone(), self.0.clock.now());
        let looked = tokio::task::spawn_blocking(move || long_there(&folder, now)).await;
        for path in looked.unwrap_or_default() {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name else { continue };
            if self.0.store.has_import_of(name).await? {
                continue;
            }
            match std::fs::remove_file(&path) {
                Ok(()) => tracing::info!("removed {}, which no import names", path.display()),
                Err(error) => tracing::warn!("cannot remove {}: {error}", path.display()),
            }
        }
        Ok(())
    }
}

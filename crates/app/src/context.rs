//! What every command may need: where things are, how they are configured, and the time.

use crate::config::{Config, ConfigSource};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use tidings_campaign::time::Clock;
use tidings_sender::run::Identity;
use tidings_store::{Store, StoreError, place_of};

/// What every command may need.
#[derive(Debug)]
pub struct Context {
    /// The folder with everything that is kept.
    pub data: PathBuf,
    /// The checked configuration.
    pub config: Config,
    /// Where the configuration came from, if it can be read again.
    pub source: Option<ConfigSource>,
    /// Where the database is.
    pub database: String,
    /// Print one JSON document.
    pub json: bool,
    /// The time.
    pub clock: Clock,
}

impl Context {
    /// Failures of a statement do not know which database they were for.
    pub fn name_database(&self, error: anyhow::Error) -> anyhow::Error {
        let nameless = |cause: &(dyn std::error::Error + 'static)| {
            matches!(
                cause.downcast_ref(),
                Some(
                    StoreError::DiskFull
                        | StoreError::Sql(_)
                        | StoreError::Newer { .. }
                        | StoreError::Migrate(_)
                )
            )
        };
        if error.chain().any(nameless) {
            return error.context(place_of(&self.database));
        }
        error
    }

    /// Opens the database for a command that means nothing without one: where there is none, it makes none.
    pub async fn existing_store(&self) -> anyhow::Result<Store> {
        if let Some(file) = self.missing_database() {
            bail!(
                "there is no database at {} yet: `tidings import` makes it, or --data and --database say where it is",
                file.display()
            );
        }
        self.store().await
    }

    /// The SQLite file, if it is still to be made.
    pub fn missing_database(&self) -> Option<&Path> {
        let file = Path::new(self.database.strip_prefix("sqlite://")?);
        (!file.exists()).then_some(file)
    }

    /// Opens the database, or makes it.
    pub async fn store(&self) -> anyhow::Result<Store> {
        let store = Store::open(&self.database, &self.config.sending.node).await?;
        store.lead(&self.clock).await?;
        Ok(store)
    }

    /// Where recipients reach this instance; it must be configured.
    pub fn public_url(&self) -> anyhow::Result<&str> {
        self.config.public_url.as_deref().context(
            "public_url is not configured, and messages need it for their unsubscribe link: write \
             public_url = \"https://news.example.com\" into tidings.toml",
        )
    }

    /// What messages say about this instance; the public URL must be configured.
    pub async fn identity(&self, store: &Store) -> anyhow::Result<Identity> {
        Ok(Identity {
            public_url: self.public_url()?.to_owned(),
            return_path_domain: self.config.mail.return_path_domain.clone(),
            sender_id: self.config.mail.sender_id.clone(),
            attachments_folder: self.config.mail.attachments_folder.clone(),
            tracking: self.config.tracking.mode,
            keys: store.key_ring(self.clock.now()).await?,
        })
    }
}

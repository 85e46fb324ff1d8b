//! What the dashboard's pages for writing campaigns need: messages as the sender makes them, and the starters.

use crate::starters::Starter;
use tidings_sender::run::{CannotRun, Identity, factory};
use tidings_store::Store;
use tidings_web::{Beginning, Composer, WritingSettings};

/// Made once, for all pages.
pub fn settings(store: &Store, identity: &Identity) -> WritingSettings {
    let (store, identity) = (store.clone(), identity.clone());
    let composer = Composer::new(move |campaign, newsletter| {
        let (store, identity) = (store.clone(), identity.clone());
        async move {
            match factory(&store, &campaign, &newsletter, &identity).await {
                Ok(factory) => Ok(Ok(factory)),
                Err(CannotRun::Content(why)) => Ok(Err(why)),
                Err(CannotRun::Store(error)) => Err(error),
            }
        }
    });
    WritingSettings {
        composer,
        beginnings: Starter::all().iter().map(|&starter| beginning(starter)).collect(),
    }
}

fn beginning(starter: Starter) -> Beginning {
    let (name, purpose) = starter.name_and_purpose();
    Beginning {
        name,
        purpose,
        subject: starter.subject().to_owned(),
        html: starter.html().to_owned(),
    }
}

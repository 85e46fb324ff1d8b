//! What the dashboard needs to have a campaign tried: its messages, made as the sender makes them.

use tidings_sender::run::{CannotRun, Identity, factory};
use tidings_store::Store;
use tidings_web::Composer;

/// Made once, for all pages.
pub fn composer(store: &Store, identity: &Identity) -> Composer {
    let (store, identity) = (store.clone(), identity.clone());
    Composer::new(move |campaign, newsletter| {
        let (store, identity) = (store.clone(), identity.clone());
        async move {
            match factory(&store, &campaign, &newsletter, &identity).await {
                Ok(factory) => Ok(Ok(factory)),
                Err(CannotRun::Content(why)) => Ok(Err(why)),
                Err(CannotRun::Store(error)) => Err(error),
            }
        }
    })
}

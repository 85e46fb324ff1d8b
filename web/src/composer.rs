//! How a campaign's messages are made before it starts: what the sender knows, and this crate does not.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tidings_campaign::message::MessageFactory;
use tidings_campaign::template::Newsletter;
use tidings_store::StoreError;
use tidings_store::campaigns::Campaign;

/// What becomes of a newsletter that is composed: its messages, or a sentence for people that says why there are none.
pub type Composed = Result<Result<MessageFactory, String>, StoreError>;

type Composing = Pin<Box<dyn Future<Output = Composed> + Send>>;

/// Makes the factory of a campaign's messages as the sender does, also of what is not kept yet.
#[derive(Clone)]
pub struct Composer(Arc<dyn Fn(Campaign, Newsletter) -> Composing + Send + Sync>);

impl Composer {
    /// `compose` is asked for each test.
    pub fn new<F>(compose: impl Fn(Campaign, Newsletter) -> F + Send + Sync + 'static) -> Composer
    where
        F: Future<Output = Composed> + Send + 'static,
    {
        Composer(Arc::new(move |campaign, newsletter| {
            Box::pin(compose(campaign, newsletter))
        }))
    }

    pub(crate) fn compose(&self, campaign: Campaign, newsletter: Newsletter) -> Composing {
        (self.0)(campaign, newsletter)
    }
}

impl fmt::Debug for Composer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Composer")
    }
}

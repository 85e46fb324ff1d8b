//! What the pages for writing need from the rest of the program: how a campaign's messages are made, and what one can begin with.

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

/// A newsletter that comes with the program, to begin with.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Its subject.
    pub subject: String,
    /// HTML or MJML.
    pub html: String,
}

/// What the pages for writing need.
#[derive(Clone, Debug)]
pub struct WritingSettings {
    /// Makes messages of what is written.
    pub composer: Composer,
    /// What one can begin with, besides templates.
    pub beginnings: Vec<Beginning>,
}

//! Webhooks: what mail providers post. A post is authenticated over its raw octets before anything of it is read, and is
//! answered with 200 only after it is durable.
//!
//! Where to look: who may post at all in `door.rs`; signatures in `sns.rs`, `sendgrid.rs` and `mailgun.rs`; the steps of a post
//! in `post.rs`. What posts say is read in [`tidings_feedback::webhook`].

mod certificates;
mod door;
mod hook;
mod https;
mod mailgun;
mod post;
mod refused;
mod sendgrid;
mod sns;

pub use certificates::Fetch;
pub use door::{Door, SHORTEST_TOKEN};
pub use hook::{Hook, HookFault, Proof};
pub use https::Https;
pub use mailgun::SigningKey;
pub use sendgrid::PublicKey;
pub use sns::Topic;

use crate::Intake;
use actix_web::{HttpResponse, web};
use certificates::Certificates;
use mailgun::Seen;
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::time::Clock;
use tidings_feedback::rules::Rules;
use tidings_feedback::webhook::Provider;
use tidings_store::feedback::Way;
use tokio::sync::Semaphore;

/// Under this path all hooks are: `/hooks/NAME`, or `/hooks/NAME/TOKEN`.
pub const PATH: &str = "/hooks";
/// How old a signed time may be. Providers repeat a post for a day, and do not say whether they sign it anew; to refuse one of
/// these would lose what it says, while one that is repeated by somebody else is known by its content and changes nothing.
pub const WINDOW: Duration = Duration::from_secs(25 * 3600);
/// How far a provider's clock may be before ours.
const CLOCKS_DIFFER: Duration = Duration::from_secs(600);
/// Posts that are read at once; others are asked to come again.
const MOST_AT_ONCE: usize = 32;

/// All hooks, and what they need.
pub struct Hooks {
    hooks: Vec<Hook>,
    intake: Intake,
    rules: Arc<Rules>,
    clock: Clock,
    certificates: Certificates,
    seen: Seen,
    bodies: Semaphore,
}

impl Hooks {
    /// `fetch` gets certificates of SNS and confirms subscriptions; the program has [`Https`].
    pub fn new(
        hooks: Vec<Hook>,
        intake: Intake,
        rules: Arc<Rules>,
        clock: Clock,
        fetch: impl Fetch,
    ) -> Hooks {
        Hooks {
            hooks,
            intake,
            rules,
            clock,
            certificates: Certificates::new(fetch),
            seen: Seen::default(),
            bodies: Semaphore::new(MOST_AT_ONCE),
        }
    }
}

/// The routes of all hooks, for a web server.
pub fn routes(hooks: Arc<Hooks>) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    move |config| {
        if hooks.hooks.is_empty() {
            return;
        }
        let resource = |path: &str| {
            web::resource(path)
                .route(web::post().to(post::take))
                .default_service(web::to(|| async {
                    HttpResponse::MethodNotAllowed()
                        .insert_header(("Allow", "POST"))
                        .body("A webhook takes posts; there is nothing to see here.\n")
                }))
        };
        config.app_data(web::Data::from(Arc::clone(&hooks))).service(
            web::scope(PATH)
                .service(resource("/{name}"))
                .service(resource("/{name}/{token}")),
        );
    }
}

/// By which way the posts of a provider come in.
fn way(provider: Provider) -> Way {
    match provider {
        Provider::Ses => Way::Ses,
        Provider::SendGrid => Way::SendGrid,
        Provider::Postmark => Way::Postmark,
        Provider::Mailgun => Way::Mailgun,
        Provider::SparkPost => Way::SparkPost,
        Provider::Mailjet => Way::Mailjet,
        Provider::Brevo => Way::Brevo,
    }
}

#[cfg(test)]
mod tests;

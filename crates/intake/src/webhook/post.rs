//! A post, step by step: the door, its octets, the proof, what it says, the store, the answer.

use super::hook::{Hook, Proof};
use super::refused::Refused;
use super::sns::Wish;
use super::{Hooks, mailgun, sendgrid, sns, way};
use crate::{Arrival, Post};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use std::time::Duration;
use tidings_feedback::webhook;

/// Within this a post must have come.
const PATIENCE: Duration = Duration::from_secs(30);
/// A post longer than this is read on a thread for blocking work.
const QUICK: usize = 256 * 1024;
/// Events of a post that wait for the store together.
const TOGETHER: usize = 256;

/// What the provider has proved.
enum Authentic {
    /// The post is its own. By this it is recognised if it comes again, else by what its events say.
    Post { id: Option<String> },
    /// There is nothing in it to be kept.
    Done,
}

pub(super) async fn take(
    hooks: web::Data<Hooks>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let name = request.match_info().get("name").unwrap_or_default();
    let outcome = match hooks.hooks.iter().find(|hook| hook.name == name) {
        Some(hook) => hooks.take(hook, &request, payload).await,
        None => Err(Refused::Unknown),
    };
    match outcome {
        Ok(()) => HttpResponse::Ok()
            .insert_header(("Cache-Control", "no-store"))
            .content_type("text/plain; charset=utf-8")
            .body("taken\n"),
        Err(refused) => {
            // An unknown name is whatever somebody looks for on the web.
            if refused != Refused::Unknown {
                tracing::warn!("webhook {name}: a post was not taken: {refused}");
            }
            refused.answer()
        }
    }
}

impl Hooks {
    async fn take(&self, hook: &Hook, request: &HttpRequest, payload: web::Payload) -> Result<(), Refused> {
        hook.door.let_in(request)?;
        let _turn = self
            .bodies
            .try_acquire()
            .map_err(|_| Refused::Later("Too many posts at once; come again.".to_owned()))?;
        let body = body(hook, payload).await?;
        let Authentic::Post { id } = self.prove(hook, request, &body).await? else {
            return Ok(());
        };
        // Each event is an arrival of its own: it is kept whole, and known again in whatever company it comes. Deliveries, opens
        // and clicks are no feedback, and most of what some providers post.
        let posts = self.read(hook, id.as_deref(), body.clone()).await;
        let takes = posts
            .into_iter()
            .map(|post| self.intake.take(Arrival::Post(post)));
        let taken = stream::iter(takes)
            .buffer_unordered(TOGETHER)
            .try_collect::<Vec<_>>();
        taken.await.map_err(|error| {
            tracing::error!("webhook {}: a post was not kept: {error}", hook.name);
            Refused::Later("The post could not be kept; come again.".to_owned())
        })?;
        if let (Proof::Mailgun(..), Some(token)) = (&hook.proof, id) {
            self.seen.remember(&token, &body);
        }
        Ok(())
    }

    /// Whether the post is the provider's.
    async fn prove(&self, hook: &Hook, request: &HttpRequest, body: &[u8]) -> Result<Authentic, Refused> {
        let now = self.clock.now();
        let id = match &hook.proof {
            Proof::Nothing => None,
            Proof::SendGrid(key, window) => {
                sendgrid::check(key, *window, now, request, body)?;
                None
            }
            Proof::Mailgun(key, window) => {
                let token = mailgun::check(key, *window, now, body)?;
                if self.seen.was_for_another(&token, body) {
                    return Err(Refused::Replayed("Its token was used for another post."));
                }
                Some(token)
            }
            Proof::Sns(topic) => {
                let (envelope, wish) = sns::check(topic, &self.certificates, now, body).await?;
                match wish {
                    Wish::Read => Some(envelope.message_id),
                    Wish::Confirm(url) => {
                        self.certificates.fetch(&url).await.map_err(|error| {
                            Refused::Later(format!("The subscription cannot be confirmed now: {error}."))
                        })?;
                        tracing::info!("webhook {}: the subscription is confirmed", hook.name);
                        return Ok(Authentic::Done);
                    }
                    Wish::Ended => {
                        tracing::warn!(
                            "webhook {}: its subscription has ended, and SNS will post nothing more",
                            hook.name
                        );
                        return Ok(Authentic::Done);
                    }
                }
            }
        };
        Ok(Authentic::Post { id })
    }

    /// What an authentic post says, by its parts. One that cannot be read is kept all the same: the provider would only repeat
    /// it.
    async fn read(&self, hook: &Hook, id: Option<&str>, body: web::Bytes) -> Vec<Post> {
        let is_quick = body.len() <= QUICK;
        let (name, provider, id) = (hook.name.clone(), hook.provider, id.map(str::to_owned));
        let rules = Arc::clone(&self.rules);
        let read = move || {
            let post = |raw: &[u8], id: Option<String>, events| Post {
                way: way(provider),
                id,
                body: raw.to_vec(),
                events,
            };
            let read = match webhook::read(provider, &rules, &body) {
                Ok(parts) => parts,
                Err(error) => {
                    tracing::warn!("webhook {name}: a post is kept that cannot be read: {error}");
                    return vec![post(&body, id, vec![webhook::unread(provider)])];
                }
            };
            let parts = read.into_iter().map(|part| {
                let id = id.clone().or_else(|| part.id().map(str::to_owned));
                post(part.raw, id, part.events)
            });
            parts.collect()
        };
        match is_quick {
            true => read(),
            false => tokio::task::spawn_blocking(read)
                .await
                .expect("reading a post does not panic"),
        }
    }
}

async fn body(hook: &Hook, payload: web::Payload) -> Result<web::Bytes, Refused> {
    match tokio::time::timeout(PATIENCE, payload.to_bytes_limited(hook.most)).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_))) | Err(_) => Err(Refused::Broken),
        Ok(Err(_)) => Err(Refused::TooLong),
    }
}

//! Everything that is stored of one person, for the person. What is added to `erasure/traces.rs` belongs here too.

mod rows;

use crate::engine::{Store, on_pool};
use crate::error::StoreError;
use crate::hits::waiting_of;
use rows::{
    Attempt, Delivery, Event, FormerAddress, Hit, ImportChange, Joined, Lifted, ListStanding, Opened, Pause,
    Report, SignedUp, Suppressed, Unsubscribed, Who, WrittenLetter,
};
use serde::Serialize;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::token::HitTarget;

/// Rows of one kind; more than a person has, so that an answer is bounded.
const MOST: i64 = 20_000;
/// Reports as they came in, each of up to 256 KiB.
const MOST_REPORTS: i64 = 50;

/// Everything that is stored of one person, to be written as JSON.
#[derive(Debug, Serialize)]
pub struct PersonalData {
    address: String,
    /// Whether nothing had to be left out because there is too much of it.
    is_complete: bool,
    recipient: Option<Who>,
    former_addresses: Vec<FormerAddress>,
    lists: Vec<ListStanding>,
    joined_by_own_wish: Vec<Joined>,
    sign_ups: Vec<SignedUp>,
    pause: Option<Pause>,
    unsubscribes: Vec<Unsubscribed>,
    suppressions: Vec<Suppressed>,
    lifted_suppressions: Vec<Lifted>,
    deliveries: Vec<Delivery>,
    /// When deliveries of old campaigns were last removed, this person's or others'.
    deliveries_removed_at: Option<String>,
    failed_attempts: Vec<Attempt>,
    opens_and_clicks: Vec<Opened>,
    hits: Vec<Hit>,
    events: Vec<Event>,
    reports: Vec<Report>,
    letters: Vec<WrittenLetter>,
    changes_by_imports: Vec<ImportChange>,
}

impl Store {
    /// Everything that is stored of whoever has this address, and of the address; none if nothing is.
    pub async fn personal_data(&self, address: &EmailAddress) -> Result<Option<PersonalData>, StoreError> {
        let key = address.key();
        let recipient: Option<Who> = on_pool!(self, pool => sqlx::query_as(rows::WHO).bind(&key)
            .fetch_optional(pool).await)?;
        // Of nobody there are no rows.
        let id = recipient.as_ref().map_or(0, |who| who.id);
        macro_rules! of_recipient {
            ($text:expr) => {
                on_pool!(self, pool => sqlx::query_as($text).bind(id).bind(MOST).fetch_all(pool).await)?
            };
        }
        macro_rules! of_address {
            ($text:expr, $most:expr) => {
                on_pool!(self, pool => sqlx::query_as($text).bind(id).bind(&key).bind($most)
                    .fetch_all(pool).await)?
            };
        }
        // First, because what waits is judged at any moment, and must not be missed for that.
        let waiting = self.hits_that_wait(RecipientId(id)).await?;
        let mut data = PersonalData {
            address: address.as_str().to_owned(),
            is_complete: true,
            recipient,
            former_addresses: of_recipient!(rows::FORMER_ADDRESSES),
            lists: of_recipient!(rows::LISTS),
            joined_by_own_wish: of_recipient!(rows::JOINED),
            sign_ups: of_recipient!(rows::SIGN_UPS),
            pause: on_pool!(self, pool => sqlx::query_as(rows::PAUSE).bind(id).fetch_optional(pool).await)?,
            unsubscribes: of_recipient!(rows::UNSUBSCRIBES),
            suppressions: of_address!(rows::SUPPRESSIONS, MOST),
            lifted_suppressions: of_address!(rows::LIFTED, MOST),
            deliveries: of_recipient!(rows::DELIVERIES),
            deliveries_removed_at: self.last_removal().await?.map(|at| at.to_string()),
            failed_attempts: of_recipient!(rows::ATTEMPTS),
            opens_and_clicks: of_recipient!(rows::OPENS),
            hits: of_recipient!(rows::HITS),
            events: of_address!(rows::EVENTS, MOST),
            reports: of_address!(rows::REPORTS, MOST_REPORTS),
            letters: of_address!(rows::LETTERS, MOST),
            changes_by_imports: of_recipient!(rows::IMPORT_CHANGES),
        };
        let is_new = |hit: &Hit| !data.hits.iter().any(|known| known.is_same(hit));
        let waiting: Vec<Hit> = waiting.into_iter().filter(is_new).collect();
        data.hits.splice(0..0, waiting);
        if data.suppressions.is_empty() {
            // One that is known by its hash only.
            let known = self.find_suppression(address).await?;
            data.suppressions.extend(known.map(Suppressed::from));
        }
        data.is_complete = data.longest() < MOST && (data.reports.len() as i64) < MOST_REPORTS;
        let is_known = data.recipient.is_some()
            || !data.suppressions.is_empty()
            || !data.lifted_suppressions.is_empty()
            || !data.events.is_empty()
            || !data.letters.is_empty();
        Ok(is_known.then_some(data))
    }
}

impl Store {
    /// The newest first.
    async fn hits_that_wait(&self, recipient: RecipientId) -> Result<Vec<Hit>, StoreError> {
        let mut links: HashMap<CampaignId, HashMap<u32, String>> = HashMap::new();
        let mut hits = Vec::new();
        for (hit, agent) in waiting_of(self, recipient, MOST as usize).await? {
            let link = match hit.target {
                HitTarget::Link(number) => {
                    if let Entry::Vacant(of_campaign) = links.entry(hit.campaign) {
                        let links = self.links_of(hit.campaign).await?.into_iter();
                        of_campaign.insert(links.map(|link| (link.number, link.url)).collect());
                    }
                    links[&hit.campaign].get(&number).cloned()
                }
                HitTarget::Pixel | HitTarget::Trap => None,
            };
            hits.push(Hit::waiting((hit, agent), link));
        }
        hits.reverse();
        Ok(hits)
    }
}

impl PersonalData {
    fn longest(&self) -> i64 {
        let lengths = [
            self.former_addresses.len(),
            self.lists.len(),
            self.joined_by_own_wish.len(),
            self.sign_ups.len(),
            self.unsubscribes.len(),
            self.deliveries.len(),
            self.failed_attempts.len(),
            self.opens_and_clicks.len(),
            self.hits.len(),
            self.events.len(),
            self.letters.len(),
            self.changes_by_imports.len(),
        ];
        lengths.into_iter().max().unwrap_or_default() as i64
    }
}

//! `GET /bounces`: what bounced and was complained about, by day and by what tells it apart, and what was suppressed for it.

mod view;

use super::problem::failed;
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::suppression::is_reason;
use tidings_campaign::time::Timestamp;
use tidings_store::StoreError;
use tidings_store::bounces::{Asked as Counted, By};
use tidings_store::campaign_pages::CampaignSearch;
use view::{BouncesPage, Read, Wanted};
pub(super) use view::{ledger_href, recipient_href, words};

/// Suppressions of one page.
const SHOWN: i64 = 25;
/// Reports of one page, the newest.
const REPORTS: i64 = 10;
/// Campaigns that can be chosen, the newest.
const CAMPAIGNS: i64 = 100;
/// Days that can be chosen.
const PERIODS: [i64; 4] = [7, 30, 90, 365];
/// Days of the page as it is first seen.
const USUAL: i64 = 30;

/// `?by=…&campaign=…&days=…&reason=…&before=…`
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    by: String,
    #[serde(default)]
    campaign: String,
    #[serde(default)]
    days: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    before: String,
}

impl Asked {
    /// What makes no sense is as if it were not there.
    fn wanted(self) -> Wanted {
        let days = self.days.parse().ok().filter(|days| PERIODS.contains(days));
        let campaign = self.campaign.parse().ok().filter(|id| *id > 0);
        Wanted {
            by: match self.by.as_str() {
                "reason" => By::Reason,
                "provider" => By::Provider,
                "relay" => By::Relay,
                "campaign" => By::Campaign,
                _ => By::Class,
            },
            campaign: campaign.map(CampaignId),
            days: days.unwrap_or(USUAL),
            reason: Some(self.reason)
                .filter(|word| is_reason(word))
                .unwrap_or_default(),
            before: self.before.split_once(',').and_then(|(at, key)| {
                let at: i64 = at.parse().ok()?;
                Some((Timestamp(at), key.to_owned()))
            }),
        }
    }
}

/// `GET /bounces`
pub(crate) async fn bounces(
    site: web::Data<Site>,
    visitor: Visitor,
    asked: web::Query<Asked>,
) -> HttpResponse {
    let wanted = asked.into_inner().wanted();
    let today = midnight(site.clock.now());
    let days = u64::try_from(wanted.days - 1).unwrap_or_default();
    let since = today.minus(Duration::from_secs(days * 86_400));
    let read = match site.ask(read(site.store.clone(), wanted.clone(), since)).await {
        Ok(read) => read,
        Err(trouble) => return failed(&site, &trouble),
    };
    let view = BouncesPage::new(&wanted, read, since);
    Page::new("bounces", "Bounces")
        .under("/bounces")
        .shown_to(&visitor)
        .answer(&site, StatusCode::OK, &view)
}

async fn read(store: tidings_store::Store, wanted: Wanted, since: Timestamp) -> Result<Read, StoreError> {
    let counted = |by| Counted {
        campaign: wanted.campaign,
        by,
        since: Some(since),
    };
    let newest = CampaignSearch {
        limit: CAMPAIGNS,
        ..CampaignSearch::default()
    };
    let before = wanted.before.as_ref().map(|(at, key)| (*at, key.as_str()));
    Ok(Read {
        by_day: store.bounce_breakdown(counted(By::Day)).await?,
        rows: store.said_breakdown(counted(wanted.by)).await?.rows,
        campaigns: store.find_campaigns(&newest).await?.campaigns,
        events: store.list_events(wanted.campaign, i64::MAX, REPORTS).await?,
        suppressed: store.newest_suppressions(&wanted.reason, before, SHOWN).await?,
    })
}

/// When the day of this moment began, in UTC.
fn midnight(now: Timestamp) -> Timestamp {
    const DAY: i64 = 86_400_000_000;
    Timestamp(now.0 - now.0.rem_euclid(DAY))
}

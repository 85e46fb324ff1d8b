//! The public archive of a list: its finished newsletters as strangers see them, merged with nobody's data, and a feed of
//! them (Atom, RFC 4287). Only lists that the operator has opened have one.

use super::view::picture;
use crate::newsletters::{Links, Newsletters, NotShown, POLICY, below, show_images};
use crate::public::{self, Archive, ListedIssue, Page};
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderValue, HttpDate, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, VARY,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, UNIX_EPOCH};
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::{CampaignId, ListId, RecipientId};
use tidings_campaign::message::Mailbox;
use tidings_campaign::recipient::Recipient;
use tidings_campaign::time::Timestamp;
use tidings_store::archive::{ArchivedCampaign, Issue};
use tidings_store::campaign_files::FileSummary;

/// Issues of one page.
const PAGE: i64 = 50;
/// Issues in the feed.
const FEED: i64 = 20;
/// Octets of HTML that the feed carries; issues beyond that are named there without their HTML.
const FEED_OCTETS: usize = 1_000_000;
/// Stands for the archive's page of the list, where nobody can unsubscribe anybody, until an issue is shown: one campaign
/// may go to several lists. No host of the world is called `.invalid` (RFC 2606).
const LIST_PAGE: &str = "https://archive.invalid/list";
/// Stands for the issue's own page.
const ISSUE_PAGE: &str = "https://archive.invalid/issue";
/// An address of nobody.
const NOBODY: &str = "reader@example.invalid";

/// `?before=…`
#[derive(Deserialize)]
pub(crate) struct Asked {
    before: Option<CampaignId>,
}

#[derive(Serialize)]
struct Feed {
    name: String,
    url: String,
    updated: String,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    url: String,
    title: String,
    updated: String,
    author: String,
    html: Option<String>,
}

/// `GET /archive/{list}` and HEAD.
pub(crate) async fn index(
    site: web::Data<Site>,
    letters: web::Data<Newsletters>,
    list: web::Path<String>,
    asked: web::Query<Asked>,
    request: HttpRequest,
) -> HttpResponse {
    let before = asked.before.unwrap_or(CampaignId(i64::MAX));
    let page = async {
        let (list, name) = opened(&site, &list).await?;
        let (campaigns, before) = shown(&site, &letters, list, before, PAGE).await?;
        Ok::<_, NotShown>((list, name, campaigns, before))
    };
    let (list, name, campaigns, before) = match page.await {
        Ok(page) => page,
        Err(why) => return missing(&site, &request, &why),
    };
    let translation = public::accepted(&site, &request);
    let listed = |(campaign, issue): &(ArchivedCampaign, Issue)| ListedIssue {
        id: campaign.id.0,
        subject: issue.subject.clone(),
        date: campaign.finished_at.to_string()[.."2026-12-01".len()].to_owned(),
        day: translation.texts.day(campaign.finished_at),
    };
    let archive = Archive {
        list: list.to_string(),
        issues: campaigns.iter().map(listed).collect(),
        before: before.map(|id| id.0),
    };
    let body = Page::at(&site, &request, translation, &name)
        .with_archive(archive)
        .html(&site);
    answer(&request, changed(&campaigns), "text/html; charset=utf-8", body)
}

/// `GET /archive/{list}/feed.xml` and HEAD.
pub(crate) async fn feed(
    site: web::Data<Site>,
    letters: web::Data<Newsletters>,
    list: web::Path<String>,
    request: HttpRequest,
) -> HttpResponse {
    let read = async {
        let (list, name) = opened(&site, &list).await?;
        let (campaigns, _) = shown(&site, &letters, list, CampaignId(i64::MAX), FEED).await?;
        let url = list_url(&letters, list);
        let mut entries = Vec::new();
        let mut octets = 0;
        for (campaign, issue) in &campaigns {
            let url = format!("{url}/{}", campaign.id);
            let html = match octets < FEED_OCTETS {
                true => Some(html_of(&site, list, campaign.id, &url).await?),
                false => None,
            };
            octets += html.as_ref().map_or(0, String::len);
            let html = html.filter(|_| octets <= FEED_OCTETS);
            entries.push(Entry {
                author: xml_text(&author(&campaign.sender)),
                title: xml_text(&issue.subject),
                updated: campaign.finished_at.to_string(),
                html: html.map(|html| xml_text(&html)),
                url,
            });
        }
        let updated = campaigns
            .first()
            .map_or(Timestamp(0), |(newest, _)| newest.finished_at);
        let feed = Feed {
            name: xml_text(&name),
            url,
            updated: updated.to_string(),
            entries,
        };
        Ok::<_, NotShown>((site.pages.render("feed", &feed), changed(&campaigns)))
    };
    match read.await {
        Ok((body, changed)) => answer(&request, changed, "application/atom+xml; charset=utf-8", body),
        Err(why) => missing(&site, &request, &why),
    }
}

/// `GET /archive/{list}/{campaign}` and HEAD.
pub(crate) async fn issue(
    site: web::Data<Site>,
    letters: web::Data<Newsletters>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> HttpResponse {
    let (list, campaign) = path.into_inner();
    let read = async {
        let (list, _) = opened(&site, &list).await?;
        let campaign: CampaignId = campaign.parse().map_err(|_| NotShown::Gone)?;
        let (found, _) = shown(&site, &letters, list, CampaignId(campaign.0.saturating_add(1)), 1).await?;
        let of_this = |(found, _): &(ArchivedCampaign, Issue)| found.id == campaign;
        if !found.first().is_some_and(of_this) {
            return Err(NotShown::Gone);
        }
        let url = format!("{}/{campaign}", list_url(&letters, list));
        Ok((html_of(&site, list, campaign, &url).await?, changed(&found)))
    };
    match read.await {
        Ok((html, changed)) => {
            let mut answer = answer(&request, changed, "text/html; charset=utf-8", html);
            let policy = HeaderValue::from_static(POLICY);
            answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            answer
        }
        Err(why) => missing(&site, &request, &why),
    }
}

/// `GET /archive/{list}/{campaign}/{name}`: an image that a newsletter carries with it.
pub(crate) async fn image(
    site: web::Data<Site>,
    path: web::Path<(String, String, String)>,
    request: HttpRequest,
) -> HttpResponse {
    let (list, campaign, name) = path.into_inner();
    let read = async {
        let (list, _) = opened(&site, &list).await?;
        let campaign: CampaignId = campaign.parse().map_err(|_| NotShown::Gone)?;
        let store = site.store.clone();
        let found = site.ask(async move {
            let archived = store.archived_campaign(list, campaign).await?;
            match archived.and_then(|campaign| campaign.issue) {
                Some(issue) if issue.problem.is_none() => store.shown_file(campaign, &name).await,
                _ => Ok(None),
            }
        });
        found.await?.ok_or(NotShown::Gone)
    };
    match read.await {
        Ok((file, octets)) => picture(&file, octets),
        Err(why) => missing(&site, &request, &why),
    }
}

/// The list with this number, if its archive is open.
async fn opened(site: &Site, list: &str) -> Result<(ListId, String), NotShown> {
    let list: ListId = list.parse().map_err(|_| NotShown::Gone)?;
    let store = site.store.clone();
    let name = site.ask(async move { store.archived_list(list).await }).await?;
    Ok((list, name.ok_or(NotShown::Gone)?))
}

/// Up to `limit` campaigns before `before` and how strangers see them, which is made where nobody has asked yet; and where
/// to go on. Those that cannot be shown to strangers are left out.
async fn shown(
    site: &Site,
    letters: &Newsletters,
    list: ListId,
    before: CampaignId,
    limit: i64,
) -> Result<(Vec<(ArchivedCampaign, Issue)>, Option<CampaignId>), NotShown> {
    let read = async || {
        let store = site.store.clone();
        let page = async move { store.archive_page(list, before, limit).await };
        site.ask(page).await
    };
    let mut page = read().await?;
    if page.iter().any(|campaign| campaign.issue.is_none()) {
        let _making = letters.making.lock().await;
        page = read().await?;
        for campaign in page.iter_mut().filter(|campaign| campaign.issue.is_none()) {
            campaign.issue = Some(make(site, letters, campaign.id).await?);
        }
    }
    let is_full = i64::try_from(page.len()).is_ok_and(|n| n == limit);
    let next = page.last().map(|last| last.id).filter(|_| is_full);
    let showable = page.into_iter().filter_map(|mut campaign| {
        let issue = campaign.issue.take()?;
        issue.problem.is_none().then_some((campaign, issue))
    });
    Ok((showable.collect(), next))
}

/// Merges a newsletter with nobody's data and keeps it: it is the same for everybody, and does not change.
async fn make(site: &Site, letters: &Newsletters, campaign: CampaignId) -> Result<Issue, NotShown> {
    let nobody = Recipient {
        id: RecipientId(0),
        address: EmailAddress::parse(NOBODY).expect("a plain address"),
        name: String::new(),
        attributes: serde_json::Map::new(),
    };
    let merged = match letters.of(site, campaign).await {
        Ok(letter) => letter
            .render(
                &nobody,
                None,
                Links {
                    unsubscribe_url: LIST_PAGE,
                    view_url: ISSUE_PAGE,
                    preferences_url: LIST_PAGE,
                },
            )
            .map_err(NotShown::from),
        Err(why) => Err(why),
    };
    let mut issue = Issue {
        subject: String::new(),
        html: String::new(),
        problem: None,
        made_at: site.clock.now(),
    };
    match merged {
        Ok(rendered) => {
            issue.subject = rendered.subject;
            issue.html = rendered.html;
        }
        // That passes, and is asked for again.
        Err(NotShown::Trouble(trouble)) => return Err(trouble.into()),
        Err(why) => {
            tracing::warn!(campaign.id = %campaign, "left out of the archive: {why}");
            issue.problem = Some(why.to_string());
        }
    }
    let (store, kept) = (site.store.clone(), issue.clone());
    site.ask(async move { store.keep_issue(campaign, &kept).await })
        .await?;
    Ok(issue)
}

/// The HTML of an issue that has been made, with images below `url`.
async fn html_of(site: &Site, list: ListId, campaign: CampaignId, url: &str) -> Result<String, NotShown> {
    let store = site.store.clone();
    let read = site.ask(async move {
        let archived = store.archived_campaign(list, campaign).await?;
        Ok((archived, store.list_files(campaign).await?))
    });
    let (archived, files) = read.await?;
    let issue = archived
        .and_then(|campaign| campaign.issue)
        .ok_or(NotShown::Gone)?;
    let images: Vec<String> = files
        .into_iter()
        .filter_map(|file: FileSummary| file.content_id)
        .collect();
    let html = show_images(&issue.html, below(&format!("{url}/"), &images));
    let list_page = url.rsplit_once('/').map_or(url, |(list_page, _)| list_page);
    Ok(html.replace(LIST_PAGE, list_page).replace(ISSUE_PAGE, url))
}

fn list_url(letters: &Newsletters, list: ListId) -> String {
    format!("{}/archive/{list}", letters.public_url)
}

/// When the newest of these was made.
fn changed(campaigns: &[(ArchivedCampaign, Issue)]) -> Timestamp {
    let changed = campaigns
        .iter()
        .map(|(campaign, issue)| campaign.finished_at.max(issue.made_at));
    changed.max().unwrap_or(Timestamp(0))
}

/// The body, or that the asker has it already (RFC 9110 section 13).
fn answer(request: &HttpRequest, changed: Timestamp, content_type: &str, body: String) -> HttpResponse {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let tag = format!("W/\"{:016x}\"", hasher.finish());
    let seconds = u64::try_from(changed.seconds()).unwrap_or(0);
    let changed = HttpDate::from(UNIX_EPOCH + Duration::from_secs(seconds));
    let field = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_known = match (field(IF_NONE_MATCH), field(IF_MODIFIED_SINCE)) {
        (Some(tags), _) => tags
            .split(',')
            .any(|known| matches!(known.trim(), "*") || known.trim() == tag),
        (None, Some(since)) => since.parse::<HttpDate>().is_ok_and(|since| since >= changed),
        (None, None) => false,
    };
    let status = match is_known {
        true => StatusCode::NOT_MODIFIED,
        false => StatusCode::OK,
    };
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header((ETAG, tag))
        .insert_header((LAST_MODIFIED, changed))
        .insert_header((VARY, ACCEPT_LANGUAGE.as_str()));
    match is_known {
        true => answer.finish(),
        false => answer.content_type(content_type).body(body),
    }
}

/// Who wrote it: the name, or where the address has none, its domain. The address itself is not for collectors.
fn author(sender: &str) -> String {
    match Mailbox::parse(sender) {
        Ok(Mailbox { name: Some(name), .. }) => name,
        Ok(Mailbox { address, .. }) => address.domain().to_owned(),
        Err(_) => String::new(),
    }
}

/// Without the characters that XML 1.0 does not know.
fn xml_text(text: &str) -> String {
    let known = |c: &char| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    text.chars().filter(known).collect()
}

fn missing(site: &Site, request: &HttpRequest, why: &NotShown) -> HttpResponse {
    let translation = public::accepted(site, request);
    let texts = &translation.texts;
    let said = match why {
        NotShown::Trouble(trouble) => {
            tracing::error!("the archive cannot be read: {trouble}");
            (StatusCode::SERVICE_UNAVAILABLE, &*texts.busy_title, &*texts.busy)
        }
        _ => (StatusCode::NOT_FOUND, &*texts.not_found_title, &*texts.not_found),
    };
    let mut answer = public::notice(site, request, translation, said);
    // What is not there now may be there in a moment.
    let no_store = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(CACHE_CONTROL, no_store);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_author_of_an_issue_is_a_name_and_no_address() {
        assert_eq!(author("Example News <news@example.com>"), "Example News");
        assert_eq!(author("news@example.com"), "example.com");
    }

    #[test]
    fn what_xml_does_not_know_is_left_out() {
        assert_eq!(xml_text("a\u{1}b\tc\nd\u{b}e\u{fffe}ü"), "ab\tc\ndeü");
    }
}

//! `GET /campaigns/{id}/click-map`: the newsletter with a number at each link, and beside it how often each was followed.
//! Nothing on it is about a single recipient.

mod view;

use super::problem::{failed, not_found};
use super::view::picture;
use crate::newsletters::{below, show_images};
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, X_FRAME_OPTIONS};
use actix_web::{HttpResponse, web};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::template::Newsletter;
use tidings_campaign::tracking::{MappedNewsletter, TrackedLink, Tracking};
use tidings_store::StoreError;
use tidings_store::campaigns::Campaign;
use view::{ClickMapPage, Read};

/// What browsers may do with the newsletter in the frame: show it, with images, within our own page only.
const FRAME_POLICY: &str = "sandbox allow-same-origin; default-src 'none'; img-src 'self' https: data:; \
    style-src 'unsafe-inline'; font-src https:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// `GET /campaigns/{id}/click-map`
pub(crate) async fn click_map(
    site: web::Data<Site>,
    visitor: Visitor,
    id: web::Path<String>,
) -> HttpResponse {
    let Ok(id) = id.parse::<CampaignId>() else {
        return not_found(site, visitor).await;
    };
    let store = site.store.clone();
    let read = site.ask(async move {
        let Some(campaign) = found(store.get_campaign(id).await)? else {
            return Ok(None);
        };
        Ok(Some(Read {
            links: store.links_of(id).await?,
            hits: store.hit_counts(Some(id)).await?,
            campaign,
        }))
    });
    match read.await {
        Ok(Some(read)) => {
            let title = format!("Click map of {}", read.campaign.name);
            let view = ClickMapPage::new(read);
            Page::new("click_map", &title)
                .under("/campaigns")
                .shown_to(&visitor)
                .answer(&site, StatusCode::OK, &view)
        }
        Ok(None) => not_found(site, visitor).await,
        Err(trouble) => failed(&site, &trouble),
    }
}

/// What the newsletter in the frame is made of.
struct Made {
    campaign: Campaign,
    links: Vec<TrackedLink>,
    list_name: Option<String>,
    /// What its HTML shows behind `cid:`.
    images: Vec<String>,
}

/// `GET /campaigns/{id}/click-map/newsletter`: what stands in the frame. It is told by a sentence why there is none.
pub(crate) async fn newsletter(
    site: web::Data<Site>,
    visitor: Visitor,
    id: web::Path<String>,
) -> HttpResponse {
    let Ok(id) = id.parse::<CampaignId>() else {
        return not_found(site, visitor).await;
    };
    let store = site.store.clone();
    let read = site.ask(async move {
        let Some(campaign) = found(store.get_campaign(id).await)? else {
            return Ok(None);
        };
        let files = store.list_files(id).await?;
        Ok(Some(Made {
            links: store.links_of(id).await?,
            list_name: store.lists_of(id).await?.into_iter().next().map(|(_, name)| name),
            images: files.into_iter().filter_map(|file| file.content_id).collect(),
            campaign,
        }))
    });
    let made = match read.await {
        Ok(Some(made)) if made.campaign.content.is_some() => made,
        Ok(_) => return not_found(site, visitor).await,
        Err(trouble) => return failed(&site, &trouble),
    };
    // MJML and styles take a while.
    match tokio::task::spawn_blocking(move || html(&made)).await {
        Ok(Ok(html)) => framed(StatusCode::OK, html),
        Ok(Err(why)) => framed(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!(
                "<!DOCTYPE html><title>Not shown</title><p>This newsletter cannot be shown with made-up data: {}</p>",
                handlebars::html_escape(&why)
            ),
        ),
        Err(_) => failed(&site, &Trouble::Stopping),
    }
}

/// `GET /campaigns/{id}/click-map/images/{name}`: an image that the newsletter carries with it.
pub(crate) async fn image(
    site: web::Data<Site>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    let (id, name) = path.into_inner();
    let Ok(id) = id.parse::<CampaignId>() else {
        return not_found(site, visitor).await;
    };
    let store = site.store.clone();
    match site.ask(async move { store.shown_file(id, &name).await }).await {
        Ok(Some((file, octets))) => picture(&file, octets),
        Ok(None) => not_found(site, visitor).await,
        Err(trouble) => failed(&site, &trouble),
    }
}

fn html(made: &Made) -> Result<String, String> {
    let content = made.campaign.content.as_deref().unwrap_or_default();
    let newsletter: Newsletter = serde_json::from_str(content).map_err(|error| error.to_string())?;
    let mapped = MappedNewsletter {
        campaign: made.campaign.id,
        name: &made.campaign.name,
        list_name: made.list_name.as_deref(),
        content: &newsletter.fallback,
        mode: made.campaign.tracking.unwrap_or(Tracking::Off),
        utm: &made.campaign.utm,
        links: &made.links,
    };
    let html = mapped.render().map_err(|why| why.to_string())?;
    Ok(show_images(&html, below("images/", &made.images)))
}

fn framed(status: StatusCode, html: String) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, FRAME_POLICY))
        .insert_header((X_FRAME_OPTIONS, "SAMEORIGIN"))
        .body(html)
}

/// None if there is no such campaign.
fn found(campaign: Result<Campaign, StoreError>) -> Result<Option<Campaign>, StoreError> {
    match campaign {
        Err(StoreError::NotFound { .. }) => Ok(None),
        campaign => campaign.map(Some),
    }
}

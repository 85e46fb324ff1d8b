//! Newsletters to be looked at in a browser: the frozen content of campaigns, compiled, of a few at once.

use crate::site::{Site, Trouble};
use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tidings_campaign::ids::{CampaignId, ListId};
use tidings_campaign::merge::MergeData;
use tidings_campaign::recipient::Recipient;
use tidings_campaign::template::{Newsletter, RenderError, Rendered, TemplateError, Templates};
use tidings_store::StoreError;

/// Campaigns that are kept compiled.
const KEPT: usize = 8;

/// What browsers may do with a newsletter: show it, with images; no scripts, no forms, no frames.
pub(crate) const POLICY: &str = "default-src 'none'; img-src 'self' https: data:; style-src 'unsafe-inline'; \
    font-src https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The campaigns that were looked at last.
pub(crate) struct Newsletters {
    /// Where this instance is reached from outside, without a slash at the end.
    pub(crate) public_url: String,
    /// The last used at the end.
    kept: Mutex<VecDeque<(CampaignId, Arc<Letter>)>>,
    /// Held while archived issues are made: each is made once.
    pub(crate) making: tokio::sync::Mutex<()>,
}

/// A campaign's newsletter, ready to be merged.
pub(crate) struct Letter {
    campaign_name: String,
    /// The lists that it goes to, the oldest first.
    lists: Vec<(ListId, String)>,
    language_attribute: String,
    newsletter: Newsletter,
    /// Of each language, the fallback first.
    templates: Vec<Templates>,
    /// What its HTML shows behind `cid:`.
    images: Vec<String>,
}

/// What a newsletter leads its recipient to.
pub(crate) struct Links<'a> {
    pub(crate) unsubscribe_url: &'a str,
    pub(crate) view_url: &'a str,
    pub(crate) preferences_url: &'a str,
}

/// Why a newsletter cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotShown {
    #[error("{0}")]
    Trouble(#[from] Trouble),
    /// The campaign is gone, or has not started.
    #[error("there is no such newsletter")]
    Gone,
    #[error("{0}")]
    Template(#[from] TemplateError),
    #[error("{0}")]
    Render(#[from] RenderError),
    #[error("stored content: {0}")]
    Content(#[from] serde_json::Error),
}

impl Newsletters {
    pub(crate) fn new(public_url: &str) -> Self {
        Newsletters {
            public_url: public_url.trim_end_matches('/').to_owned(),
            kept: Mutex::default(),
            making: tokio::sync::Mutex::default(),
        }
    }

    /// The newsletter of a started campaign. Its content does not change any more.
    pub(crate) async fn of(&self, site: &Site, campaign: CampaignId) -> Result<Arc<Letter>, NotShown> {
        if let Some(letter) = self.find(campaign) {
            return Ok(letter);
        }
        let store = site.store.clone();
        let read = site
            .ask(async move {
                let kept = match store.get_campaign(campaign).await {
                    Err(StoreError::NotFound { .. }) => return Ok(None),
                    kept => kept?,
                };
                let lists = store.lists_of(campaign).await?;
                Ok(Some((kept, lists, store.list_files(campaign).await?)))
            })
            .await?;
        let (kept, lists, files) = read.ok_or(NotShown::Gone)?;
        let newsletter: Newsletter = serde_json::from_str(&kept.content.ok_or(NotShown::Gone)?)?;
        // MJML and styles take a while.
        let compiling = tokio::task::spawn_blocking(move || {
            let templates = newsletter
                .variants()
                .map(|(_, content)| Templates::compile(content));
            let templates = templates.collect::<Result<Vec<_>, TemplateError>>()?;
            Ok::<_, TemplateError>((newsletter, templates))
        });
        let (newsletter, templates) = compiling.await.map_err(|_| Trouble::Stopping)??;
        let letter = Arc::new(Letter {
            campaign_name: kept.name,
            lists,
            language_attribute: kept.language_attribute,
            newsletter,
            templates,
            images: files.into_iter().filter_map(|file| file.content_id).collect(),
        });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((campaign, Arc::clone(&letter)));
        Ok(letter)
    }

    fn find(&self, campaign: CampaignId) -> Option<Arc<Letter>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(id, _)| *id == campaign)?;
        let found = kept.remove(at)?;
        let letter = Arc::clone(&found.1);
        kept.push_back(found);
        Some(letter)
    }
}

impl Letter {
    /// As this recipient gets it by this list, or the first, in the recipient's language; images are still behind `cid:`.
    pub(crate) fn render(
        &self,
        recipient: &Recipient,
        by: Option<ListId>,
        Links {
            unsubscribe_url,
            view_url,
            preferences_url,
        }: Links<'_>,
    ) -> Result<Rendered, RenderError> {
        let at = self.newsletter.variant_for(recipient, &self.language_attribute);
        let list = self.lists.iter().find(|(id, _)| Some(*id) == by);
        let list = list.or(self.lists.first());
        let wanted = recipient.attributes.get(&self.language_attribute);
        let data = MergeData {
            recipient,
            unsubscribe_url,
            view_url,
            preferences_url,
            campaign_name: &self.campaign_name,
            campaign_subject: None,
            list_name: list.map(|(_, name)| name.as_str()),
            language: wanted
                .and_then(|value| value.as_str())
                .filter(|_| at > 0)
                .map(str::trim),
        };
        self.templates[at].render(&data)
    }

    /// The HTML with its images below `base`.
    pub(crate) fn with_images(&self, html: &str, base: &str) -> String {
        show_images(html, below(base, &self.images))
    }
}

/// Puts what `led` says of a name where a value begins with `cid:` and the name: an attribute's or that of `url(…)`. Names of
/// which it says nothing stay.
pub(crate) fn show_images(html: &str, led: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(html.len() + 256);
    let mut from = 0;
    for (colon, _) in html.match_indices(':') {
        let Some(start) = colon.checked_sub(3).filter(|start| *start > from) else {
            continue;
        };
        let octets = html.as_bytes();
        let is_value = matches!(octets[start - 1], b'"' | b'\'' | b'(' | b'=');
        if !is_value || !octets[start..colon].eq_ignore_ascii_case(b"cid") {
            continue;
        }
        let rest = &html[colon + 1..];
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | '>' | '<');
        let id = &rest[..rest.find(ends).unwrap_or(rest.len())];
        if let Some(address) = led(id) {
            out.push_str(&html[from..start]);
            out.push_str(&address);
            from = colon + 1 + id.len();
        }
    }
    out.push_str(&html[from..]);
    out
}

/// The names behind `cid:` of the images that the HTML shows.
pub(crate) fn shown_images(html: &str) -> BTreeSet<String> {
    let names = RefCell::new(BTreeSet::new());
    show_images(html, |id| {
        names.borrow_mut().insert(id.to_owned());
        None
    });
    names.into_inner()
}

/// These names below `base`.
pub(crate) fn below<'a>(base: &'a str, images: &'a [String]) -> impl Fn(&str) -> Option<String> + 'a {
    move |id| {
        images
            .iter()
            .any(|image| image == id)
            .then(|| format!("{base}{id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_led_to_us_and_words_and_other_images_stay() {
        let html = "<p>cid:logo.png</p><img src=\"cid:logo.png\"><td style='background:url(CID:b@x)'><img src=cid:c>";
        let images = ["logo.png".to_owned(), "b@x".to_owned()];
        assert_eq!(
            show_images(html, below("T/", &images)),
            "<p>cid:logo.png</p><img src=\"T/logo.png\"><td style='background:url(T/b@x)'><img src=cid:c>"
        );
        assert_eq!(show_images("cid:logo.png", below("T/", &images)), "cid:logo.png");
        assert!(shown_images(html).iter().eq(["b@x", "c", "logo.png"]));
    }
}

//! What a preview needs from the store.

use super::Fault;
use super::asked::{Asked, Look};
use crate::routes::writing::Form;
use crate::routes::writing::try_out::said_by;
use std::collections::BTreeSet;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::message::attachment::Attachment;
use tidings_campaign::recipient::Recipient;
use tidings_campaign::template::{Content, Newsletter, Source, Translation, check_preheader};
use tidings_campaign::time::Timestamp;
use tidings_store::campaigns::{Campaign, LANGUAGE_ATTRIBUTE};
use tidings_store::{Store, StoreError};

/// What stands for the list's name where there is no list.
const NO_LIST: &str = "list";

/// What was found.
pub(super) struct Gathered {
    pub(super) newsletter: Newsletter,
    pub(super) language_attribute: String,
    /// None: somebody is to be made up.
    pub(super) recipient: Option<Recipient>,
    pub(super) list_name: String,
    pub(super) campaign: Option<Campaign>,
    /// The campaign's, where the whole message is looked at.
    pub(super) files: Option<Vec<Attachment>>,
}

/// Reads it all, or says which field names what is not there.
pub(super) async fn gather(
    store: &Store,
    asked: &Asked,
    now: Timestamp,
) -> Result<Result<Gathered, Fault>, StoreError> {
    let (mut campaign, mut files, mut list_name) = (None, None, asked.list.clone());
    if let Some(id) = asked.campaign {
        campaign = match store.get_campaign(id).await {
            Err(StoreError::NotFound { .. }) => None,
            found => Some(found?),
        };
        if campaign.is_some() && asked.look == Look::Source {
            files = Some(store.files_of(id).await?);
        }
        if list_name.is_empty() {
            let lists = store.lists_of(id).await?;
            list_name = lists.into_iter().next().map(|(_, name)| name).unwrap_or_default();
        }
    }
    if let Some(form) = &asked.writing {
        let kept = (campaign, files);
        return gather_campaign(store, (asked, form), kept, now).await;
    }
    let newsletter = match asked.source() {
        Some(source) => written(store, source, asked).await?,
        None if store.find_template(&asked.name).await?.is_some() => kept(store, asked).await?,
        None => {
            let message = format!("There is no template {}: choose one, or write one.", asked.name);
            return Ok(Err(Fault::of_field("template", message)));
        }
    };
    let recipient = match recipient(store, asked, (&list_name, now)).await? {
        Ok(recipient) => recipient,
        Err(fault) => return Ok(Err(fault)),
    };
    let language_attribute = campaign
        .as_ref()
        .map_or(LANGUAGE_ATTRIBUTE, |campaign| &campaign.language_attribute);
    Ok(Ok(Gathered {
        newsletter,
        language_attribute: language_attribute.to_owned(),
        recipient,
        list_name: Some(list_name)
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| NO_LIST.to_owned()),
        campaign,
        files,
    }))
}

/// A campaign as it would be with what stands in its form.
async fn gather_campaign(
    store: &Store,
    (asked, form): (&Asked, &Form),
    (campaign, files): (Option<Campaign>, Option<Vec<Attachment>>),
    now: Timestamp,
) -> Result<Result<Gathered, Fault>, StoreError> {
    if let (true, Some(campaign)) = (form.is_bare(), &campaign) {
        return gather_kept(store, asked, (campaign, files), now).await;
    }
    let mut writing = form.written();
    if writing.subject.is_empty() && writing.own.is_empty() {
        let template = store.find_template(&writing.template).await?;
        writing.subject = template.and_then(|template| template.subject).unwrap_or_default();
    }
    let preheaders = writing.own.iter().filter_map(|own| own.preheader.as_ref());
    for preheader in writing.preheader.iter().chain(preheaders) {
        if let Err(error) = check_preheader(preheader) {
            return Ok(Err(Fault::of_field("preheader", error.message)));
        }
    }
    let campaign = writing.over(campaign);
    let newsletter = match store.newsletter_written(&campaign, &writing.own).await {
        Ok(newsletter) => newsletter,
        Err(StoreError::NotFound { .. }) => {
            let message = "Choose a template, or write the content here.".to_owned();
            return Ok(Err(Fault::of_field("template", message)));
        }
        // What is being written may not be readable yet.
        Err(StoreError::BadRow { problem, .. }) => return Ok(Err(Fault::of_field("html", problem))),
        Err(error) => return Err(error),
    };
    let lists = store.lists().await?;
    let list = lists.into_iter().find(|list| writing.lists.contains(&list.id));
    let list_name = list.map(|list| list.name).unwrap_or_default();
    let recipient = match recipient(store, asked, (&list_name, now)).await? {
        Ok(recipient) => recipient,
        Err(fault) => return Ok(Err(fault)),
    };
    Ok(Ok(Gathered {
        newsletter,
        language_attribute: campaign.language_attribute.clone(),
        recipient,
        list_name: Some(list_name)
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| NO_LIST.to_owned()),
        campaign: Some(campaign),
        files,
    }))
}

/// A campaign as it is kept.
async fn gather_kept(
    store: &Store,
    asked: &Asked,
    (campaign, files): (&Campaign, Option<Vec<Attachment>>),
    now: Timestamp,
) -> Result<Result<Gathered, Fault>, StoreError> {
    let newsletter = match said_by(store, campaign).await {
        Ok(newsletter) => newsletter,
        Err(error @ StoreError::NotFound { .. }) => {
            return Ok(Err(Fault::of_field("template", format!("{error}."))));
        }
        Err(error) => return Err(error),
    };
    let lists = store.lists_of(campaign.id).await?;
    let list_name = lists.into_iter().next().map(|(_, name)| name).unwrap_or_default();
    let recipient = match recipient(store, asked, (&list_name, now)).await? {
        Ok(recipient) => recipient,
        Err(fault) => return Ok(Err(fault)),
    };
    Ok(Ok(Gathered {
        newsletter,
        language_attribute: campaign.language_attribute.clone(),
        recipient,
        list_name,
        campaign: Some(campaign.clone()),
        files,
    }))
}

/// The images of the campaign with these names behind `cid:`, with the names of their files. Others are not read.
pub(super) async fn images(
    store: &Store,
    campaign: CampaignId,
    wanted: &BTreeSet<String>,
) -> Result<Vec<(String, (String, Vec<u8>))>, StoreError> {
    let mut images = Vec::new();
    for id in store
        .list_files(campaign)
        .await?
        .into_iter()
        .filter_map(|file| file.content_id)
    {
        if wanted.contains(&id)
            && let Some(file) = store.shown_file(campaign, &id).await?
        {
            images.push((id, file));
        }
    }
    Ok(images)
}

/// What is being written, with everything that it refers to; in its language, if it has one.
async fn written(store: &Store, source: Source, asked: &Asked) -> Result<Newsletter, StoreError> {
    let subject = subject(store, asked).await?;
    let language = asked.language.as_ref();
    let content: Content = store.load_partials_for(source, &subject, language).await?;
    let translations = language.map(|language| Translation {
        language: language.clone(),
        content: content.clone(),
    });
    Ok(Newsletter {
        fallback: content,
        translations: translations.into_iter().collect(),
    })
}

/// The template as it is kept, in all its languages.
async fn kept(store: &Store, asked: &Asked) -> Result<Newsletter, StoreError> {
    let subject = subject(store, asked).await?;
    store.load_newsletter(&asked.name, &subject).await
}

/// What was written, or the template's own.
async fn subject(store: &Store, asked: &Asked) -> Result<String, StoreError> {
    if !asked.subject.is_empty() {
        return Ok(asked.subject.clone());
    }
    let kept = store.find_template(&asked.name).await?;
    Ok(kept.and_then(|kept| kept.subject).unwrap_or_default())
}

async fn recipient(
    store: &Store,
    asked: &Asked,
    (list, now): (&str, Timestamp),
) -> Result<Result<Option<Recipient>, Fault>, StoreError> {
    let refused = |message| Ok(Err(Fault::of_field("recipient", message)));
    if asked.recipient.is_empty() {
        let Some(list) = store.find_list(list).await? else {
            return Ok(Ok(None));
        };
        let first = store.recipients_of_list(list, RecipientId(0), 1, now).await?;
        return Ok(Ok(first.into_iter().next()));
    }
    let address = match EmailAddress::parse(&asked.recipient) {
        Ok(address) => address,
        Err(error) => return refused(format!("The address {} {error}.", asked.recipient)),
    };
    match store.find_recipient(&address).await? {
        Some(recipient) => Ok(Ok(Some(recipient))),
        None => refused(format!(
            "There is no recipient {address}. Leave the field empty for somebody made up."
        )),
    }
}

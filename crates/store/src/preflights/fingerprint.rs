//! Of what a pre-flight list is made: what the campaign says, to whom, and in whose name.

use crate::campaigns::{Campaign, utm_json};
use crate::engine::Store;
use crate::error::StoreError;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::preflight::Fingerprint;
use tidings_campaign::template::Newsletter;
use tidings_campaign::tracking::Tracking;

impl Store {
    /// What changes when the campaign's content, files, lists, sender or what becomes of its links do. Recipients come and go without
    /// changing it.
    pub async fn preflight_fingerprint(&self, campaign: CampaignId) -> Result<String, StoreError> {
        let campaign = self.get_campaign(campaign).await?;
        let newsletter = match self.newsletter_of(&campaign).await {
            Ok(newsletter) => Some(newsletter),
            // A template that is gone is another content than one that is there.
            Err(StoreError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        self.fingerprint_with(campaign, newsletter.as_ref()).await
    }

    /// The same of a campaign and a newsletter that have been read, so that it is of these and of none that came between.
    pub async fn fingerprint_with(
        &self,
        campaign: Campaign,
        newsletter: Option<&Newsletter>,
    ) -> Result<String, StoreError> {
        let newsletter =
            newsletter.map(|newsletter| serde_json::to_string(newsletter).expect("a newsletter is texts"));
        let parent = campaign
            .parent
            .as_ref()
            .map(|(id, states)| format!("{id} {states:?}"));
        let said = [
            newsletter.unwrap_or_default(),
            campaign.sender,
            campaign.reply_to.unwrap_or_default(),
            campaign.preheader.unwrap_or_default(),
            campaign.name,
            parent.unwrap_or_default(),
            campaign.attach_from.unwrap_or_default(),
            campaign.language_attribute,
            campaign.tracking.map_or("", Tracking::as_str).to_owned(),
            utm_json(&campaign.utm).unwrap_or_default(),
            format!("{:?}", self.list_tracking(campaign.id).await?),
            utm_json(&self.list_utm(campaign.id).await?).unwrap_or_default(),
        ];
        let mut print = said
            .iter()
            .fold(Fingerprint::default(), |print, part| print.with(part));
        for (id, name) in self.lists_of(campaign.id).await? {
            print = print.with(id.to_string()).with(name);
        }
        for (name, shown, octets) in self.prints_of_files(campaign.id).await? {
            print = print.with(name).with(shown.unwrap_or_default()).with(octets);
        }
        Ok(print.finish())
    }
}

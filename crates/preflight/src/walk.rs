//! Everybody's message, made and measured, a page of recipients at a time on a thread for blocking work.

use crate::links::Addresses;
use std::collections::HashMap;
use std::sync::Arc;
use tidings_campaign::eligibility::{Mailable, may_mail};
use tidings_campaign::ids::RecipientId;
use tidings_campaign::message::attachment::EncodedFile;
use tidings_campaign::message::{BodyEncoding, MessageFactory};
use tidings_campaign::preflight::{Page, Sample, Tally};
use tidings_campaign::time::Clock;
use tidings_sender::own_files::{NoFile, OwnFiles};
use tidings_sender::run::{CampaignRun, CannotRun};
use tidings_store::Store;
use tokio::task::spawn_blocking;

/// Recipients that are read at once.
const PAGE: i64 = 1000;
/// Of each language, messages that are read through.
const SAMPLES: usize = 10;

/// Who reads, and by what their messages are made.
pub(crate) struct Readers {
    /// As messages go out.
    pub(crate) run: CampaignRun,
    /// With the links as they were written.
    pub(crate) as_read: MessageFactory,
    /// The form that every relay takes.
    pub(crate) encoding: BodyEncoding,
    pub(crate) clock: Clock,
}

/// What came of it.
pub(crate) struct Walked {
    pub(crate) tally: Tally,
    pub(crate) samples: Samples,
}

/// Messages of some recipients of each language.
#[derive(Default)]
pub(crate) struct Samples(Vec<(Option<String>, Vec<Sample>)>);

impl Samples {
    fn wants(&self, language: Option<&str>) -> bool {
        let of = self.0.iter().find(|(known, _)| known.as_deref() == language);
        of.is_none_or(|(_, samples)| samples.len() < SAMPLES)
    }

    fn keep(&mut self, sample: Sample) {
        match self
            .0
            .iter_mut()
            .find(|(language, _)| *language == sample.language)
        {
            Some((_, samples)) => samples.push(sample),
            None => self.0.push((sample.language.clone(), vec![sample])),
        }
    }

    /// The addresses in them. What one message has alone may be that recipient's own: whoever follows it does so in their name.
    pub(crate) fn addresses(&self) -> Addresses {
        let mut messages_with: HashMap<(String, bool), usize> = HashMap::new();
        let mut in_order = Vec::new();
        for sample in self.0.iter().flat_map(|(_, samples)| samples) {
            for address in Page::read(&sample.html).addresses() {
                let messages = messages_with.entry(address.clone()).or_default();
                *messages += 1;
                if *messages == 1 {
                    in_order.push(address);
                }
            }
        }
        let (shared, own) = in_order
            .into_iter()
            .partition(|address| messages_with.get(address).is_some_and(|messages| *messages > 1));
        Addresses { shared, own }
    }

    pub(crate) fn all(self) -> Vec<Sample> {
        self.0.into_iter().flat_map(|(_, samples)| samples).collect()
    }
}

/// A recipient whose message is to be made, with the file of their own.
struct Reader {
    to: Mailable,
    own: Option<EncodedFile>,
}

pub(crate) async fn everybody(
    store: &Store,
    readers: Readers,
    progress: impl Fn(u64),
) -> Result<Walked, CannotRun> {
    let readers = Arc::new(readers);
    let now = readers.clock.now();
    let mut walked = Walked {
        tally: Tally::default(),
        samples: Samples::default(),
    };
    let mut after = RecipientId(0);
    loop {
        let page = store.eligible_page(readers.run.id, after, PAGE, now).await?;
        if page.is_empty() {
            return Ok(walked);
        }
        let mut batch = Vec::with_capacity(page.len());
        for candidate in page {
            let recipient = candidate
                .recipient
                .map_err(|why| CannotRun::Content(format!("after recipient {after}: {why}")))?;
            after = recipient.id;
            let Ok(to) = may_mail(recipient, &candidate.standing, now) else {
                continue;
            };
            match own_file(readers.run.own_files.as_ref(), &to).await? {
                Ok(own) => batch.push(Reader { to, own }),
                Err(why) => walked.tally.fail_by_file(to.recipient().address.as_str(), &why),
            }
        }
        let shared = Arc::clone(&readers);
        let made = spawn_blocking(move || {
            make(&shared, &batch, &mut walked);
            walked
        });
        walked = made
            .await
            .map_err(|panic| CannotRun::Content(panic.to_string()))?;
        progress(walked.tally.recipients);
    }
}

/// The inner error is about this recipient alone.
async fn own_file(
    files: Option<&OwnFiles>,
    to: &Mailable,
) -> Result<Result<Option<EncodedFile>, String>, CannotRun> {
    let Some(files) = files else {
        return Ok(Ok(None));
    };
    match files.of(to.recipient()).await {
        Ok(file) => Ok(Ok(file)),
        Err(NoFile::Recipient(why)) => Ok(Err(why)),
        Err(NoFile::Folder(why)) => Err(CannotRun::Content(why)),
    }
}

fn make(readers: &Readers, batch: &[Reader], walked: &mut Walked) {
    let now = readers.clock.now();
    let mut scratch = Vec::new();
    for Reader { to, own } in batch {
        let recipient = to.recipient();
        let who = recipient.address.as_str();
        let messages = &readers.run.messages;
        match messages.measure(to, own.as_ref(), (now, readers.encoding), &mut scratch) {
            Ok(measured) => walked.tally.made(who, measured),
            Err(error) => {
                walked.tally.fail_by(who, &error);
                continue;
            }
        }
        let language = readers
            .as_read
            .language_for(recipient)
            .map(|language| language.to_string());
        if walked.samples.wants(language.as_deref())
            && let Ok(read) = readers.as_read.read(to, now)
        {
            walked.samples.keep(Sample {
                language,
                subject: read.subject,
                html: read.html,
                text: read.text,
            });
        }
    }
}

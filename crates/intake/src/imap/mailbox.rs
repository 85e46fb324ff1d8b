//! A selected folder: what in it is still to be read, and what becomes of it.

use super::conversation::{Command, Conversation, SMALL};
use super::fault::ImapFault;
use super::folder::FolderName;
use super::opening::{Looked, Offers};
use super::settings::WhenDone;
use async_imap::imap_proto::{AttributeValue, MailboxDatum, Response};
use std::collections::HashSet;
use std::time::Duration;
use tidings_feedback::message::LOOKED_AT;

/// The mark of a message that has been read.
pub(super) const DONE: &str = "$TidingsDone";
/// So many messages are searched by one command, and so many sizes asked for: the answer stays short.
const WINDOW: u32 = 5000;
/// So many messages are read at once at most, and so many octets of them.
const MOST_AT_ONCE: usize = 64;
const MOST_OCTETS: usize = LOOKED_AT;
/// Messages of other people that are remembered where they cannot be marked.
const MOST_REMEMBERED: usize = 100_000;

/// A message of the folder, for as long as the connection lasts.
pub(super) type Uid = u32;

/// A message, as far as it is looked at.
pub(super) struct Found {
    pub uid: Uid,
    pub octets: Vec<u8>,
}

/// A selected folder.
pub(super) struct Mailbox {
    talk: Conversation,
    offers: Offers,
    has_keywords: bool,
    done: WhenDone,
    /// What is not looked at again by this connection.
    left_alone: HashSet<Uid>,
}

impl Mailbox {
    pub(super) fn new(talk: Conversation, offers: Offers, has_keywords: bool, done: WhenDone) -> Mailbox {
        Mailbox {
            talk,
            offers,
            has_keywords,
            done,
            left_alone: HashSet::new(),
        }
    }

    pub(super) fn looked(&self, has_done_folder: Option<bool>) -> Looked {
        Looked {
            has_idle: self.offers.has("IDLE"),
            has_move: self.offers.has("MOVE"),
            has_keywords: self.has_keywords,
            has_uidplus: self.offers.has("UIDPLUS"),
            messages: self.talk.messages(),
            has_done_folder,
        }
    }

    /// Whether the server knows a folder.
    pub(super) async fn knows(&mut self, folder: &FolderName) -> Result<bool, ImapFault> {
        let text = format!("STATUS {} (UIDNEXT)", folder.quoted());
        match self.talk.command(Command::small("STATUS", &text), |_| ()).await {
            Ok(()) => Ok(true),
            Err(ImapFault::Refused { .. }) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// The messages that are still to be read, the oldest first.
    pub(super) async fn undone(&mut self) -> Result<Vec<Uid>, ImapFault> {
        self.talk.forget_news();
        let criterion = match (self.has_keywords, &self.done) {
            (true, _) => format!("UNDELETED UNKEYWORD {DONE}"),
            (false, WhenDone::Flag) => "UNDELETED UNSEEN".to_owned(),
            (false, WhenDone::Move(_) | WhenDone::Delete) => "UNDELETED".to_owned(),
        };
        let mut undone = Vec::new();
        let mut first = 1;
        while first <= self.talk.messages() {
            let last = self.talk.messages().min(first + (WINDOW - 1));
            let text = format!("UID SEARCH {first}:{last} {criterion}");
            let command = Command {
                room: SMALL + 12 * WINDOW as usize,
                ..Command::small("SEARCH", &text)
            };
            let heed = |response: &Response<'_>| {
                if let Response::MailboxData(MailboxDatum::Search(found)) = response {
                    undone.extend(found);
                }
            };
            self.talk.command(command, heed).await?;
            first = last + 1;
        }
        undone.retain(|uid| !self.left_alone.contains(uid));
        undone.sort_unstable();
        undone.dedup();
        Ok(undone)
    }

    /// Puts messages together that are read at once.
    pub(super) async fn batches(&mut self, uids: &[Uid]) -> Result<Vec<Vec<Uid>>, ImapFault> {
        let mut sizes = Vec::with_capacity(uids.len());
        for some in uids.chunks(WINDOW as usize / 10) {
            let text = format!("UID FETCH {} (RFC822.SIZE)", set(some));
            let command = Command {
                room: SMALL + 200 * some.len(),
                ..Command::small("FETCH", &text)
            };
            let heed = |response: &Response<'_>| {
                if let Response::Fetch(_, attributes) = response {
                    sizes.extend(uid(attributes).zip(size(attributes)));
                }
            };
            self.talk.command(command, heed).await?;
        }
        Ok(batches(&sizes))
    }

    /// Reads messages, of a long one only the beginning. One that is gone meanwhile is left out; one that the server cannot
    /// give is told and left alone.
    pub(super) async fn read(&mut self, uids: &[Uid]) -> Result<Vec<Found>, ImapFault> {
        match self.fetch(uids).await {
            Err(ImapFault::Refused { reply, .. }) => match uids {
                [uid] => {
                    tracing::warn!(
                        "the server does not give message {uid} (`{reply}`): it is left where it is"
                    );
                    self.leave_alone(uids);
                    Ok(Vec::new())
                }
                _ => self.read_one_by_one(uids).await,
            },
            other => other,
        }
    }

    async fn read_one_by_one(&mut self, uids: &[Uid]) -> Result<Vec<Found>, ImapFault> {
        let mut found = Vec::new();
        for uid in uids {
            found.extend(Box::pin(self.read(&[*uid])).await?);
        }
        Ok(found)
    }

    async fn fetch(&mut self, uids: &[Uid]) -> Result<Vec<Found>, ImapFault> {
        let text = format!("UID FETCH {} (BODY.PEEK[]<0.{LOOKED_AT}>)", set(uids));
        let command = Command {
            // Some servers are wrong about sizes.
            room: SMALL + 2 * MOST_OCTETS,
            ..Command::small("FETCH", &text)
        };
        let mut found = Vec::new();
        let heed = |response: &Response<'_>| {
            let Response::Fetch(_, attributes) = response else {
                return;
            };
            let wanted = uid(attributes).filter(|uid| uids.contains(uid));
            found.extend(wanted.zip(body(attributes)).map(|(uid, octets)| Found {
                uid,
                octets: octets[..octets.len().min(LOOKED_AT)].to_vec(),
            }));
        };
        self.talk.command(command, heed).await?;
        Ok(found)
    }

    /// Files messages that were understood, and are kept for good, as it was configured.
    pub(super) async fn file(&mut self, uids: &[Uid]) -> Result<(), ImapFault> {
        if uids.is_empty() {
            return Ok(());
        }
        match self.done.clone() {
            WhenDone::Move(folder) if self.offers.has("MOVE") => self.put_into("MOVE", &folder, uids).await,
            WhenDone::Move(folder) => {
                self.put_into("COPY", &folder, uids).await?;
                self.delete(uids).await
            }
            WhenDone::Flag if self.has_keywords => self.mark(uids, &format!("\\Seen {DONE}")).await,
            WhenDone::Flag => self.mark(uids, "\\Seen").await,
            WhenDone::Delete => self.delete(uids).await,
        }
    }

    /// Leaves messages that are not for us where they are, unread by whoever they are for, and does not read them again.
    pub(super) async fn set_aside(&mut self, uids: &[Uid]) -> Result<(), ImapFault> {
        if uids.is_empty() {
            return Ok(());
        }
        if self.has_keywords {
            return self.mark(uids, DONE).await;
        }
        self.leave_alone(uids);
        Ok(())
    }

    fn leave_alone(&mut self, uids: &[Uid]) {
        let room = MOST_REMEMBERED.saturating_sub(self.left_alone.len());
        self.left_alone.extend(uids.iter().take(room));
    }

    /// Moves or copies into a folder, which is made if it is not there.
    async fn put_into(
        &mut self,
        step: &'static str,
        folder: &FolderName,
        uids: &[Uid],
    ) -> Result<(), ImapFault> {
        let name = folder.quoted();
        let text = format!("UID {step} {} {name}", set(uids));
        let refused = match self.talk.command(Command::small(step, &text), |_| ()).await {
            Err(refused @ ImapFault::Refused { .. }) => refused,
            other => return other,
        };
        if self.knows(folder).await? {
            return Err(refused);
        }
        let create = format!("CREATE {name}");
        self.talk
            .command(Command::small("CREATE", &create), |_| ())
            .await?;
        let subscribe = format!("SUBSCRIBE {name}");
        match self
            .talk
            .command(Command::small("SUBSCRIBE", &subscribe), |_| ())
            .await
        {
            // Without it some mail programs do not show the folder, and that is all.
            Ok(()) | Err(ImapFault::Refused { .. }) => {}
            Err(fault) => return Err(fault),
        }
        self.talk.command(Command::small(step, &text), |_| ()).await
    }

    async fn mark(&mut self, uids: &[Uid], flags: &str) -> Result<(), ImapFault> {
        let text = format!("UID STORE {} +FLAGS.SILENT ({flags})", set(uids));
        self.talk.command(Command::small("STORE", &text), |_| ()).await
    }

    /// Without UIDPLUS (RFC 4315) they stay, marked as deleted: removing them would remove what others have marked too.
    async fn delete(&mut self, uids: &[Uid]) -> Result<(), ImapFault> {
        self.mark(uids, "\\Deleted").await?;
        if !self.offers.has("UIDPLUS") {
            return Ok(());
        }
        let text = format!("UID EXPUNGE {}", set(uids));
        self.talk.command(Command::small("EXPUNGE", &text), |_| ()).await
    }

    /// Waits until there is something new, or the time is over.
    pub(super) async fn wait(&mut self, longest: Duration) -> Result<(), ImapFault> {
        if self.offers.has("IDLE") {
            return self.talk.idle(longest).await;
        }
        tokio::time::sleep(longest).await;
        self.talk.command(Command::small("NOOP", "NOOP"), |_| ()).await
    }

    /// Ends the conversation as one should. Nothing depends on it.
    pub(super) async fn log_out(mut self) {
        // The server says goodbye, which is a fault everywhere else.
        let _ = self
            .talk
            .command(Command::small("LOGOUT", "LOGOUT"), |_| ())
            .await;
    }
}

/// A set of messages in a command.
fn set(uids: &[Uid]) -> String {
    let uids: Vec<String> = uids.iter().map(Uid::to_string).collect();
    uids.join(",")
}

fn uid(attributes: &[AttributeValue<'_>]) -> Option<Uid> {
    attributes.iter().find_map(|attribute| match attribute {
        AttributeValue::Uid(uid) => Some(*uid),
        _ => None,
    })
}

fn size(attributes: &[AttributeValue<'_>]) -> Option<u32> {
    attributes.iter().find_map(|attribute| match attribute {
        AttributeValue::Rfc822Size(size) => Some(*size),
        _ => None,
    })
}

fn body<'a>(attributes: &'a [AttributeValue<'_>]) -> Option<&'a [u8]> {
    attributes.iter().find_map(|attribute| match attribute {
        AttributeValue::BodySection {
            section: None,
            data: Some(data),
            ..
        } => Some(data.as_ref()),
        _ => None,
    })
}

fn batches(sizes: &[(Uid, u32)]) -> Vec<Vec<Uid>> {
    let mut batches: Vec<Vec<Uid>> = Vec::new();
    let mut octets = 0;
    for (uid, size) in sizes {
        let size = (*size as usize).min(LOOKED_AT);
        match batches.last_mut() {
            Some(batch) if batch.len() < MOST_AT_ONCE && octets + size <= MOST_OCTETS => {
                batch.push(*uid);
                octets += size;
            }
            _ => {
                batches.push(vec![*uid]);
                octets = size;
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bounded_in_number_and_in_octets() {
        let small: Vec<_> = (1..=150).map(|uid| (uid, 2000)).collect();
        let lengths: Vec<_> = batches(&small).iter().map(Vec::len).collect();
        assert_eq!(lengths, [64, 64, 22]);
        let half = LOOKED_AT as u32 / 2;
        let large = [(1, half), (2, half), (3, 1), (4, u32::MAX), (5, 1)];
        assert_eq!(batches(&large), [vec![1, 2], vec![3], vec![4], vec![5]]);
        assert!(batches(&[]).is_empty());
    }
}

//! The mailboxes and Maildirs that are read.

use super::Finding;
use crate::context::Context;
use tidings_intake::imap::{self, ImapSettings, Looked, WhenDone};
use tidings_intake::maildir;
use tokio::task::JoinSet;

/// What is wrong with them. Nothing in them is read or changed.
pub(super) async fn look(context: &Context) -> Vec<Finding> {
    let settings = &context.config.intake;
    // All at once, so that servers that are away cost their time-out once.
    let mut looking = JoinSet::new();
    for (at, mailbox) in settings.imap.iter().cloned().enumerate() {
        looking.spawn(async move { (at, of_mailbox(&mailbox).await) });
    }
    let mut found = looking.join_all().await;
    found.sort_by_key(|(at, _)| *at);
    let mut findings: Vec<Finding> = found.into_iter().map(|(_, finding)| finding).collect();
    findings.extend(settings.maildir.iter().map(|one| Finding {
        part: format!("maildir {}", one.path.display()),
        fault: maildir::look(&one.path).err().map(|fault| fault.to_string()),
        notes: Vec::new(),
    }));
    findings
}

async fn of_mailbox(settings: &ImapSettings) -> Finding {
    let looked = imap::look(settings).await;
    let notes = looked
        .as_ref()
        .map_or_else(|_| Vec::new(), |looked| notes(settings, looked));
    Finding {
        part: format!("mailbox {}", settings.name()),
        fault: looked.err().map(|fault| fault.to_string()),
        notes,
    }
}

/// What the server offers, and what follows from what it does not.
fn notes(settings: &ImapSettings, looked: &Looked) -> Vec<String> {
    let offers = [
        ("IDLE", looked.has_idle),
        ("MOVE", looked.has_move),
        ("UIDPLUS", looked.has_uidplus),
        ("keywords", looked.has_keywords),
    ];
    let names = |offered: bool| -> String {
        let names = offers
            .iter()
            .filter(|(_, has)| *has == offered)
            .map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    let mut notes = vec![format!(
        "{} messages; the server offers {}",
        looked.messages,
        names(true)
    )];
    if !looked.has_idle {
        notes.push(format!(
            "it does not offer IDLE: the folder is looked at every {} s",
            settings.poll.as_secs()
        ));
    }
    if !looked.has_keywords {
        notes.push(
            "messages cannot be marked with a keyword: those that are not understood are read again with each connection"
                .to_owned(),
        );
    }
    if let (WhenDone::Move(folder), Some(false)) = (&settings.done, looked.has_done_folder) {
        notes.push(format!("the folder {folder} is not there yet: it will be made"));
    }
    if !looked.has_uidplus
        && (settings.done == WhenDone::Delete || !looked.has_move && settings.done != WhenDone::Flag)
    {
        notes.push(
            "without UIDPLUS messages that are done with stay in the folder, marked as deleted".to_owned(),
        );
    }
    notes
}

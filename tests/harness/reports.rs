//! Reports about messages that our relay accepted, as mail servers and providers write them.

use crate::script::Acceptance;

/// What a report is about and what it tells.
#[derive(Clone, Debug)]
pub struct Report {
    /// The return path of the message, to which the report goes.
    pub return_path: String,
    /// The recipient that it names.
    pub recipient: String,
    /// The message's header.
    pub header: String,
    /// `failed` or `delayed`.
    pub action: String,
    /// The enhanced status.
    pub status: String,
    /// What was said.
    pub diagnostic: String,
    /// The ENVID that the message was sent with.
    pub envelope_id: Option<String>,
}

impl Report {
    /// The receiver has no such mailbox. The relay must have kept the content.
    pub fn no_such_mailbox(about: &Acceptance) -> Report {
        let content = about.content.as_deref().expect("a relay that keeps content");
        let content = String::from_utf8_lossy(content);
        let header = content.split("\r\n\r\n").next().expect("a message has a header");
        Report {
            return_path: about.sender.clone(),
            recipient: about.recipient.clone(),
            header: header.to_owned(),
            action: "failed".to_owned(),
            status: "5.1.1".to_owned(),
            diagnostic: "550 5.1.1 no such user here".to_owned(),
            envelope_id: about.parameters.envelope_id.clone(),
        }
    }

    /// The receiver's mailbox is full for good.
    pub fn full(about: &Acceptance) -> Report {
        Report {
            status: "5.2.2".to_owned(),
            diagnostic: "552 5.2.2 mailbox full".to_owned(),
            ..Report::no_such_mailbox(about)
        }
    }

    /// As a delivery status notification (RFC 3464) with the header returned.
    pub fn text(&self) -> String {
        let envelope_id = match &self.envelope_id {
            Some(id) => format!("Original-Envelope-Id: {id}\r\n"),
            None => String::new(),
        };
        format!(
            "From: MAILER-DAEMON@mx.example.net\r\nTo: {to}\r\nSubject: Undelivered Mail Returned to Sender\r\n\
             Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nYour message could not be delivered.\r\n\r\n\
             --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n{envelope_id}\r\n\
             Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n\
             Diagnostic-Code: smtp; {diagnostic}\r\n\r\n\
             --b\r\nContent-Type: text/rfc822-headers\r\n\r\n{header}\r\n\r\n--b--\r\n",
            to = self.return_path,
            recipient = self.recipient,
            action = self.action,
            status = self.status,
            diagnostic = self.diagnostic,
            header = self.header,
        )
    }
}

/// A complaint (RFC 5965) about a message, with its header and, as many providers do, without its recipient.
pub fn complaint(about: &Acceptance, kind: &str) -> String {
    let header = Report::no_such_mailbox(about).header;
    let header: Vec<&str> = header
        .split("\r\n")
        .filter(|line| !line.starts_with("To:"))
        .collect();
    format!(
        "From: feedback@provider.example.net\r\nTo: fbl@bounce.example.com\r\nSubject: FW: Spring news\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=\"c\"\r\n\r\n\
         --c\r\nContent-Type: text/plain\r\n\r\nThis is a report about a message.\r\n\r\n\
         --c\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\nUser-Agent: Provider/1\r\n\
         Version: 1\r\n\r\n\
         --c\r\nContent-Type: text/rfc822-headers\r\n\r\n{}\r\n\r\n--c--\r\n",
        header.join("\r\n")
    )
}

/// An answer by a machine to the return path.
pub fn out_of_office(about: &Acceptance) -> String {
    format!(
        "From: {}\r\nTo: {}\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nI am back on Monday.\r\n",
        about.recipient, about.sender
    )
}

/// Mail to the unsubscribe address that the message's `List-Unsubscribe` gives.
pub fn unsubscribe_mail(about: &Acceptance) -> String {
    let header = Report::no_such_mailbox(about).header;
    let address = header
        .split("<mailto:")
        .nth(1)
        .and_then(|rest| rest.split('?').next())
        .expect("a message has an unsubscribe address");
    format!(
        "From: {}\r\nTo: {address}\r\nSubject: unsubscribe\r\n\r\n",
        about.recipient
    )
}

//! MAIL, RCPT, DATA and the content.

use super::talk::{Recipient, Talk};
use super::{Next, Shared};
use crate::content::Content;
use crate::record::{Acceptance, Parameters};
use crate::rule::{Act, Cut, Moment};
use smtp_proto::{
    MAIL_BODY_8BITMIME, MAIL_BODY_BINARYMIME, MAIL_RET_FULL, MAIL_RET_HDRS, MAIL_SMTPUTF8, MailFrom,
    RCPT_NOTIFY_DELAY, RCPT_NOTIFY_FAILURE, RcptTo,
};
use std::sync::Arc;

impl Talk {
    pub(super) fn answer_mail(&mut self, from: &MailFrom<impl AsRef<str>>, out: &mut Vec<u8>) -> Next {
        let script = &self.shared.script;
        let extensions = &script.extensions;
        if !self.greeted {
            return self.refuse(503, "5.5.1", "say EHLO first", out);
        }
        if script.wants_login() && !self.authenticated {
            return self.refuse(530, "5.7.0", "authentication required", out);
        }
        if self.in_mail {
            return self.refuse(503, "5.5.1", "one MAIL at a time", out);
        }
        if script
            .max_messages_per_session
            .is_some_and(|most| self.messages >= most)
        {
            self.reply(421, "4.7.0", "too many messages in one session", out);
            return Next::Close;
        }
        let eight_bit = from.flags & MAIL_BODY_8BITMIME != 0 && !extensions.eight_bit_mime;
        let utf8 = from.flags & MAIL_SMTPUTF8 != 0 && !extensions.smtputf8;
        let report = from.flags & (MAIL_RET_FULL | MAIL_RET_HDRS) != 0 || from.env_id.is_some();
        let size = from.size > 0 && extensions.size.is_none();
        if eight_bit || utf8 || size || (report && !extensions.dsn) || from.flags & MAIL_BODY_BINARYMIME != 0
        {
            return self.refuse(555, "5.5.4", "a parameter that was not announced", out);
        }
        if extensions.size.is_some_and(|most| from.size > most) {
            self.reply(552, "5.3.4", "message too big", out);
            return Next::Go;
        }
        if let Some(act) = self.shared.judge.act(Moment::Mail, "") {
            return self.act(act, out);
        }
        self.in_mail = true;
        if script.remember {
            from.address.as_ref().clone_into(&mut self.sender);
            self.parameters = Parameters {
                size: from.size,
                eight_bit_mime: from.flags & MAIL_BODY_8BITMIME != 0,
                smtputf8: from.flags & MAIL_SMTPUTF8 != 0,
                headers_only: from.flags & MAIL_RET_HDRS != 0,
                envelope_id: from.env_id.as_ref().map(|id| id.as_ref().to_owned()),
                ..Parameters::default()
            };
        }
        self.reply(250, "2.1.0", "sender ok", out);
        Next::Go
    }

    pub(super) fn answer_rcpt(&mut self, to: &RcptTo<impl AsRef<str>>, out: &mut Vec<u8>) -> Next {
        let address = to.address.as_ref();
        if !self.in_mail {
            return self.refuse(503, "5.5.1", "MAIL comes before RCPT", out);
        }
        if (to.flags != 0 || to.orcpt.is_some()) && !self.shared.script.extensions.dsn {
            return self.refuse(555, "5.5.4", "a parameter that was not announced", out);
        }
        if !address.is_ascii() && !self.shared.script.extensions.smtputf8 {
            self.shared.record.count_refusal(553);
            return self.refuse(553, "5.6.7", "addresses beyond ASCII are not taken here", out);
        }
        if let Some(act) = self.shared.judge.act(Moment::Rcpt, address) {
            self.count_refusal(act, 1);
            return self.act(act, out);
        }
        if self.shared.judge.throttles(self.now) {
            self.shared.record.count_refusal(450);
            self.reply(450, "4.7.1", "too fast, slow down and try again later", out);
            return Next::Go;
        }
        self.recipients.push(Recipient {
            address: address.to_owned(),
            notify: to.flags,
            original: to.orcpt.as_ref().map(|original| original.as_ref().to_owned()),
        });
        self.reply(250, "2.1.5", "recipient ok", out);
        Next::Go
    }

    fn count_refusal(&self, act: &Act, recipients: usize) {
        if let Act::Answer(reply) = act {
            for _ in 0..recipients {
                self.shared.record.count_refusal(reply.code());
            }
        }
    }

    fn act_for_any(&self, moment: Moment) -> Option<&Act> {
        self.recipients
            .iter()
            .find_map(|recipient| self.shared.judge.act(moment, &recipient.address))
    }

    pub(super) fn answer_data(&mut self, out: &mut Vec<u8>) -> Next {
        if !self.in_mail {
            return self.refuse(503, "5.5.1", "MAIL comes before DATA", out);
        }
        if self.recipients.is_empty() && !self.shared.script.data_without_recipients {
            self.reply(554, "5.5.1", "no valid recipients", out);
            return Next::Go;
        }
        if let Some(act) = self.act_for_any(Moment::Data) {
            self.count_refusal(act, self.recipients.len());
            return self.act(act, out);
        }
        self.reply(354, "", "end with a dot on its own line", out);
        Next::Content {
            cut: self.act_for_any(Moment::Content).is_some(),
        }
    }

    pub(super) fn answer_content(&mut self, content: Content, out: &mut Vec<u8>) -> Next {
        let next = self.judge_content(&content, out);
        self.buffer = content.into_buffer();
        self.reset();
        next
    }

    fn judge_content(&mut self, content: &Content, out: &mut Vec<u8>) -> Next {
        if self.recipients.is_empty() {
            self.reply(554, "5.5.1", "no valid recipients", out);
            return Next::Go;
        }
        if self
            .shared
            .script
            .extensions
            .size
            .is_some_and(|most| content.size() > most)
        {
            self.recipients
                .iter()
                .for_each(|_| self.shared.record.count_refusal(552));
            self.reply(552, "5.3.4", "message too big", out);
            return Next::Go;
        }
        match self.act_for_any(Moment::Dot) {
            Some(Act::Cut(Cut::AfterDotAccepted)) => {
                self.accept(content, false);
                Next::Cut
            }
            Some(act) => {
                self.count_refusal(act, self.recipients.len());
                self.act(act, out)
            }
            None => {
                self.accept(content, true);
                self.messages += 1;
                self.answer_at = self.shared.judge.answer_at(self.now).or(self.answer_at);
                self.reply(
                    250,
                    "2.0.0",
                    &format!("accepted as {}-{}", self.session, self.messages),
                    out,
                );
                Next::Go
            }
        }
    }

    fn accept(&self, content: &Content, answered: bool) {
        let Shared {
            script,
            record,
            started,
            ..
        } = &*self.shared;
        let size = content.size();
        self.recipients.iter().for_each(|_| record.count_acceptance(size));
        if !script.remember && script.watcher.is_none() {
            return;
        }
        let message_id = content.message_id();
        let keep = script.content_limit > 0 && record.may_keep(content.kept().len(), script.content_limit);
        let kept: Option<Arc<[u8]>> = keep.then(|| content.kept().into());
        for recipient in &self.recipients {
            let acceptance = Acceptance {
                recipient: recipient.address.clone(),
                sender: self.sender.clone(),
                parameters: Parameters {
                    notify_failure: recipient.notify & RCPT_NOTIFY_FAILURE != 0,
                    notify_delay: recipient.notify & RCPT_NOTIFY_DELAY != 0,
                    original_recipient: recipient.original.clone(),
                    ..self.parameters.clone()
                },
                client: self.client.clone(),
                message_id: message_id.clone(),
                size,
                session: self.session,
                at: self.now.duration_since(*started),
                answered,
                content: kept.clone(),
            };
            if let Some(watcher) = &script.watcher {
                watcher(&acceptance);
            }
            if script.remember {
                record.remember(acceptance);
            }
        }
    }
}

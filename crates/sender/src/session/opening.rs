//! Opening a transaction: MAIL, RCPT and DATA, as one group or one after the other.

use super::refusal::{Refused, refused};
use super::{Ended, Opened, Prepared, Session};
use crate::job::Job;
use crate::relay::RelayFault;
use crate::reply::{Kind, Reply};
use tidings_store::ledger::Outcome;

impl Session<'_> {
    /// Sends MAIL, RCPT and DATA: as one group, or one after the other.
    pub(super) async fn open(&mut self, mut prepared: Box<Prepared>) -> Result<Opened, Ended> {
        prepared.job.attempt = self.attempt();
        let reset = if self.reset { "RSET\r\n" } else { "" };
        if self.connection.announced().pipelining {
            let group = format!("{reset}{}DATA\r\n", prepared.envelope);
            if let Err(fault) = self.write(&group).await {
                return Err(Ended::fault(fault, prepared.job));
            }
            if self.reset
                && let Err(fault) = self.read_reset().await
            {
                return Err(Ended::fault(fault, prepared.job));
            }
            return self.read_opening(prepared).await;
        }
        self.open_in_steps(prepared).await
    }

    async fn open_in_steps(&mut self, mut prepared: Box<Prepared>) -> Result<Opened, Ended> {
        if self.reset {
            if let Err(fault) = self.write("RSET\r\n").await {
                return Err(Ended::fault(fault, prepared.job));
            }
            if let Err(fault) = self.read_reset().await {
                return Err(Ended::fault(fault, prepared.job));
            }
        }
        let envelope = std::mem::take(&mut prepared.envelope);
        let (mail, recipient) = envelope.split_at(envelope.find('\n').map_or(0, |at| at + 1));
        match self.ask(mail, "MAIL").await {
            Ok(reply) if reply.kind() == Kind::Positive => {}
            Ok(reply) if self.says_too_big(&reply) => {
                self.refuse_for_size(prepared, reply);
                return Ok(Opened::Refused);
            }
            Ok(reply) => return Err(refused("MAIL", reply, prepared.job)),
            Err(fault) => return Err(Ended::fault(fault, prepared.job)),
        }
        let recipient = match self.ask(recipient, "RCPT").await {
            Ok(reply) => reply,
            Err(fault) => return Err(Ended::fault(fault, prepared.job)),
        };
        if recipient.kind() != Kind::Positive {
            if recipient.code == 421 {
                return Err(self.sent_away("RCPT", recipient, prepared.job));
            }
            if recipient.is_misunderstanding() {
                return Err(self.misunderstood("RCPT", &recipient, prepared.job));
            }
            self.reset = true;
            self.refuse(prepared, recipient, Refused::Envelope);
            return Ok(Opened::Refused);
        }
        match self.ask("DATA\r\n", "DATA").await {
            Ok(data) => self.after_data(prepared, recipient, data).await,
            Err(fault) => Err(Ended::fault(fault, prepared.job)),
        }
    }

    async fn ask(&mut self, line: &str, step: &'static str) -> Result<Reply, RelayFault> {
        self.write(line).await?;
        let limits = self.connection.timeouts();
        let limit = if step == "DATA" {
            limits.data
        } else {
            limits.command
        };
        self.connection.reply(step, limit).await
    }

    async fn write(&mut self, commands: &str) -> Result<(), RelayFault> {
        let limit = self.connection.timeouts().command;
        let outcome = self.connection.write(commands.as_bytes(), limit).await;
        outcome.map_err(|failed| failed.fault)
    }

    async fn read_reset(&mut self) -> Result<(), RelayFault> {
        let limit = self.connection.timeouts().command;
        let reply = self.connection.reply("RSET", limit).await?;
        if reply.kind() != Kind::Positive {
            return Err(RelayFault::Refused {
                step: "RSET",
                reply: reply.to_string(),
            });
        }
        self.reset = false;
        Ok(())
    }

    /// Reads the replies to a pipelined MAIL, RCPT and DATA.
    pub(super) async fn read_opening(&mut self, prepared: Box<Prepared>) -> Result<Opened, Ended> {
        let limits = self.connection.timeouts();
        match self.connection.reply("MAIL", limits.command).await {
            Ok(reply) if reply.kind() == Kind::Positive => {}
            Ok(reply) if self.says_too_big(&reply) => {
                self.refuse_for_size(prepared, reply);
                return self.pass_over_the_rest().await;
            }
            Ok(reply) => return Err(refused("MAIL", reply, prepared.job)),
            Err(fault) => return Err(Ended::fault(fault, prepared.job)),
        }
        let recipient = match self.connection.reply("RCPT", limits.command).await {
            Ok(reply) if reply.code == 421 => return Err(self.sent_away("RCPT", reply, prepared.job)),
            Ok(reply) if reply.is_misunderstanding() => {
                return Err(self.misunderstood("RCPT", &reply, prepared.job));
            }
            Ok(reply) => reply,
            Err(fault) => return Err(Ended::fault(fault, prepared.job)),
        };
        match self.connection.reply("DATA", limits.data).await {
            Ok(data) => self.after_data(prepared, recipient, data).await,
            Err(fault) if recipient.kind() == Kind::Positive => Err(Ended::fault(fault, prepared.job)),
            Err(fault) => {
                // The recipient has its answer, whatever became of the connection.
                self.refuse(prepared, recipient, Refused::Envelope);
                Err(Ended::fault_alone(fault))
            }
        }
    }

    /// After a refused MAIL, the RCPT and DATA of its group are refused too.
    async fn pass_over_the_rest(&mut self) -> Result<Opened, Ended> {
        for step in ["RCPT", "DATA"] {
            let limit = self.connection.timeouts().command;
            let reply = self
                .connection
                .reply(step, limit)
                .await
                .map_err(Ended::fault_alone)?;
            if reply.kind() != Kind::Permanent {
                return Err(Ended::fault_alone(RelayFault::Refused {
                    step,
                    reply: reply.to_string(),
                }));
            }
        }
        Ok(Opened::Refused)
    }

    /// A reply that says nothing about the recipient. If the relay has understood us before over this connection, it
    /// may be the message all the same; then it does not come back for ever.
    fn misunderstood(&self, step: &'static str, reply: &Reply, job: Job) -> Ended {
        let fault = RelayFault::Refused {
            step,
            reply: reply.to_string(),
        };
        if self.served {
            self.broke_in_transaction(job, fault)
        } else {
            Ended::fault(fault, job)
        }
    }

    /// RFC 1870 section 6.2: 552 to a MAIL with SIZE is about this message, not about us.
    fn says_too_big(&self, reply: &Reply) -> bool {
        reply.code == 552 && self.connection.announced().size.is_some()
    }

    fn refuse_for_size(&mut self, prepared: Box<Prepared>, reply: Reply) {
        self.reset = true;
        self.spare = prepared.content;
        let ruling = self.judge(&reply, Refused::Envelope);
        let relay = &self.context.relay.name;
        prepared
            .job
            .settle(relay, false, Outcome::Rejected(reply.kept(), ruling));
    }

    async fn after_data(
        &mut self,
        prepared: Box<Prepared>,
        recipient: Reply,
        data: Reply,
    ) -> Result<Opened, Ended> {
        let recipient_taken = recipient.kind() == Kind::Positive;
        match (recipient_taken, data.kind()) {
            (true, Kind::Intermediate) => return Ok(Opened::Ready(prepared)),
            (true, _) if data.code == 421 => return Err(self.sent_away("DATA", data, prepared.job)),
            (true, _) if data.is_misunderstanding() => {
                return Err(self.misunderstood("DATA", &data, prepared.job));
            }
            (true, _) => self.refuse(prepared, data, Refused::Data),
            (false, Kind::Intermediate) => {
                self.refuse(prepared, recipient, Refused::Envelope);
                // RFC 2920 section 3.1: a 354 in spite of refused recipients is ended by a lone dot.
                self.ask(".\r\n", "the lone dot")
                    .await
                    .map_err(Ended::fault_alone)?;
            }
            (false, _) => {
                let closing = data.code == 421;
                self.refuse(prepared, recipient, Refused::Envelope);
                if closing {
                    return Err(Ended::fault_alone(RelayFault::Refused {
                        step: "DATA",
                        reply: data.to_string(),
                    }));
                }
            }
        }
        self.reset = true;
        Ok(Opened::Refused)
    }
}

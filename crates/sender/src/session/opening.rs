//! Opening a transaction: MAIL, RCPT and DATA, as one group or one after the other.

use super::refusal::refused;
use super::{Ended, Opened, Prepared, Session};
use crate::connection::limits;
use crate::relay::RelayFault;
use crate::reply::{Kind, Reply};

impl Session<'_> {
    /// Sends MAIL, RCPT and DATA: as one group, or one after the other.
    pub(super) async fn open(&mut self, prepared: Box<Prepared>) -> Result<Opened, Ended> {
        let reset = if self.reset { "RSET\r\n" } else { "" };
        if self.connection.announced().pipelining {
            let group = format!("{reset}{}DATA\r\n", prepared.envelope);
            if let Err(failed) = self.connection.write(group.as_bytes(), limits::COMMAND).await {
                return Err(Ended::fault(failed.fault, prepared.job));
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
            if let Err(failed) = self.connection.write(b"RSET\r\n", limits::COMMAND).await {
                return Err(Ended::fault(failed.fault, prepared.job));
            }
            if let Err(fault) = self.read_reset().await {
                return Err(Ended::fault(fault, prepared.job));
            }
        }
        let envelope = std::mem::take(&mut prepared.envelope);
        let mut recipient = None;
        for (step, line) in ["MAIL", "RCPT"].into_iter().zip(envelope.split_inclusive('\n')) {
            match self.ask(line, step).await {
                Ok(reply) if step == "MAIL" && reply.kind() != Kind::Positive => {
                    return Err(refused(step, reply, prepared.job));
                }
                Ok(reply) => recipient = Some(reply),
                Err(fault) => return Err(Ended::fault(fault, prepared.job)),
            }
        }
        let recipient = recipient.expect("an envelope has two lines");
        if recipient.kind() != Kind::Positive {
            if recipient.code == 421 {
                return Err(refused("RCPT", recipient, prepared.job));
            }
            self.reset = true;
            self.refuse(prepared, recipient, false);
            return Ok(Opened::Refused);
        }
        match self.ask("DATA\r\n", "DATA").await {
            Ok(data) => self.after_data(prepared, recipient, data).await,
            Err(fault) => Err(Ended::fault(fault, prepared.job)),
        }
    }

    async fn ask(&mut self, line: &str, step: &'static str) -> Result<Reply, RelayFault> {
        self.connection
            .write(line.as_bytes(), limits::COMMAND)
            .await
            .map_err(|failed| failed.fault)?;
        self.connection
            .reply(
                step,
                if step == "DATA" {
                    limits::DATA
                } else {
                    limits::COMMAND
                },
            )
            .await
    }

    async fn read_reset(&mut self) -> Result<(), RelayFault> {
        let reply = self.connection.reply("RSET", limits::COMMAND).await?;
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
        let mail = match self.connection.reply("MAIL", limits::COMMAND).await {
            Ok(reply) if reply.kind() == Kind::Positive => reply,
            Ok(reply) => return Err(refused("MAIL", reply, prepared.job)),
            Err(fault) => return Err(Ended::fault(fault, prepared.job)),
        };
        drop(mail);
        let recipient = match self.connection.reply("RCPT", limits::COMMAND).await {
            Ok(reply) if reply.code == 421 => return Err(refused("RCPT", reply, prepared.job)),
            Ok(reply) => reply,
            Err(fault) => return Err(Ended::fault(fault, prepared.job)),
        };
        match self.connection.reply("DATA", limits::DATA).await {
            Ok(data) => self.after_data(prepared, recipient, data).await,
            Err(fault) if recipient.kind() == Kind::Positive => Err(Ended::fault(fault, prepared.job)),
            Err(fault) => {
                // The recipient has its answer, whatever became of the connection.
                self.refuse(prepared, recipient, false);
                Err(Ended {
                    fault: Some(fault),
                    job: None,
                })
            }
        }
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
            (true, _) if data.code == 421 => return Err(refused("DATA", data, prepared.job)),
            (true, _) => self.refuse(prepared, data, false),
            (false, Kind::Intermediate) => {
                self.refuse(prepared, recipient, false);
                // RFC 2920 section 3.1: a 354 in spite of refused recipients is ended by a lone dot.
                if let Err(fault) = self.ask(".\r\n", "the lone dot").await {
                    return Err(Ended {
                        fault: Some(fault),
                        job: None,
                    });
                }
            }
            (false, _) => {
                let closing = data.code == 421;
                self.refuse(prepared, recipient, false);
                if closing {
                    let fault = RelayFault::Refused {
                        step: "DATA",
                        reply: data.to_string(),
                    };
                    return Err(Ended {
                        fault: Some(fault),
                        job: None,
                    });
                }
            }
        }
        self.reset = true;
        Ok(Opened::Refused)
    }
}

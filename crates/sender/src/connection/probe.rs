//! Trying out what a relay announces, without sending anything.

use super::{Connection, WriteFailed};
use crate::fault::RelayFault;

impl Connection {
    /// Opens a transaction from the null sender with every announced parameter, and resets it. A refusal of the
    /// sender is none of our business; a refusal of what was announced, or for want of a login, is a fault.
    pub async fn try_announced(&mut self) -> Result<(), RelayFault> {
        let announced = self.announced;
        let mut mail = String::from("MAIL FROM:<>");
        for (wanted, parameter) in [
            (announced.eight_bit_mime, " BODY=8BITMIME"),
            (announced.size.is_some(), " SIZE=1000"),
            (announced.smtp_utf8, " SMTPUTF8"),
            (announced.dsn, " RET=HDRS ENVID=tidings-test"),
        ] {
            mail.push_str(if wanted { parameter } else { "" });
        }
        let limit = self.timeouts.command;
        let failed = |failed: WriteFailed| failed.fault;
        let (opened, reset) = if announced.pipelining {
            self.write(format!("{mail}\r\nRSET\r\n").as_bytes(), limit)
                .await
                .map_err(failed)?;
            let opened = self.reply("MAIL", limit).await?;
            (opened, self.reply("RSET", limit).await.ok())
        } else {
            self.write(format!("{mail}\r\n").as_bytes(), limit)
                .await
                .map_err(failed)?;
            let opened = self.reply("MAIL", limit).await?;
            self.write(b"RSET\r\n", limit).await.map_err(failed)?;
            (opened, Some(self.reply("RSET", limit).await?))
        };
        if opened.is_misunderstanding() || opened.code == 530 {
            return Err(RelayFault::Refused {
                step: "MAIL",
                reply: opened.to_string(),
            });
        }
        match reset {
            Some(reply) if reply.code < 400 => Ok(()),
            _ => Err(RelayFault::Broken(
                "the relay announces PIPELINING and does not support it: write without = [\"pipelining\"] into its section"
                    .to_owned(),
            )),
        }
    }
}

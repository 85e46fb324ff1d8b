//! A relay that notes the envelope and the header of each message: bounces go to the one and return the other.

use anyhow::Context;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// What was noted of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The address of MAIL.
    pub sender: String,
    /// The address of RCPT.
    pub recipient: String,
    /// The header, with its line ends.
    pub header: String,
}

/// A relay on loopback, for as long as the process lives. It speaks to our own client alone, whose lines it trusts.
pub struct Recorder {
    address: SocketAddr,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Recorder {
    /// Starts it on a free port.
    pub fn start() -> anyhow::Result<Recorder> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let sent = Arc::<Mutex<Vec<Sent>>>::default();
        let kept = Arc::clone(&sent);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                // A session that breaks has told all that it could.
                std::thread::spawn(move || drop(record(stream, &kept)));
            }
        });
        Ok(Recorder { address, sent })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has been sent so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn record(mut stream: TcpStream, kept: &Mutex<Vec<Sent>>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut next = || lines.next().context("the session is over")?.context("a line");
    stream.write_all(b"220 recorder ESMTP\r\n")?;
    let mut message = Sent::default();
    loop {
        let line = next()?;
        let path = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let reply = match line.get(..4).unwrap_or_default() {
            "MAIL" => {
                message.sender = path();
                "250 ok\r\n"
            }
            "RCPT" => {
                message.recipient = path();
                "250 ok\r\n"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let mut is_header = true;
                loop {
                    let line = next()?;
                    if line == "." {
                        break;
                    }
                    is_header &= !line.is_empty();
                    if is_header {
                        message.header += &format!("{line}\r\n");
                    }
                }
                let message = std::mem::take(&mut message);
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(message);
                "250 ok\r\n"
            }
            "QUIT" => "221 goodbye\r\n",
            _ => "250 ok\r\n",
        };
        stream.write_all(reply.as_bytes())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ingest::session::Session;

    #[test]
    fn envelope_and_header_are_noted() {
        let recorder = Recorder::start().unwrap();
        let mut session = Session::open(recorder.address()).unwrap();
        for number in 0..3 {
            let text = format!("Subject: {number}\r\nTo: x\r\n\r\nbody\r\n");
            session
                .hand_over(&format!("{number}@example.org"), &text)
                .unwrap();
        }
        let sent = recorder.sent();
        assert_eq!(sent.len(), 3);
        let second = Sent {
            sender: String::new(),
            recipient: "1@example.org".to_owned(),
            header: "Subject: 1\r\nTo: x\r\n".to_owned(),
        };
        assert_eq!(sent[1], second);
    }
}

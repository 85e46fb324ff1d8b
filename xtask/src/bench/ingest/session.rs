//! A client that hands over one report after the other, each in two round trips.

use anyhow::ensure;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

/// An open session.
pub struct Session {
    out: TcpStream,
    replies: BufReader<TcpStream>,
}

impl Session {
    /// Connects and greets.
    pub fn open(to: SocketAddr) -> anyhow::Result<Session> {
        let out = TcpStream::connect(to)?;
        out.set_nodelay(true)?;
        let mut session = Session {
            replies: BufReader::new(out.try_clone()?),
            out,
        };
        session.expect("220")?;
        session.out.write_all(b"EHLO mx.example.net\r\n")?;
        session.expect("250")?;
        Ok(session)
    }

    /// Hands a report over; an answer that is no acceptance is an error. No line of it may begin with a dot.
    pub fn hand_over(&mut self, to: &str, text: &str) -> anyhow::Result<()> {
        let envelope = format!("MAIL FROM:<>\r\nRCPT TO:<{to}>\r\nDATA\r\n");
        self.out.write_all(envelope.as_bytes())?;
        for code in ["250", "250", "354"] {
            self.expect(code)?;
        }
        self.out.write_all(format!("{text}.\r\n").as_bytes())?;
        self.expect("250")
    }

    fn expect(&mut self, code: &str) -> anyhow::Result<()> {
        let mut line = String::new();
        loop {
            line.clear();
            self.replies.read_line(&mut line)?;
            ensure!(
                line.starts_with(code),
                "answered `{}` instead of {code}",
                line.trim_end()
            );
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}

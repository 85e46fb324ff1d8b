//! A client of the dashboard over one connection, so that only the server's time is measured.

use anyhow::{Context, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// An answer.
pub struct Answer {
    pub status: u16,
    /// The head and the body, as they came over the wire.
    pub octets: usize,
    pub body: Vec<u8>,
    /// From the request's first octet to the answer's last.
    pub took: Duration,
}

/// A connection on which one question follows the other.
pub struct Client {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
    token: String,
}

impl Client {
    pub fn connect(host: SocketAddr, token: &str) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Client {
            stream: BufReader::new(stream),
            host,
            token: token.to_owned(),
        })
    }

    /// Asks for an address, as a browser does.
    pub fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nAccept-Encoding: gzip\r\n\r\n",
            self.host, self.token
        );
        let begun = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut head = 0;
        let mut status = 0;
        let mut length = None;
        loop {
            let mut line = String::new();
            head += self.stream.read_line(&mut line)?;
            ensure!(!line.is_empty(), "{path}: the server closed the connection");
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if status == 0 {
                status = line
                    .split(' ')
                    .nth(1)
                    .and_then(|n| n.parse().ok())
                    .context("a status")?;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse::<usize>()?);
            }
        }
        let mut body = vec![0; length.with_context(|| format!("{path}: no length"))?];
        self.stream.read_exact(&mut body)?;
        Ok(Answer {
            status,
            octets: head + body.len(),
            took: begun.elapsed(),
            body,
        })
    }
}

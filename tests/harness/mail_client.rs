//! A client of our SMTP and LMTP listener that does exactly what a test tells it.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A listener that does not answer for so long is a failure.
const PATIENCE: Duration = Duration::from_secs(90);

enum Socket {
    Far(TcpStream),
    Near(UnixStream),
    Encrypted(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// An open session.
pub struct MailClient {
    socket: Socket,
    read: Vec<u8>,
    /// What it was greeted with; empty if the other side closed at once.
    pub greeting: String,
}

impl MailClient {
    /// A session with the listener at this address.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> MailClient {
        let socket = TcpStream::connect(address).expect("the listener listens");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("a time-out above zero");
        MailClient::greeted(Socket::Far(socket))
    }

    /// A session with the listener at this socket.
    #[track_caller]
    pub fn connect_to_socket(path: &Path) -> MailClient {
        let socket = UnixStream::connect(path).expect("the listener listens");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("a time-out above zero");
        MailClient::greeted(Socket::Near(socket))
    }

    fn greeted(socket: Socket) -> MailClient {
        let mut client = MailClient {
            socket,
            read: Vec::new(),
            greeting: String::new(),
        };
        client.greeting = client.hear();
        client
    }

    /// Says a line and returns the reply.
    pub fn say(&mut self, line: &str) -> String {
        self.write(format!("{line}\r\n").as_bytes());
        self.hear()
    }

    /// Writes octets as they are.
    pub fn write(&mut self, octets: &[u8]) {
        let written = match &mut self.socket {
            Socket::Far(socket) => socket.write_all(octets),
            Socket::Near(socket) => socket.write_all(octets),
            Socket::Encrypted(socket) => socket.write_all(octets).and_then(|()| socket.flush()),
        };
        // One that has closed is found out by what it says, which is nothing.
        drop(written);
    }

    /// The next reply, its lines joined by line feeds; empty at the end of the session.
    pub fn hear(&mut self) -> String {
        let mut reply: Vec<String> = Vec::new();
        while let Some(line) = self.line() {
            let is_last = line.as_bytes().get(3) != Some(&b'-');
            reply.push(line);
            if is_last {
                break;
            }
        }
        reply.join("\n")
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            let mut more = [0; 4096];
            let octets = match &mut self.socket {
                Socket::Far(socket) => socket.read(&mut more),
                Socket::Near(socket) => socket.read(&mut more),
                Socket::Encrypted(socket) => socket.read(&mut more),
            };
            match octets {
                Ok(0) => return None,
                Ok(octets) => self.read.extend_from_slice(&more[..octets]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("the listener is silent for {PATIENCE:?}")
                }
                Err(_) => return None,
            }
        }
    }

    /// Shakes hands after STARTTLS was answered; the certificate must be this authority's, for 127.0.0.1.
    #[track_caller]
    pub fn encrypt(self, authority: &str) -> MailClient {
        let Socket::Far(socket) = self.socket else {
            panic!("TLS is for connections in clear text over the network");
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(authority.as_bytes()).flatten());
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default protocol versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a configuration of ours");
        let mut stream = StreamOwned::new(connection, socket);
        stream.flush().expect("the handshake");
        MailClient {
            socket: Socket::Encrypted(Box::new(stream)),
            ..self
        }
    }

    /// Hands a message over, after a greeting with `EHLO`; returns the answer to it, or to what was refused before.
    #[track_caller]
    pub fn hand_over(&mut self, recipient: &str, message: &str) -> String {
        for line in [
            "EHLO mx.example.net",
            "MAIL FROM:<>",
            &format!("RCPT TO:<{recipient}>"),
            "DATA",
        ] {
            let reply = self.say(line);
            if !reply.starts_with(['2', '3']) {
                return reply;
            }
        }
        self.write(message.replace("\r\n.", "\r\n..").as_bytes());
        self.say("\r\n.")
    }
}

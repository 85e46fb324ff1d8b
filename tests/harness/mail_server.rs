//! Mail servers that are not ours: Postfix, Exim and OpenSMTPD, with TLS, a login, and mailboxes that the test reads.

mod exim;
mod opensmtpd;
mod postfix;

use crate::Authority;
use crate::jail::Jail;
use crate::ports::free_port;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Debian's `postfix`, logins from Cyrus SASL.
    Postfix,
    /// Debian's `exim4-daemon-light`.
    Exim,
    /// Debian's `opensmtpd`.
    OpenSmtpd,
}

/// How the server encrypts, which is a matter of the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// STARTTLS, as on port 587.
    StartTls,
    /// From the first octet, as on port 465.
    Implicit,
}

/// A running server on loopback that takes mail for its mailboxes from whoever logs in. Dropping it ends it and
/// removes everything.
pub struct MailServer {
    kind: Kind,
    // Declared before the folder: the server ends before its files go.
    _jail: Jail,
    starttls_port: u16,
    tls_port: u16,
    authority: PathBuf,
    queue: PathBuf,
    folder: TempDir,
}

/// What the configuration of a server is made of.
struct Site<'a> {
    folder: &'a Path,
    starttls_port: u16,
    tls_port: u16,
    /// For `localhost` and 127.0.0.1.
    certificate: &'a Path,
    /// Only its owner may read it: servers insist on that.
    key: &'a Path,
    mailboxes: &'a [&'a str],
    /// Domains whose mail goes another way: the domain, and Postfix's word for the way.
    transports: &'a [(&'a str, &'a str)],
}

/// A server that can be started.
struct Plan {
    /// The shell script that becomes the server.
    script: String,
    /// Where it keeps mail that it has accepted and not delivered yet: no file anywhere below means none.
    queue: PathBuf,
}

/// The name that everybody logs in with.
pub const USER: &str = "news";
/// The password of [`USER`].
pub const PASSWORD: &str = "correct horse 4711 bättery";

impl MailServer {
    /// Starts a server with these mailboxes; returns when it takes connections on both ports.
    #[track_caller]
    pub fn start(kind: Kind, mailboxes: &[&str]) -> Self {
        Self::start_with(kind, mailboxes, &[])
    }

    /// Starts Postfix, which has no mailboxes and hands over the mail of these domains by these transports, for example
    /// `("bounce.example.com", "smtp:[127.0.0.1]:2525")`.
    #[track_caller]
    pub fn handing_over(transports: &[(&str, &str)]) -> Self {
        Self::start_with(Kind::Postfix, &[], transports)
    }

    #[track_caller]
    fn start_with(kind: Kind, mailboxes: &[&str], transports: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tidings-mail-")
            .tempdir()
            .expect("a temporary folder");
        // Servers deliver under users of their own.
        crate::permit(folder.path(), 0o755);
        let authority = Authority::new("The authority of a test");
        let issued = authority.issue(&["localhost", "127.0.0.1"]);
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("a file in the test's folder");
            path
        };
        let authority = write("authority.pem", &authority.pem);
        let certificate = write("certificate.pem", &issued.certificate);
        let key = write("key.pem", &issued.key);
        crate::permit(&key, 0o600);
        let site = Site {
            folder: folder.path(),
            starttls_port: free_port(),
            tls_port: free_port(),
            certificate: &certificate,
            key: &key,
            mailboxes,
            transports,
        };
        let Plan { script, queue } = match kind {
            Kind::Postfix => postfix::plan(&site),
            Kind::Exim => exim::plan(&site),
            Kind::OpenSmtpd => opensmtpd::plan(&site),
        };
        let (starttls_port, tls_port) = (site.starttls_port, site.tls_port);
        let script = site.write("start.sh", &script);
        let log = folder.path().join("server.log");
        let mut jail = Jail::start(&script, &log);
        for port in [starttls_port, tls_port] {
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            crate::wait_until(&format!("{kind:?} listens; it said: {}", said()), 30, || {
                assert!(
                    !jail.has_ended(),
                    "{kind:?} could not be started; run the tests as the superuser, who may make namespaces: {}",
                    said()
                );
                TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
        }
        Self {
            kind,
            _jail: jail,
            starttls_port,
            tls_port,
            authority,
            queue,
            folder,
        }
    }

    /// The URL of this server for `[[relay]]`.
    pub fn url(&self, encryption: Encryption) -> String {
        match encryption {
            Encryption::StartTls => {
                format!("smtp://{USER}@127.0.0.1:{}?tls=required", self.starttls_port)
            }
            Encryption::Implicit => format!("smtps://{USER}@127.0.0.1:{}", self.tls_port),
        }
    }

    /// The certificate of the authority that this server's certificate is from.
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// Waits until everything that was accepted has been delivered.
    #[track_caller]
    pub fn wait_until_delivered(&self) {
        crate::wait_until(&format!("{:?} has delivered everything", self.kind), 60, || {
            files_below(&self.queue).is_empty()
        });
    }

    /// The messages of a mailbox as they lie there, in no order.
    pub fn mailbox(&self, address: &str) -> Vec<Vec<u8>> {
        let files = files_below(&self.folder.path().join("mail").join(address));
        let read = |file: &PathBuf| std::fs::read(file).expect("mail that has been delivered");
        files.iter().map(read).collect()
    }

    /// How many messages lie in all mailboxes.
    pub fn mail_count(&self) -> usize {
        files_below(&self.folder.path().join("mail")).len()
    }
}

impl Site<'_> {
    fn path(&self, name: &str) -> String {
        let path = self.folder.join(name);
        path.to_str()
            .expect("temporary folders have plain names")
            .to_owned()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).expect("a file in the test's folder");
        path
    }

    fn folder(&self, name: &str, owner: Option<u32>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(&path).expect("a folder in the test's folder");
        std::os::unix::fs::chown(&path, owner, owner).expect("the superuser gives folders away");
        path
    }

    /// Lines of a script after which only this server sees these users, each with a group of its own. They stand
    /// first, so that they hold even if the machine has users of the same names.
    fn users(&self, users: &[(&str, u32)]) -> String {
        let mut script = String::new();
        for (file, line) in [
            ("passwd", ":x:ID:ID::/nonexistent:/bin/sh\n"),
            ("group", ":x:ID:\n"),
        ] {
            let mut text = String::new();
            for (name, id) in users {
                text.push_str(&format!("{name}{}", line.replace("ID", &id.to_string())));
            }
            let system = format!("/etc/{file}");
            text.push_str(&std::fs::read_to_string(&system).expect("a machine has users and groups"));
            let own = self.write(file, &text);
            script.push_str(&format!("mount --bind {} {system}\n", own.display()));
        }
        script
    }
}

/// All files below a folder; none if it is not there (yet). Folders that vanish meanwhile held nothing.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_below(&entry.path())),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    files
}

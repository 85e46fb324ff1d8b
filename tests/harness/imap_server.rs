//! Dovecot: a mailbox with TLS and a login, into which the test puts mail and whose folders it reads.

use crate::jail::Jail;
use crate::ports::free_port;
use crate::{Authority, Encryption, PASSWORD, USER};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// Whom the mail belongs to: nobody.
const OWNER: u32 = 65534;

/// A running Dovecot on loopback with one mailbox, of [`USER`] with [`PASSWORD`]. Dropping it ends it and removes everything.
pub struct ImapServer {
    // Declared before the folder: the server ends before its files go.
    jail: Option<Jail>,
    starttls_port: u16,
    tls_port: u16,
    delivered: AtomicU32,
    folder: TempDir,
}

impl ImapServer {
    /// Starts a server; returns when it takes connections.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// The same with further settings of Dovecot.
    #[track_caller]
    pub fn start_with(settings: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tidings-imap-")
            .tempdir()
            .expect("a temporary folder");
        // Its processes have users of their own.
        crate::permit(folder.path(), 0o755);
        let authority = Authority::new("The authority of a test");
        let issued = authority.issue(&["localhost", "127.0.0.1"]);
        let mut server = Self {
            jail: None,
            starttls_port: free_port(),
            tls_port: free_port(),
            delivered: AtomicU32::new(0),
            folder,
        };
        server.write("authority.pem", &authority.pem);
        server.write("certificate.pem", &issued.certificate);
        let key = server.write("key.pem", &issued.key);
        crate::permit(&key, 0o600);
        server.write("users", &format!("{USER}:{{PLAIN}}{PASSWORD}\n"));
        server.write("dovecot.conf", &(server.configuration() + settings + "\n"));
        let script = format!(
            "exec /usr/sbin/dovecot -F -c {}\n",
            server.path("dovecot.conf").display()
        );
        server.write("start.sh", &script);
        for name in ["mail", "mail/new", "mail/cur", "mail/tmp"] {
            server.make_folder(name);
        }
        server.go_up();
        server
    }

    /// Ends the server; its mailbox stays.
    pub fn go_down(&mut self) {
        self.jail = None;
        // It was killed, and another process may have its number next time.
        std::fs::remove_file(self.path("run/master.pid")).expect("the server has run");
    }

    /// Starts it again; returns when it takes connections.
    #[track_caller]
    pub fn go_up(&mut self) {
        let log = self.path("server.log");
        let mut jail = Jail::start(&self.path("start.sh"), &log);
        for port in [self.starttls_port, self.tls_port] {
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            crate::wait_until(&format!("Dovecot listens; it said: {}", said()), 30, || {
                assert!(
                    !jail.has_ended(),
                    "Dovecot could not be started; run the tests as the superuser: {}",
                    said()
                );
                TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
        }
        self.jail = Some(jail);
    }

    /// The URL of a folder for `[[intake.imap]]`.
    pub fn url(&self, encryption: Encryption, folder: &str) -> String {
        match encryption {
            Encryption::StartTls => {
                format!(
                    "imap://{USER}@127.0.0.1:{}/{folder}?tls=required",
                    self.starttls_port
                )
            }
            Encryption::Implicit => format!("imaps://{USER}@127.0.0.1:{}/{folder}", self.tls_port),
        }
    }

    /// The certificate of the authority that this server's certificate is from.
    pub fn authority(&self) -> PathBuf {
        self.path("authority.pem")
    }

    /// Puts a message into the inbox, as a mail server delivers it.
    pub fn deliver(&self, message: &str) {
        let number = self.delivered.fetch_add(1, Ordering::Relaxed);
        let name = format!("{number:06}.test");
        let (tmp, new) = (
            self.path("mail/tmp").join(&name),
            self.path("mail/new").join(&name),
        );
        std::fs::write(&tmp, message).expect("a file in the test's folder");
        give_to_owner(&tmp);
        std::fs::rename(&tmp, &new).expect("a file in the test's folder");
    }

    /// The names of the messages in the inbox, with their marks behind `:2,`. Dovecot calls keywords `a`, `b`, ….
    pub fn inbox(&self) -> Vec<String> {
        [names(&self.path("mail/new")), names(&self.path("mail/cur"))].concat()
    }

    /// The same for another folder; nothing if it is not there.
    pub fn folder(&self, name: &str) -> Vec<String> {
        let folder = self.path("mail").join(format!(".{name}"));
        [names(&folder.join("new")), names(&folder.join("cur"))].concat()
    }

    /// Takes the mailbox's right to make or fill a folder, or gives it back.
    pub fn forbid_folder(&self, name: &str, is_forbidden: bool) {
        let folder = self.path("mail").join(format!(".{name}"));
        if is_forbidden {
            std::fs::create_dir_all(&folder).expect("a folder in the test's folder");
            crate::permit(&folder, 0o700);
        } else {
            std::fs::remove_dir_all(&folder).expect("a folder of the superuser's");
        }
    }

    /// How many bodies of messages were read by all conversations that have ended.
    pub fn bodies_read(&self) -> u32 {
        let log = self.log();
        let counts = log.split("body_count=").skip(1);
        let number = |text: &str| {
            text.split(' ')
                .next()
                .and_then(|number| number.parse::<u32>().ok())
        };
        counts.filter_map(number).sum()
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("server.log")).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file in the test's folder");
        path
    }

    fn make_folder(&self, name: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(&path).expect("a folder in the test's folder");
        give_to_owner(&path);
    }

    fn configuration(&self) -> String {
        format!(
            "base_dir = {folder}/run
state_dir = {folder}/run
protocols = imap
listen = 127.0.0.1
log_path = /dev/stderr
ssl = required
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
auth_mechanisms = plain
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid={OWNER} gid={OWNER} home={folder}/mail
}}
mail_location = maildir:{folder}/mail
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  inet_listener imap {{
    port = {starttls}
  }}
  inet_listener imaps {{
    port = {tls}
    ssl = yes
  }}
}}
",
            folder = self.folder.path().display(),
            starttls = self.starttls_port,
            tls = self.tls_port,
        )
    }
}

fn give_to_owner(path: &Path) {
    std::os::unix::fs::chown(path, Some(OWNER), Some(OWNER)).expect("the superuser gives files away");
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.flatten().map(name).collect();
    names.sort_unstable();
    names
}

//! From nothing to a selected folder.

use super::conversation::{Command, Conversation};
use super::fault::ImapFault;
use super::folder::FolderName;
use super::login::log_in;
use super::mailbox::{DONE, Mailbox};
use super::settings::{ImapSettings, TlsMode, WhenDone};
use super::stream::{Socket, Stream};
use async_imap::imap_proto::{Capability, Response, ResponseCode};
use std::io;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// How long a connection may take until the server speaks.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server can do.
#[derive(Clone, Debug, Default)]
pub(super) struct Offers(Vec<String>);

impl Offers {
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|offered| offered.eq_ignore_ascii_case(name))
    }
}

/// What a look at a mailbox shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The server tells of new messages by itself (IDLE).
    pub has_idle: bool,
    /// The server moves messages in one step (MOVE).
    pub has_move: bool,
    /// Messages can be marked with words of ours.
    pub has_keywords: bool,
    /// Deleting touches our messages alone (UIDPLUS).
    pub has_uidplus: bool,
    /// How many messages lie in the folder.
    pub messages: u32,
    /// Whether the folder for what is done is there already, if there is to be one.
    pub has_done_folder: Option<bool>,
}

/// Connects, logs in and selects the folder, and changes nothing.
pub async fn look(settings: &ImapSettings) -> Result<Looked, ImapFault> {
    let mut mailbox = open(settings).await?;
    let has_done_folder = match &settings.done {
        WhenDone::Move(folder) => Some(mailbox.knows(folder).await?),
        WhenDone::Flag | WhenDone::Delete => None,
    };
    let looked = mailbox.looked(has_done_folder);
    mailbox.log_out().await;
    Ok(looked)
}

/// Connects, logs in and selects the folder.
pub(super) async fn open(settings: &ImapSettings) -> Result<Mailbox, ImapFault> {
    let mut talk = connect(settings).await?;
    let is_known = talk.greeting().await?;
    if settings.tls == TlsMode::StartTls {
        // Somebody in between could greet so, to keep the conversation in clear text (RFC 8314 appendix A).
        if is_known {
            return Err(ImapFault::Tls(
                "the server does not offer STARTTLS, for it says that we are logged in already: write imaps:// (port 993)"
                    .to_owned(),
            ));
        }
        talk = start_tls(talk, settings).await?;
    }
    if !is_known {
        let offers = offers(&mut talk).await?;
        log_in(&mut talk, &offers, settings).await?;
    }
    let offers = offers(&mut talk).await?;
    let has_keywords = select(&mut talk, &settings.folder).await?;
    Ok(Mailbox::new(talk, offers, has_keywords, settings.done.clone()))
}

async fn connect(settings: &ImapSettings) -> Result<Conversation, ImapFault> {
    let socket = dial(settings).await?;
    let socket = match settings.tls {
        TlsMode::Implicit => encrypt(socket, settings).await?,
        TlsMode::StartTls | TlsMode::Never => Socket::Plain(socket),
    };
    Ok(Conversation::new(Stream::new(socket)))
}

async fn encrypt(socket: TcpStream, settings: &ImapSettings) -> Result<Socket, ImapFault> {
    match timeout(PATIENCE, settings.trust.handshake(socket, &settings.host)).await {
        Ok(Ok(stream)) => Ok(Socket::Tls(Box::new(stream))),
        Ok(Err(why)) => Err(ImapFault::Tls(why)),
        Err(_) => Err(ImapFault::TimedOut {
            step: "TLS",
            limit: PATIENCE,
        }),
    }
}

/// Everything that was heard before is forgotten (RFC 3501 section 6.2.1).
async fn start_tls(mut talk: Conversation, settings: &ImapSettings) -> Result<Conversation, ImapFault> {
    if !offers(&mut talk).await?.has("STARTTLS") {
        return Err(ImapFault::Tls(
            "the server does not offer STARTTLS: write imaps:// (port 993), or ?tls=never behind the url if clear text \
             is acceptable"
                .to_owned(),
        ));
    }
    talk.command(Command::small("STARTTLS", "STARTTLS"), |_| ())
        .await?;
    let socket = talk.into_plain().expect("it was not encrypted yet");
    let socket = encrypt(socket, settings).await?;
    Ok(Conversation::new(Stream::new(socket)))
}

async fn offers(talk: &mut Conversation) -> Result<Offers, ImapFault> {
    let mut offers = Offers::default();
    let heed = |response: &Response<'_>| {
        if let Response::Capabilities(offered) = response {
            offers.0.extend(offered.iter().map(|one| match one {
                Capability::Imap4rev1 => "IMAP4rev1".to_owned(),
                Capability::Auth(mechanism) => format!("AUTH={mechanism}"),
                Capability::Atom(name) => name.clone().into_owned(),
            }));
        }
    };
    talk.command(Command::small("CAPABILITY", "CAPABILITY"), heed)
        .await?;
    Ok(offers)
}

/// Whether messages in it can be marked with words of ours.
async fn select(talk: &mut Conversation, folder: &FolderName) -> Result<bool, ImapFault> {
    let (mut has_keywords, mut is_read_only) = (false, false);
    let heed = |response: &Response<'_>| {
        let (Response::Data { outcome, .. } | Response::Done { outcome, .. }) = response else {
            return;
        };
        match &outcome.code {
            Some(ResponseCode::PermanentFlags(flags)) => {
                has_keywords = flags
                    .iter()
                    .any(|flag| flag == "\\*" || flag.eq_ignore_ascii_case(DONE));
            }
            Some(ResponseCode::ReadOnly) => is_read_only = true,
            _ => {}
        }
    };
    let text = format!("SELECT {}", folder.quoted());
    talk.command(Command::small("SELECT", &text), heed).await?;
    match is_read_only {
        true => Err(ImapFault::ReadOnly),
        false => Ok(has_keywords),
    }
}

/// Connects to the first of the host's addresses that answers.
async fn dial(settings: &ImapSettings) -> Result<TcpStream, ImapFault> {
    let ImapSettings { host, port, .. } = settings;
    let found = timeout(PATIENCE, lookup_host((host.as_str(), *port))).await;
    let addresses: Vec<_> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => {
            return Err(ImapFault::Connect(format!(
                "the host `{host}` does not resolve: look whether url has the right name ({error})"
            )));
        }
        Err(_) => {
            return Err(ImapFault::Connect(format!(
                "nobody says within {} s where the host `{host}` is: look at this machine's DNS resolver",
                PATIENCE.as_secs()
            )));
        }
    };
    // An address that swallows packets must not use up the time of the others.
    let share = PATIENCE / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut fault = format!("the host `{host}` has no address");
    for address in addresses {
        fault = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => format!(
                "{address} refuses connections: look whether the port in url is right and the server is running"
            ),
            Ok(Err(error)) => format!("{address}: {error}"),
            Err(_) => format!(
                "{address} does not answer within {} s: a firewall may be in between, or the port in url is wrong",
                share.as_secs()
            ),
        };
    }
    Err(ImapFault::Connect(fault))
}

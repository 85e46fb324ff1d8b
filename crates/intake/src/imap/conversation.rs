//! Commands and their answers. The stream, its buffer and the parser are async-imap's; its functions for commands are not
//! used, because most of them take a refusal, and the end of the connection, for the end of a good answer.

use super::fault::{ImapFault, excerpt, words};
use super::stream::{Stream, TooMuch};
use async_imap::Client;
use async_imap::imap_proto::{MailboxDatum, Response, Status};
use std::io;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// An answer of a few lines comes within this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is long may come as slowly as this, in octets a second.
const SLOWEST: usize = 16 * 1024;
/// The answers to most commands fit into this many octets, with whatever else the server has to say meanwhile.
pub(super) const SMALL: usize = 64 * 1024;

/// A command.
#[derive(Clone, Copy)]
pub(super) struct Command<'a> {
    /// What it is called in faults.
    pub step: &'static str,
    /// Its text, without a line end. It may have secrets and is shown nowhere.
    pub text: &'a str,
    /// What is said when the server asks for more. Whatever it asks for after that it gets an empty line.
    pub more: Option<&'a str>,
    /// How many octets the answer may have.
    pub room: usize,
}

impl<'a> Command<'a> {
    pub(super) fn small(step: &'static str, text: &'a str) -> Command<'a> {
        Command {
            step,
            text,
            more: None,
            room: SMALL,
        }
    }
}

/// One connection, and what the server says of the folder beside its answers.
pub(super) struct Conversation {
    client: Client<Stream>,
    commands: u32,
    /// How many messages the folder has.
    messages: u32,
    /// Whether there are more of them than when this was last forgotten.
    has_news: bool,
}

impl Conversation {
    pub(super) fn new(stream: Stream) -> Conversation {
        Conversation {
            client: Client::new(stream),
            commands: 0,
            messages: 0,
            has_news: false,
        }
    }

    /// How many messages the folder has.
    pub(super) fn messages(&self) -> u32 {
        self.messages
    }

    /// Whoever looks now needs to be told only of what comes after.
    pub(super) fn forget_news(&mut self) {
        self.has_news = false;
    }

    /// The socket, if it is not encrypted. What was heard before is forgotten.
    pub(super) fn into_plain(self) -> Option<TcpStream> {
        self.client.into_inner().into_plain()
    }

    /// Says something and hands every response to `heed`, until the one that ends the answer; fails if that is a refusal.
    pub(super) async fn command(
        &mut self,
        command: Command<'_>,
        mut heed: impl FnMut(&Response<'_>),
    ) -> Result<(), ImapFault> {
        let Command {
            step,
            text,
            mut more,
            room,
        } = command;
        let limit = PATIENCE + Duration::from_secs((room / SLOWEST) as u64);
        let deadline = Instant::now() + limit;
        self.client.get_mut().make_room(room);
        self.commands += 1;
        let tag = format!("t{}", self.commands);
        self.write(step, &format!("{tag} {text}\r\n"), deadline, limit)
            .await?;
        loop {
            match self.read(step, deadline, limit, &mut heed).await? {
                Heard::More => {
                    let more = format!("{}\r\n", more.take().unwrap_or_default());
                    self.write(step, &more, deadline, limit).await?;
                }
                Heard::Done(of, refusal) if of == tag => {
                    return refusal.map_or(Ok(()), |reply| Err(ImapFault::Refused { step, reply }));
                }
                Heard::Done(..) | Heard::Other => {}
            }
        }
    }

    /// The first thing that a server says. Whether it has let us in already.
    pub(super) async fn greeting(&mut self) -> Result<bool, ImapFault> {
        let step = "the greeting";
        self.client.get_mut().make_room(SMALL);
        let (mut is_known, mut said) = (None, String::new());
        let heed = |response: &Response<'_>| match response {
            Response::Data {
                status: Status::Ok, ..
            } => is_known = Some(false),
            Response::Data {
                status: Status::PreAuth,
                ..
            } => is_known = Some(true),
            other => said = excerpt(&format!("{other:?}")),
        };
        self.read(step, Instant::now() + PATIENCE, PATIENCE, heed).await?;
        is_known.ok_or(ImapFault::Garbled { step, said })
    }

    /// Has the server tell what happens (RFC 2177), until there are more messages or the time is over.
    pub(super) async fn idle(&mut self, longest: Duration) -> Result<(), ImapFault> {
        if self.has_news {
            return Ok(());
        }
        let step = "IDLE";
        self.client.get_mut().make_room(SMALL);
        self.commands += 1;
        let tag = format!("t{}", self.commands);
        let soon = Instant::now() + PATIENCE;
        self.write(step, &format!("{tag} IDLE\r\n"), soon, PATIENCE)
            .await?;
        let over = Instant::now() + longest;
        let mut may_be_ended = false;
        while !(may_be_ended && self.has_news) {
            self.client.get_mut().make_room(SMALL);
            let hearing = self.read(step, over + PATIENCE, longest + PATIENCE, |_| ());
            match timeout_at(over, hearing).await {
                Err(_) => break,
                Ok(heard) => match heard? {
                    Heard::More => may_be_ended = true,
                    Heard::Done(_, refusal) => {
                        let reply = refusal.unwrap_or_else(|| "OK, before it was ended".to_owned());
                        return Err(ImapFault::Refused { step, reply });
                    }
                    Heard::Other => {}
                },
            }
        }
        let soon = Instant::now() + PATIENCE;
        self.client.get_mut().make_room(SMALL);
        self.write(step, "DONE\r\n", soon, PATIENCE).await?;
        loop {
            let heard = self.read(step, soon, PATIENCE, |_| ()).await?;
            if matches!(heard, Heard::Done(of, _) if of == tag) {
                return Ok(());
            }
        }
    }

    async fn write(
        &mut self,
        step: &'static str,
        text: &str,
        deadline: Instant,
        limit: Duration,
    ) -> Result<(), ImapFault> {
        let stream = self.client.get_mut();
        let writing = async {
            stream.write_all(text.as_bytes()).await?;
            stream.flush().await
        };
        match timeout_at(deadline, writing).await {
            Ok(written) => written.map_err(|error| broken(step, &error)),
            Err(_) => Err(ImapFault::TimedOut { step, limit }),
        }
    }

    /// Hands the next response to `heed`, whatever it is. Nothing is lost if this is dropped before it is done.
    async fn read(
        &mut self,
        step: &'static str,
        deadline: Instant,
        limit: Duration,
        mut heed: impl FnMut(&Response<'_>),
    ) -> Result<Heard, ImapFault> {
        let response = match timeout_at(deadline, self.client.read_response()).await {
            Ok(Ok(Some(response))) => response,
            Ok(Ok(None)) => return Err(ImapFault::Closed { step, words: None }),
            Ok(Err(error)) => return Err(broken(step, &error)),
            Err(_) => return Err(ImapFault::TimedOut { step, limit }),
        };
        heed(response.parsed());
        match response.parsed() {
            Response::MailboxData(MailboxDatum::Exists(messages)) => {
                self.has_news |= *messages > self.messages;
                self.messages = *messages;
            }
            Response::Expunge(_) => self.messages = self.messages.saturating_sub(1),
            Response::Continue(_) => return Ok(Heard::More),
            Response::Done { tag, status, outcome } => {
                let refusal = (*status != Status::Ok).then(|| words(outcome));
                return Ok(Heard::Done(tag.0.clone(), refusal));
            }
            Response::Data {
                status: Status::Bye,
                outcome,
            } => {
                let words = Some(words(outcome));
                return Err(ImapFault::Closed { step, words });
            }
            _ => {}
        }
        Ok(Heard::Other)
    }
}

/// What a response means for the command that waits for it.
enum Heard {
    /// The server waits for more of it.
    More,
    /// The command with this tag is done, or refused with these words.
    Done(String, Option<String>),
    /// It goes on.
    Other,
}

fn broken(step: &'static str, error: &io::Error) -> ImapFault {
    if error.get_ref().is_some_and(|inner| inner.is::<TooMuch>()) {
        return ImapFault::TooMuch(step);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            ImapFault::Closed { step, words: None }
        }
        // So async-imap tells what it cannot parse, with all of the text.
        io::ErrorKind::Other => ImapFault::Garbled {
            step,
            said: excerpt(behind_the_cause(&error.to_string())),
        },
        _ => ImapFault::Broken {
            step,
            why: error.to_string(),
        },
    }
}

/// The text that could not be parsed.
fn behind_the_cause(error: &str) -> &str {
    error
        .split_once(" during parsing of ")
        .map_or(error, |(_, text)| text.trim_matches('"'))
}

//! The socket below a conversation, encrypted or not, which lets no more come in than was asked for.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Readers ask in blocks, so they may ask for a little more than what is left.
const BLOCK: usize = 8 * 1024;

/// A socket, and how many octets may still come in.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    room: usize,
}

#[derive(Debug)]
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// More came, or was announced, than there is room for.
#[derive(Debug, thiserror::Error)]
#[error("more than was asked for")]
pub(super) struct TooMuch;

impl Stream {
    pub(super) fn new(socket: Socket) -> Stream {
        Stream { socket, room: 0 }
    }

    /// From now on so many octets may come in.
    pub(super) fn make_room(&mut self, octets: usize) {
        self.room = octets;
    }

    /// The socket, if it is not encrypted.
    pub(super) fn into_plain(self) -> Option<TcpStream> {
        match self.socket {
            Socket::Plain(socket) => Some(socket),
            Socket::Tls(_) => None,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A reader that knows how long the answer is asks for all of it.
        if this.room == 0 || buf.remaining() > this.room.saturating_add(BLOCK) {
            return Poll::Ready(Err(io::Error::other(TooMuch)));
        }
        let before = buf.filled().len();
        ready!(match &mut this.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Socket::Tls(socket) => Pin::new(socket).poll_read(cx, buf),
        })?;
        this.room = this.room.saturating_sub(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().socket {
            Socket::Plain(socket) => Pin::new(socket).poll_write(cx, octets),
            Socket::Tls(socket) => Pin::new(socket).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Socket::Tls(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Socket::Tls(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}

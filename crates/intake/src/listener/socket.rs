//! Where clients come in: an address, or a socket in the file system.

use super::clients::Client;
use super::session::Socket;
use super::settings::Place;
use std::fs::{Permissions, remove_file, set_permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Whoever may enter the folder of the socket may write to it: a mail server has a user of its own.
const EVERYBODY: u32 = 0o666;

/// Where clients come in.
pub(super) enum Door {
    Address(TcpListener),
    Socket(UnixListener, SocketFile),
}

/// The socket's file, gone when this is dropped.
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = remove_file(&self.0);
    }
}

/// A client that has come in.
pub(super) enum Visitor {
    Far(TcpStream, Client),
    Near(UnixStream),
}

impl Door {
    pub(super) async fn open(place: &Place) -> io::Result<Door> {
        match place {
            Place::Address(address) => Ok(Door::Address(TcpListener::bind(address).await?)),
            Place::Socket(path) => {
                remove_stale(path)?;
                let listener = UnixListener::bind(path)?;
                let file = SocketFile(path.clone());
                set_permissions(path, Permissions::from_mode(EVERYBODY))?;
                Ok(Door::Socket(listener, file))
            }
        }
    }

    /// Where it is; with the port that was found free.
    pub(super) fn place(&self) -> io::Result<Place> {
        Ok(match self {
            Door::Address(listener) => Place::Address(listener.local_addr()?),
            Door::Socket(_, SocketFile(path)) => Place::Socket(path.clone()),
        })
    }

    pub(super) async fn accept(&self) -> io::Result<Visitor> {
        match self {
            Door::Address(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Visitor::Far(stream, peer.ip().into()))
            }
            Door::Socket(listener, _) => Ok(Visitor::Near(listener.accept().await?.0)),
        }
    }
}

impl Visitor {
    pub(super) fn client(&self) -> Client {
        match self {
            Visitor::Far(_, client) => *client,
            Visitor::Near(_) => Client::Local,
        }
    }

    pub(super) fn into_socket(self) -> Socket {
        match self {
            Visitor::Far(stream, _) => Box::new(stream),
            Visitor::Near(stream) => Box::new(stream),
        }
    }

    /// Tells a client that is not let in why, without waiting for anything: a fresh connection has room for a line.
    pub(super) fn turn_away(self, line: &[u8]) -> io::Result<()> {
        match self {
            Visitor::Far(stream, _) => stream.into_std()?.write_all(line),
            Visitor::Near(stream) => stream.into_std()?.write_all(line),
        }
    }
}

/// A socket that a process left behind which is gone is in the way of the next one. Anything else stays.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = path
        .symlink_metadata()
        .is_ok_and(|found| found.file_type().is_socket());
    if is_socket && BlockingStream::connect(path).is_err() {
        remove_file(path)?;
    }
    Ok(())
}

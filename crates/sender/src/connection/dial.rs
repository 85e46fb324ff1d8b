//! Finding a relay and connecting to it. Every error is a sentence that says what to do.

use crate::fault::RelayFault;
use crate::relay::RelaySettings;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

/// Connects to the first of the relay's addresses that answers.
pub(super) async fn dial(relay: &RelaySettings) -> Result<TcpStream, RelayFault> {
    let addresses = resolve(relay).await?;
    // An address that swallows packets must not use up the time of the others.
    let share = relay.timeouts.connect / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut fault = String::new();
    for address in addresses {
        match connect(address, relay.source_address, share).await {
            Ok(stream) => return Ok(stream),
            Err(why) => fault = why,
        }
    }
    Err(RelayFault::Connect(fault))
}

async fn resolve(relay: &RelaySettings) -> Result<Vec<SocketAddr>, RelayFault> {
    let RelaySettings { host, port, .. } = relay;
    let limit = relay.timeouts.connect;
    let found = timeout(limit, lookup_host((host.as_str(), *port))).await;
    let found: Vec<SocketAddr> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => {
            return Err(RelayFault::Connect(format!(
                "the host `{host}` does not resolve: look whether url has the right name ({error})"
            )));
        }
        Err(_) => {
            return Err(RelayFault::Connect(format!(
                "nobody says within {} s where the host `{host}` is: look at this machine's DNS resolver",
                limit.as_secs()
            )));
        }
    };
    let fits = |address: &SocketAddr| {
        relay
            .source_address
            .is_none_or(|source| source.is_ipv4() == address.is_ipv4())
    };
    let fitting: Vec<SocketAddr> = found.into_iter().filter(fits).collect();
    if fitting.is_empty() {
        return Err(RelayFault::Connect(format!(
            "the host `{host}` has no address of the kind of source_address (IPv4 or IPv6): change or drop source_address"
        )));
    }
    Ok(fitting)
}

async fn connect(address: SocketAddr, source: Option<IpAddr>, limit: Duration) -> Result<TcpStream, String> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    };
    let socket = socket.map_err(|error| format!("{address}: no socket: {error}"))?;
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0)).map_err(|error| {
            format!("source_address = {source} cannot be used, is it this machine's? ({error})")
        })?;
    }
    let stream = match timeout(limit, socket.connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(words(address, &error)),
        Err(_) => {
            return Err(format!(
                "{address} does not answer within {} s: a firewall may be in between; many networks block port 25, \
                 and the relay may listen on 587 or 465 too",
                limit.as_secs()
            ));
        }
    };
    // Without it, every message waits 40 ms for a delayed acknowledgement.
    stream
        .set_nodelay(true)
        .map_err(|error| format!("{address}: {error}"))?;
    Ok(stream)
}

fn words(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!(
                "{address} refuses connections: look whether the port in url is right and the relay is running"
            )
        }
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            format!("{address} cannot be reached from here: look at the network ({error})")
        }
        _ => format!("{address}: {error}"),
    }
}

//! A DNS of a test's own, on a port of loopback.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, MX, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Answers what it was told, and that there is no such name to everything else. It is gone when it is dropped.
pub struct DnsServer {
    address: SocketAddr,
    zone: Arc<Zone>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Zone {
    records: Mutex<HashMap<String, Vec<RData>>>,
    asked: Mutex<Vec<String>>,
    is_silent: AtomicBool,
    is_over: AtomicBool,
}

impl DnsServer {
    /// An empty one.
    pub fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a time above zero");
        let address = socket.local_addr().expect("a bound socket");
        let zone = Arc::new(Zone::default());
        let shared = Arc::clone(&zone);
        Self {
            address,
            zone,
            thread: Some(std::thread::spawn(move || shared.serve(&socket))),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A host takes the mail of a domain. An empty name says that the domain takes no mail (RFC 7505).
    pub fn mx(&self, domain: &str, preference: u16, host: &str) {
        self.add(domain, RData::MX(MX::new(preference, name(host))));
    }

    /// A text stands at a name.
    pub fn txt(&self, at: &str, text: &str) {
        self.add(at, RData::TXT(TXT::new(vec![text.to_owned()])));
    }

    /// A name has an address.
    pub fn address_of(&self, host: &str) {
        self.add(host, RData::A(A(Ipv4Addr::LOCALHOST)));
    }

    /// From now on it hears and says nothing.
    pub fn fall_silent(&self) {
        self.zone.is_silent.store(true, Ordering::SeqCst);
    }

    /// The names that it was asked about, in order.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.zone.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, at: &str, data: RData) {
        let mut records = self.zone.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.entry(at.to_owned()).or_default().push(data);
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.zone.is_over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was shown when it happened.
            let _ = thread.join();
        }
    }
}

impl Zone {
    fn serve(&self, socket: &UdpSocket) {
        let mut buffer = [0; 4096];
        while !self.is_over.load(Ordering::SeqCst) {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let question = Message::from_vec(&buffer[..length]).expect("a message of the resolver");
            let answer = self.answer(question);
            if !self.is_silent.load(Ordering::SeqCst) {
                let octets = answer.to_vec().expect("a message of ours");
                // Who asked may be gone.
                let _ = socket.send_to(&octets, from);
            }
        }
    }

    fn answer(&self, question: Message) -> Message {
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_desired = true;
        answer.metadata.recursion_available = true;
        for query in question.queries {
            let at = query.name().to_ascii().trim_end_matches('.').to_lowercase();
            self.asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(at.clone());
            let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            match records.get(&at) {
                Some(records) => answer.add_answers(
                    of_type(records, query.query_type())
                        .map(|data| Record::from_rdata(query.name().clone(), 60, data.clone())),
                ),
                None => {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                    &mut answer
                }
            };
            answer.add_query(query);
        }
        answer
    }
}

fn of_type(records: &[RData], kind: RecordType) -> impl Iterator<Item = &RData> {
    records.iter().filter(move |data| data.record_type() == kind)
}

fn name(host: &str) -> Name {
    Name::from_ascii(format!("{host}.")).expect("a name in a test")
}

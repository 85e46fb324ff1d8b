//! The relay of a test, for tests that do not know of async.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tidings_scripted_relay::{Acceptance, Counts, Outage, Script, ScriptedRelay};
use tokio::runtime::Runtime;

/// A scripted relay on its own thread, at one address for the whole test. It counts at the receiver: what the ledger
/// says is never asked.
pub struct Relay {
    // Declared first: the relay ends before the runtime that it runs on.
    current: RefCell<Option<ScriptedRelay>>,
    former: RefCell<Vec<Acceptance>>,
    address: SocketAddr,
    runtime: Runtime,
}

impl Relay {
    /// A relay that accepts everything.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime needs nothing but a thread");
        // A relay that goes down finds its port free later.
        let address = SocketAddr::from(([127, 0, 0, 1], crate::free_port()));
        let relay = Self {
            current: RefCell::default(),
            former: RefCell::default(),
            address,
            runtime,
        };
        relay.follow(Script::accepting());
        relay
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Follows another script from now on. Sessions are cut; what was accepted stays counted.
    pub fn follow(&self, script: Script) {
        if let Some(former) = self.current.take() {
            let accepted = self.runtime.block_on(async {
                let accepted = former.accepted();
                former.stop().await;
                accepted
            });
            self.former.borrow_mut().extend(accepted);
        }
        // A process that another test is just starting has a copy for a moment of what listened on our port.
        let deadline = Instant::now() + Duration::from_secs(10);
        let relay = loop {
            match self
                .runtime
                .block_on(ScriptedRelay::start(script.clone(), self.address))
            {
                Ok(relay) => break relay,
                Err(error) => assert!(Instant::now() < deadline, "our port again: {error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        self.current.replace(Some(relay));
    }

    /// Closes every session with 421 and refuses new ones in this way.
    pub fn go_down(&self, outage: Outage) {
        self.with(|relay| self.runtime.block_on(relay.go_down(outage)));
    }

    /// Takes mail again.
    pub fn come_up(&self) {
        self.with(|relay| self.runtime.block_on(relay.come_up()));
    }

    /// Everything accepted so far, in order.
    pub fn accepted(&self) -> Vec<Acceptance> {
        let mut accepted = self.former.borrow().clone();
        accepted.extend(self.with(ScriptedRelay::accepted));
        accepted
    }

    /// How many messages were accepted so far.
    pub fn accepted_count(&self) -> usize {
        self.former.borrow().len() + self.with(|relay| relay.counts().accepted as usize)
    }

    /// How often each recipient's mail was accepted.
    pub fn accepted_by_recipient(&self) -> HashMap<String, usize> {
        let mut by_recipient = HashMap::new();
        for acceptance in self.accepted() {
            *by_recipient.entry(acceptance.recipient).or_insert(0) += 1;
        }
        by_recipient
    }

    /// Who got mail; panics if somebody got it twice.
    #[track_caller]
    pub fn reached_once(&self) -> HashSet<String> {
        let by_recipient = self.accepted_by_recipient();
        let twice: Vec<_> = by_recipient.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "accepted more than once: {twice:?}");
        by_recipient.into_keys().collect()
    }

    /// How many at this domain got mail; panics if somebody got it twice.
    #[track_caller]
    pub fn accepted_at(&self, domain: &str) -> usize {
        let to = |recipient: &&String| recipient.rsplit_once('@').is_some_and(|(_, at)| at == domain);
        self.reached_once().iter().filter(to).count()
    }

    /// The contents of the messages that a recipient got, as far as the script keeps content.
    pub fn contents_for(&self, recipient: &str) -> Vec<String> {
        let contents = self
            .accepted()
            .into_iter()
            .filter(|a| a.recipient == recipient)
            .filter_map(|a| a.content);
        contents
            .map(|octets| String::from_utf8_lossy(&octets).into_owned())
            .collect()
    }

    /// What happened under the current script.
    pub fn counts(&self) -> Counts {
        self.with(ScriptedRelay::counts)
    }

    fn with<T>(&self, ask: impl FnOnce(&ScriptedRelay) -> T) -> T {
        ask(self
            .current
            .borrow()
            .as_ref()
            .expect("a relay is replaced, never only removed"))
    }
}

//! When more open at once than can be judged at once, all are answered, and each hit counts once, whatever is killed meanwhile.

use crate::backup::{back_up, on_the_other_engine};
use crate::hits::{FIREFOX, Sent, recipients, sent, stats};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::HitTarget;
use tidings_feedback::hits::HitRules;
use tidings_store::Store;
use tidings_store::hits::{HitNames, HitTurns, NewHit};
use tidings_tests::{App, Engine, on_both_engines, wait_until};

/// Readers, each over a connection of their own.
const READERS: usize = 200;

/// What each reader asks for, as it goes over the wire, and where.
struct Crowd {
    address: String,
    requests: Vec<String>,
    answered: AtomicUsize,
}

impl Crowd {
    fn of(sent: &Sent) -> Crowd {
        let request = |reader| {
            let path = sent.pixel(reader);
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {FIREFOX}\r\n\r\n")
        };
        Crowd {
            address: sent
                .server
                .url
                .trim_start_matches("http://")
                .trim_end_matches('/')
                .to_owned(),
            requests: (1..=READERS as i64).map(request).collect(),
            answered: AtomicUsize::new(0),
        }
    }

    /// All ask at the same time, again and again, until so many answers have come or one does not. Returns how often each reader was
    /// answered.
    fn comes(&self, most: usize) -> Vec<i64> {
        let connect = |request| (TcpStream::connect(&self.address).unwrap(), request);
        let mut connections: Vec<_> = self.requests.iter().map(connect).collect();
        let mut answered = vec![0; READERS];
        let mut answer = vec![0; 1024];
        while self.answered.load(Ordering::Relaxed) < most {
            for (stream, request) in &mut connections {
                // Whoever is gone does not answer below.
                let _ = stream.write_all(request.as_bytes());
            }
            let before = self.answered.load(Ordering::Relaxed);
            for (reader, (stream, _)) in connections.iter_mut().enumerate() {
                let length = stream.read(&mut answer).unwrap_or_default();
                if answer[..length].starts_with(b"HTTP/1.1 200 ") {
                    answered[reader] += 1;
                    self.answered.fetch_add(1, Ordering::Relaxed);
                }
            }
            if self.answered.load(Ordering::Relaxed) < before + READERS {
                break;
            }
        }
        answered
    }
}

/// Waits until everything that waits is counted, and checks that this is what is kept.
fn folded(app: &App) -> serde_json::Value {
    wait_until("nothing waits", 60, || stats(app, &[])["waiting"] == 0);
    let stats = stats(app, &[]);
    let counted = stats["opens"]["hits"].as_object().unwrap();
    let counted: i64 = counted.values().filter_map(serde_json::Value::as_i64).sum();
    assert_eq!(
        counted,
        app.database.number("SELECT COUNT(*) FROM hits"),
        "{stats}"
    );
    stats
}

/// Whether hits have waited in the database.
fn have_waited(app: &App) -> bool {
    let query = match app.engine {
        Engine::Sqlite => "SELECT COUNT(*) FROM sqlite_sequence WHERE name = 'waiting_hits' AND seq > 0",
        Engine::Postgres => "SELECT COUNT(*) FROM waiting_hits_id_seq WHERE is_called",
    };
    app.database.number(query) == 1
}

on_both_engines!(everybody_of_a_crowd_is_answered_and_counts, |app| {
    let sent = sent(app, READERS);
    let answered = Crowd::of(&sent).comes(3000);
    let all: i64 = answered.iter().sum();
    assert_eq!(all, 3000);
    let stats = folded(app);
    assert!(have_waited(app), "there was no crowd");
    assert_eq!(stats["opens"]["hits"]["human"], all);
    assert_eq!(recipients(&stats, "opens"), [READERS as i64, 0, 0, 0]);
});

on_both_engines!(who_was_answered_in_a_crowd_counts_once_after_kill_9, |app| {
    let sent = sent(app, READERS);
    let crowd = Crowd::of(&sent);
    let answered = std::thread::scope(|scope| {
        let comes = scope.spawn(|| crowd.comes(usize::MAX));
        wait_until("some are answered", 60, || {
            crowd.answered.load(Ordering::Relaxed) >= 2000
        });
        sent.server.process.kill_9();
        comes.join().unwrap()
    });
    assert!(have_waited(app), "there was no crowd");
    let _server = app.serve();
    folded(app);
    for (reader, answers) in (1_i64..).zip(answered) {
        let kept = format!("SELECT COUNT(*) FROM hits WHERE recipient_id = {reader}");
        let kept = app.database.number(&kept);
        // What was asked last may have been recorded and not answered.
        assert!(
            kept == answers || kept == answers + 1,
            "reader {reader}: {answers} answers, {kept} hits"
        );
    }
});

on_both_engines!(
    what_a_dead_server_left_waiting_is_told_and_counted_by_the_next,
    |app| {
        let Sent { server, campaign, .. } = sent(app, 2);
        server.process.kill_9();
        let_wait(app, campaign, 50);
        let before = stats(app, &[]);
        assert_eq!(before["waiting"], 50);
        assert_eq!(recipients(&before, "opens"), [0, 0, 0, 0]);
        app.run(["stats", "hits"])
            .succeeded()
            .prints(&["50 hits wait to be judged and counted"]);
        let server = app.serve();
        let stats_now = folded(app);
        assert_eq!(stats_now["opens"]["hits"]["human"], 50);
        assert_eq!(recipients(&stats_now, "opens"), [1, 0, 0, 0]);
        // By rules that have changed, the command judges what waits too.
        drop(server);
        let_wait(app, campaign, 7);
        let done = app.run(["--json", "stats", "reclassify-hits"]).succeeded().json();
        assert_eq!(done, serde_json::json!({"hits": 57, "changed": 0}));
        assert_eq!(folded(app)["opens"]["hits"]["human"], 57);
    }
);

on_both_engines!(
    what_waits_is_in_a_backup_and_counted_where_that_is_restored,
    |app| {
        let Sent { server, campaign, .. } = sent(app, 2);
        server.process.kill_9();
        let_wait(app, campaign, 50);
        let file = back_up(app);
        let other = on_the_other_engine(app);
        other.run(["restore", file.to_str().unwrap()]).succeeded();
        assert_eq!(stats(&other, &[])["waiting"], 50);
        // A row that comes afterwards is another row.
        let_wait(&other, campaign, 60);
        let _server = other.serve();
        assert_eq!(folded(&other)["opens"]["hits"]["human"], 110);
    }
);

/// Each time another process keeps them.
static WRITERS: AtomicU64 = AtomicU64::new(1);

/// The first reader opens so often, a minute after each other, and it waits.
fn let_wait(app: &App, campaign: i64, n: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let accepted = app.database.number("SELECT MAX(settled_at) FROM deliveries");
    let hit = |n: u64| NewHit {
        campaign: CampaignId(campaign),
        recipient: Some(RecipientId(1)),
        target: HitTarget::Pixel,
        at: Timestamp(accepted).plus(std::time::Duration::from_secs(60 * (n + 1))),
        is_head: false,
        is_prefetch: false,
        agent: FIREFOX.to_owned(),
        network: None,
    };
    runtime.block_on(async {
        let store = Store::open(app.database.url(), "test").await.unwrap();
        let hits: Vec<NewHit> = (0..n).map(hit).collect();
        store
            .let_hits_wait(
                HitTurns::of(WRITERS.fetch_add(1, Ordering::Relaxed)).next_turn(),
                &hits,
                &mut HitNames::new(HitRules::standard()),
            )
            .await
            .unwrap();
        store.close().await;
    });
}

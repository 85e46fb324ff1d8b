//! What was answered is kept, whatever happens, and for as long as the operator says.

use super::*;
use tidings_tests::wait_until;

on_both_engines!(one_hit_that_cannot_be_kept_takes_no_other_with_it, |app| {
    let sent = sent(app, 81);
    assert_eq!(sent.get(&sent.link(1, 1), FIREFOX, HOME).0, 302);
    // What is kept of the first reader makes no sense, so nothing can be judged beside it.
    app.database.execute("UPDATE hits SET verdict = 9");
    let trap = format!("/c/{}", sent.token(Some(1), HitTarget::Trap));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (sent, trap) = (&sent, &trap);
            scope.spawn(move || {
                for at in 0..10 {
                    sent.get(trap, FIREFOX, HOME);
                    let (status, ..) = sent.get(&sent.link(2 + thread * 10 + at, 1), FIREFOX, HOME);
                    assert_eq!(status, 302);
                }
            });
        }
    });
    let kept = app
        .database
        .number("SELECT COUNT(*) FROM hits WHERE recipient_id > 1");
    assert_eq!(kept, 80);
    let said = sent.server.process.stderr_so_far();
    assert!(said.contains("a hit was not recorded"), "{said}");
});

on_both_engines!(
    every_hit_that_was_answered_is_there_after_kill_9_under_load,
    |app| {
        let sent = sent(app, 400);
        let pixel = |reader| format!("{}{}", sent.server.url, sent.pixel(reader));
        let pixels: Vec<String> = (0..=400).map(pixel).collect();
        let answered = until_killed(sent.server.process, |reader| {
            let url = &pixels[reader as usize];
            let answer = crate::dashboard::browser()
                .get(url)
                .header("User-Agent", FIREFOX)
                .call();
            answer.is_ok_and(|answer| answer.status() == 200)
        });
        let known: i64 = answered
            .iter()
            .map(|reader| {
                app.database.number(&format!(
                    "SELECT COUNT(*) FROM hits WHERE recipient_id = {reader}"
                ))
            })
            .sum();
        assert_eq!(known, answered.len() as i64);
        let stats = stats(app, &[]);
        let counted = stats["opens"]["hits"].as_object().unwrap();
        let counted: i64 = counted.values().filter_map(serde_json::Value::as_i64).sum();
        assert_eq!(counted, app.database.number("SELECT COUNT(*) FROM hits"));
    }
);

/// Has four threads ask for 400 readers, and kills the server when 100 are answered. Returns whose request was answered.
pub fn until_killed(server: Running, ask: impl Fn(i64) -> bool + Sync) -> Vec<i64> {
    let answered = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (answered, ask) = (&answered, &ask);
            scope.spawn(move || {
                for reader in thread * 100 + 1..=thread * 100 + 100 {
                    if !ask(reader) {
                        return;
                    }
                    answered.lock().unwrap().push(reader);
                }
            });
        }
        wait_until("100 are answered", 60, || answered.lock().unwrap().len() >= 100);
        server.kill_9();
    });
    let answered = answered.into_inner().unwrap();
    assert!(answered.len() < 400, "the server was not killed under load");
    answered
}

on_both_engines!(
    old_hits_are_deleted_while_the_server_runs_and_their_counts_stay,
    |app| {
        let sent = sent(app, 2);
        for reader in [1, 2] {
            sent.get(&sent.link(reader, 1), FIREFOX, HOME);
        }
        drop(sent);
        let year = 366_i64 * 86_400_000_000;
        for (table, column) in [
            ("campaigns", "created_at"),
            ("hits", "at"),
            ("hit_recipients", "clicked_at"),
        ] {
            let whom = if table == "campaigns" {
                ""
            } else {
                " WHERE recipient_id = 1"
            };
            app.database
                .execute(&format!("UPDATE {table} SET {column} = {column} - {year}{whom}"));
        }
        app.configure(|settings| settings.more = "[tracking]\nkeep_hits = \"1h\"\n".to_owned());
        app.run(["check"])
            .failed_with(1)
            .says(&["keep_hits", "1h", "90days"]);
        app.configure(|settings| settings.more = "[tracking]\nkeep_hits = \"90days\"\n".to_owned());
        let _server = app.serve();
        wait_until("the old hit is gone", 20, || {
            app.database.number("SELECT COUNT(*) FROM hits") == 1
        });
        wait_until("nothing is known of its reader", 20, || {
            app.database
                .number("SELECT COUNT(*) FROM hit_recipients WHERE recipient_id = 1")
                == 0
        });
        assert_eq!(recipients(&stats(app, &[]), "clicks"), [2, 0, 0, 0]);
    }
);

//! A backup is taken while mail goes out, is found out if it is damaged, comes back on either engine, and what comes back
//! sends nothing by itself.

use crate::moving::{furnish, stop, told};
use crate::sign_in::{get, sign_in};
use crate::unsubscribe::one_click;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tidings_tests::script::Script;
use tidings_tests::{App, Engine, on_both_engines, wait_until};

/// Where the backup of an installation is.
#[track_caller]
pub fn back_up(app: &App) -> PathBuf {
    let file = app.folder().join("tidings.backup");
    app.run(["backup", "--to", file.to_str().unwrap()]).succeeded();
    file
}

/// An installation with nothing in it on the other engine.
pub fn on_the_other_engine(app: &App) -> App {
    App::start(match app.engine {
        Engine::Sqlite => Engine::Postgres,
        Engine::Postgres => Engine::Sqlite,
    })
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

on_both_engines!(what_comes_back_on_the_other_engine_is_the_same, |app| {
    let before = furnish(app);
    std::fs::create_dir_all(app.folder().join("uploads")).unwrap();
    app.write("uploads/waits.data", "email\nann@example.org\n");
    std::fs::create_dir_all(app.folder().join("secrets")).unwrap();
    app.write("secrets/relay-x.password", "a secret");
    let told_before = told(app, &before.campaigns);
    let file = back_up(app);
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let verified = app
        .run(["--json", "backup", "verify", text_of(&file)])
        .succeeded()
        .json();
    assert!(verified["rows"].as_u64().unwrap() > 100, "{verified}");

    let other = on_the_other_engine(app);
    let restored = other
        .run(["--json", "restore", text_of(&file)])
        .succeeded()
        .json();
    assert_eq!(restored["rows"], verified["rows"], "{restored}");
    let names = |what: &str| restored[what].as_array().unwrap().clone();
    assert!(
        names("files").contains(&"uploads/waits.data".into()),
        "{restored}"
    );
    assert_eq!(names("kept_files"), ["tidings.toml"], "{restored}");
    assert!(!other.folder().join("secrets").exists());
    assert_eq!(told(&other, &before.campaigns), told_before);

    let served = crate::dashboard::serve(&other);
    let link = format!("{}{}", served.url, before.unsubscribe);
    assert_eq!(one_click(&link), 200);
    let page = get(&format!("{}/campaigns", served.url), Some(&before.cookie));
    assert_ne!(page.status, 200, "a session does not come to life again");
    sign_in(&served, &before.email);
    stop(served);
});

on_both_engines!(
    a_backup_taken_while_mail_goes_out_sends_nothing_when_it_is_restored,
    |app| {
        // So slowly that it is not over before it is paused.
        app.relay.follow(Script::accepting().pace(10.0));
        app.import("readers", 400);
        let campaign = app.campaign("readers");
        let waits = app.campaign("readers");
        let mut sending = app.start_sending(campaign);
        wait_until("mail flows", 30, || app.relay.accepted_count() >= 50);
        let file = back_up(app);
        let at_the_backup = app.relay.accepted_count();
        assert!(
            sending.is_running() && at_the_backup < 400,
            "the sender was not stopped, nor was it done"
        );
        wait_until("mail still flows", 30, || {
            app.relay.accepted_count() > at_the_backup
        });
        app.steer(campaign, "pause");
        sending.wait(App::PATIENCE).succeeded();
        app.relay.follow(Script::accepting());
        app.steer(campaign, "resume");
        app.send(campaign);
        assert_eq!(app.relay.reached_once().len(), 400);

        let other = on_the_other_engine(app);
        other
            .run(["restore", text_of(&file)])
            .succeeded()
            .prints(&["campaign resume"]);
        other
            .run(["campaign", "schedule", &waits.to_string(), "--now"])
            .succeeded();
        let served = crate::dashboard::serve(&other);
        for id in [campaign, waits] {
            wait_until("it is held", 20, || other.show(id).state() == "held");
            assert!(other.show(id).reason().contains("restored from a backup"));
        }
        std::thread::sleep(std::time::Duration::from_secs(3));
        assert_eq!(other.relay.accepted_count(), 0, "nothing without a person");
        other.steer(campaign, "resume");
        wait_until("a person let it go on", 60, || {
            other.show(campaign).state() == "finished"
        });
        let show = other.show(campaign);
        assert_eq!(show.count("accepted") + show.count("unknown"), 400, "{show}");
        let again = other.relay.accepted_count();
        assert!(
            (1..=350).contains(&again),
            "only what the backup does not know of: {again}"
        );
        stop(served);
    }
);

on_both_engines!(a_damaged_backup_is_refused_and_leaves_nothing, |app| {
    app.import("readers", 200);
    let file = back_up(app);
    let whole = std::fs::read(&file).unwrap();
    let mut lines = String::new();
    GzDecoder::new(&whole[..]).read_to_string(&mut lines).unwrap();
    let packed = |text: &str| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap()
    };
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let without_end = lines.trim_end().rsplit_once('\n').unwrap().0;
    let damaged = [
        ("cut", whole[..whole.len() * 2 / 3].to_vec(), "damaged"),
        ("flipped", flipped, "damaged"),
        (
            "altered",
            packed(&lines.replace("Reader 17\"", "Reader 71\"")),
            "the rows of table recipients",
        ),
        (
            "without its end",
            packed(&format!("{without_end}\n")),
            "ends too early",
        ),
        (
            "with another end",
            packed(&lines.replace("\"files\":1", "\"files\":2")),
            "checksum",
        ),
        ("longer", packed(&format!("{lines}[1]\n")), "behind its end"),
        (
            "something else",
            b"no backup at all".to_vec(),
            "is no backup of tidings",
        ),
        (
            "of the future",
            packed(&lines.replacen("\"schema\":", "\"schema\":99", 1)),
            "damaged",
        ),
    ];
    let other = on_the_other_engine(app);
    let broken = other.folder().join("broken.backup");
    for (what, octets, says) in damaged {
        std::fs::write(&broken, octets).unwrap();
        for words in [&["backup", "verify"][..], &["restore"]] {
            let mut words = words.to_vec();
            words.push(text_of(&broken));
            let output = other.run(words).failed_with(1).says(&[says]);
            assert_eq!(
                output.stderr.lines().count(),
                1,
                "one sentence for `{what}`: {output}"
            );
        }
    }
    assert!(nothing_is_there(&other), "a refused backup left something");
    // And the whole one still goes there.
    other.run(["restore", text_of(&file)]).succeeded();
});

fn nothing_is_there(app: &App) -> bool {
    match app.engine {
        Engine::Sqlite => std::fs::read_dir(app.folder().join("database")).unwrap().count() == 0,
        Engine::Postgres => {
            app.database
                .number("SELECT COUNT(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace")
                == 0
        }
    }
}

on_both_engines!(a_backup_takes_the_place_of_nothing, |app| {
    app.import("readers", 3);
    let file = back_up(app);
    app.run(["backup", "--to", text_of(&file)])
        .failed_with(1)
        .says(&["is there already"]);
    app.run(["restore", text_of(&file)])
        .failed_with(1)
        .says(&["not empty"]);
    assert_eq!(app.database.number("SELECT COUNT(*) FROM recipients"), 3);
    // In a folder it is named after the time; through standard output it is the same.
    let folder = app.folder().join("backups");
    std::fs::create_dir(&folder).unwrap();
    let made = app
        .run(["--json", "backup", "--to", text_of(&folder)])
        .succeeded()
        .json();
    let named = PathBuf::from(made["file"].as_str().unwrap());
    assert_eq!(named.parent(), Some(folder.as_path()));
    app.run(["backup", "verify", text_of(&named)]).succeeded();
    let piped = app.folder().join("piped.backup");
    let mut command = app.command(["backup", "--to", "-"]);
    command.stdout(std::fs::File::create(&piped).unwrap());
    assert!(command.status().unwrap().success());
    app.run(["backup", "verify", text_of(&piped)]).succeeded();
});

on_both_engines!(a_restore_that_is_killed_leaves_everything_or_nothing, |app| {
    app.import("readers", 40_000);
    let file = back_up(app);
    let other = on_the_other_engine(app);
    let (mut killed, mut finished) = (0, false);
    for (moment, has_come) in MOMENTS {
        let mut restoring = other.spawn(["restore", text_of(&file)]);
        wait_until(moment, 60, || !restoring.is_running() || has_come(&other));
        finished = !restoring.is_running();
        if finished {
            restoring.wait(App::PATIENCE).succeeded();
            break;
        }
        restoring.kill_9();
        wait_until("PostgreSQL notices", 20, || {
            other.engine == Engine::Sqlite
                || other.database.number(
                    "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
                ) == 0
        });
        // If it was killed when it was done already, everything must be there.
        finished = something_is_there(&other);
        if finished {
            break;
        }
        killed += 1;
    }
    assert!(killed > 0, "it was never killed while it was writing");
    if !finished {
        other.run(["restore", text_of(&file)]).succeeded();
    }
    assert_eq!(other.database.number("SELECT COUNT(*) FROM recipients"), 40_000);
});

/// What has come, and whether it has.
type Moment = (&'static str, fn(&App) -> bool);

/// What a restore is killed at: after it has begun to write, and before all that it has written is the database.
const MOMENTS: [Moment; 2] = [("it writes", it_writes), ("rows are written", rows_are_written)];

fn it_writes(app: &App) -> bool {
    match app.engine {
        Engine::Sqlite => size_of_restoring(app) > 0,
        Engine::Postgres => is_under_way(app, "TRUE"),
    }
}

fn rows_are_written(app: &App) -> bool {
    match app.engine {
        // Much more than a new database has.
        Engine::Sqlite => size_of_restoring(app) > 2 << 20,
        Engine::Postgres => is_under_way(app, "query LIKE 'COPY \"recipients\"%'"),
    }
}

/// Octets of what is written beside the place of a SQLite database, without what is in its log alone.
fn size_of_restoring(app: &App) -> u64 {
    let file = std::fs::metadata(app.folder().join("database/tidings.db.restoring"));
    file.map_or(0, |file| file.len())
}

/// Whether the transaction that writes rows into PostgreSQL is open, and this is so of it.
fn is_under_way(app: &App, condition: &str) -> bool {
    app.database.number(&format!(
        "SELECT COUNT(*) FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE datname = current_database() AND granted \
         AND relation = to_regclass('instance') AND mode = 'AccessExclusiveLock' AND {condition}"
    )) > 0
}

fn something_is_there(app: &App) -> bool {
    match app.engine {
        Engine::Sqlite => app.folder().join("database/tidings.db").exists(),
        Engine::Postgres => {
            let tables = "SELECT COUNT(to_regclass('recipients'))";
            app.database.number(tables) == 1 && app.database.number("SELECT COUNT(*) FROM recipients") > 0
        }
    }
}

on_both_engines!(whoever_reads_a_backup_slowly_gets_all_of_it, |app| {
    app.import("readers", 40_000);
    if app.engine == Engine::Postgres {
        // The server may have been told to end who is silent in a transaction.
        let name = app.database.texts("SELECT current_database()::text").remove(0);
        app.database.execute(&format!(
            "ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '1s'"
        ));
    }
    let mut command = app.command(["backup", "--to", "-"]);
    command.stdout(std::process::Stdio::piped());
    let mut backing_up = command.spawn().unwrap();
    let mut pipe = backing_up.stdout.take().unwrap();
    let mut octets = vec![0; 1_000];
    pipe.read_exact(&mut octets).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(4));
    pipe.read_to_end(&mut octets).unwrap();
    assert!(backing_up.wait().unwrap().success());
    let file = app.folder().join("slow.backup");
    std::fs::write(&file, octets).unwrap();
    app.run(["backup", "verify", text_of(&file)]).succeeded();
});

on_both_engines!(while_a_restore_runs_nobody_uses_what_it_fills, |app| {
    app.import("readers", 40_000);
    let file = back_up(app);
    let other = on_the_other_engine(app);
    let mut restoring = other.spawn(["restore", text_of(&file)]);
    wait_until("it has begun", 60, || {
        !restoring.is_running()
            || match other.engine {
                Engine::Sqlite => other.folder().join("database/tidings.db.restoring-wal").exists(),
                Engine::Postgres => {
                    other.database.number(
                        "SELECT COUNT(*) FROM pg_locks WHERE relation = to_regclass('instance') \
                         AND mode = 'AccessExclusiveLock' AND granted",
                    ) == 1
                }
            }
    });
    assert!(restoring.is_running(), "it was too fast");
    restoring.stop();
    match other.engine {
        Engine::Sqlite => {
            other
                .run(["restore", text_of(&file)])
                .failed_with(1)
                .says(&["another restore"]);
            restoring.go_on();
            restoring.wait(App::PATIENCE).succeeded();
        }
        Engine::Postgres => {
            let mut waiting = [
                other.spawn(["export", "recipients"]),
                other.spawn(["restore", text_of(&file)]),
            ];
            std::thread::sleep(std::time::Duration::from_secs(3));
            assert!(
                waiting.iter_mut().all(|process| process.is_running()),
                "they wait"
            );
            restoring.go_on();
            restoring.wait(App::PATIENCE).succeeded();
            let [exporting, second] = waiting;
            let exported = exporting.wait(App::PATIENCE).succeeded();
            assert_eq!(exported.stdout.lines().count(), 40_001, "it saw all of it");
            second.wait(App::PATIENCE).failed_with(1).says(&["not empty"]);
        }
    }
    assert_eq!(other.database.number("SELECT COUNT(*) FROM recipients"), 40_000);
});

on_both_engines!(a_restore_whose_files_have_no_place_can_be_tried_again, |app| {
    app.import("readers", 3);
    std::fs::create_dir_all(app.folder().join("uploads")).unwrap();
    app.write("uploads/waits.data", "email\nann@example.org\n");
    app.write("kept-7.csv", "address,why\n");
    let file = back_up(app);
    let other = on_the_other_engine(app);
    let in_its_way = other.write("uploads", "not a folder");
    other
        .run(["restore", text_of(&file)])
        .failed_with(1)
        .says(&["cannot write"]);
    let recipients = match other.engine {
        Engine::Sqlite => i64::from(other.folder().join("database/tidings.db").exists()),
        Engine::Postgres => other.database.number("SELECT COUNT(*) FROM recipients"),
    };
    assert_eq!(recipients, 0, "there is no database without its files");
    std::fs::remove_file(in_its_way).unwrap();
    other.run(["restore", text_of(&file)]).succeeded();
    assert_eq!(other.database.number("SELECT COUNT(*) FROM recipients"), 3);
    for name in ["uploads/waits.data", "kept-7.csv"] {
        assert!(other.folder().join(name).exists(), "{name}");
    }
    assert!(!other.folder().join(".restoring").exists());
});

on_both_engines!(a_backup_says_that_passwords_in_urls_are_in_it, |app| {
    app.import("readers", 3);
    app.configure(|settings| {
        settings.more = "[[intake.imap]]\nurl = \"imaps://ann:secret@imap.example.com\"\n".to_owned();
    });
    let file = app.folder().join("tidings.backup");
    let made = app.run(["backup", "--to", text_of(&file)]).succeeded();
    let said = made.says(&["passwords", "intake.imap.url"]);
    assert!(!said.stderr.contains("secret@"), "{said}");
});

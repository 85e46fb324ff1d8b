//! An installation that has outgrown one machine moves to PostgreSQL, whole, whatever is killed meanwhile, and never sends from two
//! places.

use crate::dashboard::{Served, serve};
use crate::sign_in::{administrator, sign_in};
use crate::unsubscribe::{self, one_click};
use sqlx::{Connection, SqliteConnection};
use std::time::Duration;
use tidings_tests::script::Script;
use tidings_tests::{App, Engine, Output, Running, wait_until};

/// An installation on SQLite, and another on PostgreSQL that holds nothing yet.
fn two() -> (App, App) {
    (App::start(Engine::Sqlite), App::start(Engine::Postgres))
}

fn migrate(from: &App, to: &App) -> Running {
    from.spawn([
        "--json",
        "migrate",
        "--from",
        from.database.url(),
        "--to",
        to.database.url(),
    ])
}

#[track_caller]
fn migrated(from: &App, to: &App) -> Output {
    migrate(from, to).wait(App::PATIENCE).succeeded()
}

fn release(app: &App) -> Output {
    app.run(["--json", "migrate", "--from", app.database.url(), "--release"])
}

/// Something of everything: campaigns in each state, rejected rows, suppressions, people, a session, an unsubscribe link.
pub struct Furnished {
    pub campaigns: Vec<i64>,
    pub unsubscribe: String,
    pub email: String,
    pub cookie: String,
}

pub fn furnish(app: &App) -> Furnished {
    app.relay.follow(Script::accepting().keep_content(1 << 20));
    app.import("readers", 30);
    app.import_csv(
        "others",
        "email,name,city\nann@example.net,\"Ann \\ \t\"\"x\"\"\",Zürich 🙂\nnot an address,,\n",
    );
    app.run(["suppression", "add", "reader30@example.org"])
        .succeeded();
    let campaigns: Vec<i64> = (0..5).map(|_| app.campaign("readers")).collect();
    app.send(campaigns[0]);
    app.run([
        "campaign",
        "schedule",
        &campaigns[1].to_string(),
        "--at",
        "2090-06-01 09:00",
        "--timezone",
        "Europe/Berlin",
    ])
    .succeeded();
    app.steer(campaigns[2], "cancel");
    app.run(["campaign", "schedule", &campaigns[3].to_string(), "--now"])
        .succeeded();
    app.steer(campaigns[3], "pause");
    let served = serve(app);
    let email = administrator(app, &served);
    let cookie = sign_in(&served, &email);
    let link = unsubscribe::link(app, &served, "reader1@example.org");
    let other = unsubscribe::link(app, &served, "reader2@example.org");
    assert_eq!(one_click(&other), 200);
    let path = link.strip_prefix(&served.url).unwrap().to_owned();
    stop(served);
    Furnished {
        campaigns,
        unsubscribe: path,
        email,
        cookie,
    }
}

pub fn stop(served: Served) {
    served.process.sigterm();
    served.process.wait(Duration::from_secs(30)).succeeded();
}

/// What commands say of an installation.
pub fn told(app: &App, campaigns: &[i64]) -> Vec<String> {
    let ids: Vec<String> = campaigns.iter().map(i64::to_string).collect();
    let mut told = Vec::new();
    for words in [
        &["export", "recipients", "--format", "jsonl"][..],
        &["export", "lists", "--format", "jsonl"],
        &["export", "consent", "--format", "jsonl"],
        &["export", "unsubscribes", "--format", "jsonl"],
        &["suppression", "export"],
        &["--json", "template", "list"],
        &["--json", "import", "list"],
        &["--json", "user", "list"],
        &["--json", "stats", "bounces"],
    ] {
        told.push(app.run(words.iter().copied()).succeeded().stdout);
    }
    for id in &ids {
        told.push(app.run(["--json", "campaign", "show", id]).succeeded().stdout);
        told.push(
            app.run(["campaign", "deliveries", id, "--format", "jsonl"])
                .succeeded()
                .stdout,
        );
    }
    told
}

#[test]
fn an_installation_that_moves_is_the_same_afterwards() {
    let (from, to) = two();
    let before = furnish(&from);
    // One that was never to go out took its number along: numbers are not given out twice.
    let removed = from.campaign("readers");
    from.database.execute(&format!(
        "DELETE FROM campaign_lists WHERE campaign_id = {removed}"
    ));
    from.database
        .execute(&format!("DELETE FROM campaigns WHERE id = {removed}"));
    let told_before = told(&from, &before.campaigns);

    let moved = migrated(&from, &to).json();
    assert_eq!((&moved["moved"], &moved["replaced"]), (&true.into(), &0.into()));
    assert!(moved["rows"].as_u64().unwrap() > 100, "{moved}");
    to.relay.follow(Script::accepting().keep_content(1 << 20));
    assert_eq!(told(&to, &before.campaigns), told_before);
    assert!(to.campaign("readers") > removed);

    let served = serve(&to);
    let link = format!("{}{}", served.url, before.unsubscribe);
    assert_eq!(one_click(&link), 200);
    let page = crate::sign_in::get(&format!("{}/campaigns", served.url), Some(&before.cookie));
    assert_eq!(page.status, 200, "who was signed in still is");
    sign_in(&served, &before.email);
    stop(served);

    // It goes on where it was, without a person.
    to.steer(before.campaigns[3], "resume");
    let show = to.send(before.campaigns[3]);
    assert_eq!((show.state(), show.count("accepted")), ("finished", 27), "{show}");
}

#[test]
fn what_has_moved_is_not_used_in_its_old_place() {
    let (from, to) = two();
    // So slowly that it is not over before it is paused.
    from.relay.follow(Script::accepting().pace(10.0));
    from.import("readers", 300);
    let campaign = from.campaign("readers");
    let mut sending = from.start_sending(campaign);
    wait_until("mail flows", 30, || from.relay.accepted_count() >= 20);
    migrate(&from, &to)
        .wait(App::PATIENCE)
        .failed_with(1)
        .says(&["already sending"]);
    assert!(sending.is_running(), "everything was sent before");
    from.steer(campaign, "pause");
    sending.wait(App::PATIENCE).succeeded();
    let sent = from.relay.accepted_count();

    migrated(&from, &to);
    for words in [&["serve"][..], &["campaign", "list"], &["campaign", "send", "1"]] {
        from.run(words.iter().copied())
            .failed_with(1)
            .says(&["has moved to PostgreSQL", "--release"]);
    }
    migrate(&from, &to)
        .wait(App::PATIENCE)
        .failed_with(1)
        .says(&["has moved to PostgreSQL"]);
    to.steer(campaign, "resume");
    to.send_to(to.relay.address());
    assert_eq!(to.send(campaign).count("accepted"), 300);
    assert_eq!(
        from.relay.accepted_count(),
        sent,
        "nothing more from the old place"
    );
    assert_eq!(
        sent + to.relay.accepted_count(),
        300,
        "nobody twice, nobody forgotten"
    );

    // A person says that the old one is to be used again: what would send is held there.
    let released = release(&from).succeeded().json();
    assert_eq!(
        (&released["had_moved"], &released["held"]),
        (&true.into(), &1.into())
    );
    let show = from.show(campaign);
    assert_eq!(show.state(), "held", "{show}");
    assert!(show.reason().contains("had moved to another database"), "{show}");
    from.run(["campaign", "send", &campaign.to_string()])
        .failed_with(1);
    assert_eq!(from.relay.accepted_count(), sent);
    release(&from).failed_with(1).says(&["has not moved"]);
}

/// Starts the move, and kills it when the target has rows in this table.
fn kill_once_there_are_rows_in(table: &str, from: &App, to: &App, more_than: i64) -> i64 {
    let mut moving = migrate(from, to);
    let count = |table: &str| {
        to.database.number(&format!(
            "SELECT COUNT(*) FROM pg_class WHERE relname = '{table}' AND relnamespace = current_schema()::regnamespace"
        )) > 0
            && to.database.number(&format!("SELECT COUNT(*) FROM {table}")) > more_than
    };
    wait_until("rows are written", 60, || !moving.is_running() || count(table));
    assert!(moving.is_running(), "it was too fast: {}", moving.stderr_so_far());
    moving.kill_9();
    to.database.number(&format!("SELECT COUNT(*) FROM {table}"))
}

#[test]
fn a_move_that_is_killed_goes_on_with_the_same_command() {
    let (from, to) = two();
    from.import("readers", 30_000);
    let campaign = from.campaign("readers");
    let told_before = told(&from, &[campaign]);
    let mut there = 0;
    for _ in 0..3 {
        there = kill_once_there_are_rows_in("recipients", &from, &to, there);
        assert!(there % 5_000 == 0, "whole batches: {there}");
        from.run(["campaign", "list"])
            .failed_with(1)
            .says(&["is moving to PostgreSQL"]);
        to.run(["serve"])
            .failed_with(1)
            .says(&["does not hold everything yet"]);
    }
    migrated(&from, &to);
    assert_eq!(told(&to, &[campaign]), told_before);
    assert_eq!(to.database.number("SELECT COUNT(*) FROM transfer_tables"), 0);
}

#[test]
fn a_row_that_differs_is_found_before_anything_uses_it() {
    let (from, to) = two();
    from.import("readers", 20_000);
    kill_once_there_are_rows_in("recipients", &from, &to, 0);
    let first = "(SELECT MIN(id) FROM recipients)";
    to.database.execute(&format!(
        "UPDATE recipients SET name = 'Somebody' WHERE id = {first}"
    ));
    migrate(&from, &to)
        .wait(App::PATIENCE)
        .failed_with(1)
        .says(&["table recipients has 20000 rows, not all the same"]);
    to.run(["campaign", "list"]).failed_with(1);
    from.run(["campaign", "list"]).failed_with(1);

    to.database.execute(&format!(
        "UPDATE recipients SET name = 'Reader 1' WHERE id = {first}"
    ));
    to.database
        .execute(&format!("DELETE FROM subscriptions WHERE recipient_id = {first}"));
    migrate(&from, &to)
        .wait(App::PATIENCE)
        .failed_with(1)
        .says(&["table subscriptions had 20000 rows and has 19999"]);

    // It is given up: nothing was ever sent elsewhere, so nothing is held.
    let released = release(&from).succeeded().json();
    assert_eq!(
        (&released["had_moved"], &released["held"]),
        (&false.into(), &0.into())
    );
    from.run(["campaign", "list"]).succeeded();
    // What was given up is not gone on with.
    migrate(&from, &to)
        .wait(App::PATIENCE)
        .failed_with(1)
        .says(&["not empty", "a move into it has begun"]);
    from.run(["campaign", "list"]).succeeded();
}

#[test]
fn only_an_empty_database_is_moved_into_and_a_move_goes_to_one_place() {
    let (from, to) = two();
    let other = App::start(Engine::Postgres);
    from.import("readers", 20_000);
    other.import("strangers", 2);
    migrate(&from, &other)
        .wait(App::PATIENCE)
        .failed_with(1)
        .says(&["not empty", "has rows"]);
    from.run(["campaign", "list"]).succeeded();
    assert_eq!(other.database.number("SELECT COUNT(*) FROM recipients"), 2);

    kill_once_there_are_rows_in("recipients", &from, &to, 0);
    let third = App::start(Engine::Postgres);
    migrate(&from, &third)
        .wait(App::PATIENCE)
        .failed_with(1)
        .says(&["is moving to another database", "--release"]);
    migrated(&from, &to);

    let nothing = from.folder().join("nothing.db");
    let nothing = format!("sqlite://{}", nothing.display());
    from.run(["migrate", "--from", &nothing, "--to", third.database.url()])
        .failed_with(1)
        .says(&["there is no database"]);
    from.run([
        "migrate",
        "--from",
        third.database.url(),
        "--to",
        other.database.url(),
    ])
    .failed_with(1)
    .says(&["tidings backup"]);
    from.run(["migrate", "--from", from.database.url(), "--to", &nothing])
        .failed_with(1)
        .says(&["tidings backup"]);
}

#[test]
fn texts_that_postgresql_does_not_take_are_named_and_replaced_on_wish() {
    let (from, to) = two();
    from.import("readers", 3);
    from.database
        .execute("UPDATE recipients SET name = 'a' || CHAR(0) || 'b' WHERE address = 'reader1@example.org'");
    from.database
        .execute("UPDATE recipients SET name = CAST(X'C3' AS TEXT) WHERE address = 'reader2@example.org'");
    let id = from
        .database
        .number("SELECT id FROM recipients WHERE address = 'reader1@example.org'");
    let refused = format!("table recipients, row [{id}], column name");
    migrate(&from, &to)
        .wait(App::PATIENCE)
        .failed_with(1)
        .says(&[&refused, "NUL", "--replace-unfit"]);
    let moved = from
        .run([
            "--json",
            "migrate",
            "--replace-unfit",
            "--from",
            from.database.url(),
            "--to",
            to.database.url(),
        ])
        .succeeded()
        .says(&[&refused, "is not UTF-8"]);
    assert_eq!(moved.json()["replaced"], 2);
    for (reader, name) in [
        ("reader1", "a\u{FFFD}b"),
        ("reader2", "\u{FFFD}"),
        ("reader3", "Reader 3"),
    ] {
        let found = to.database.number(&format!(
            "SELECT COUNT(*) FROM recipients WHERE address = '{reader}@example.org' AND name = '{name}'"
        ));
        assert_eq!(found, 1, "{reader}");
    }
}

#[test]
fn a_server_that_only_has_pages_keeps_its_installation_from_moving() {
    let (from, to) = two();
    from.import("readers", 3);
    let serving = from.spawn(["serve", "--roles", "web"]);
    let at_work = "SELECT COUNT(*) FROM nodes WHERE state = 'running'";
    wait_until("it is at work", 30, || from.database.number(at_work) == 1);
    migrate(&from, &to)
        .wait(App::PATIENCE)
        .failed_with(1)
        .says(&["is at work here", "stop the server"]);
    from.run(["campaign", "list"]).succeeded();
    serving.sigterm();
    serving.wait(App::PATIENCE).succeeded();
    migrated(&from, &to);
}

#[test]
fn who_has_the_old_database_open_all_the_time_writes_nothing_there_any_more() {
    let (from, to) = two();
    from.import("readers", 3);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap();
    let open = runtime.block_on(SqliteConnection::connect(from.database.url()));
    let mut open = open.unwrap();
    let mut write = || {
        let text = "UPDATE recipients SET name = 'Somebody'";
        runtime.block_on(sqlx::query(text).execute(&mut open)).map(drop)
    };
    write().unwrap();
    migrated(&from, &to);
    let refused = write().unwrap_err().to_string();
    assert!(refused.contains("has moved to another database"), "{refused}");
    release(&from).succeeded();
    write().unwrap();
}

#[test]
fn a_move_that_runs_is_not_given_up() {
    let (from, to) = two();
    from.import("readers", 30_000);
    let mut moving = migrate(&from, &to);
    let rows = "SELECT COUNT(*) FROM pg_stat_user_tables WHERE relname = 'recipients' AND n_live_tup > 0";
    wait_until("rows are written", 60, || {
        !moving.is_running() || to.database.number(rows) > 0
    });
    moving.stop();
    release(&from)
        .failed_with(1)
        .says(&["moves this database", "end it first"]);
    moving.go_on();
    moving.wait(App::PATIENCE).succeeded();
    to.run(["campaign", "list"]).succeeded();
    from.run(["campaign", "list"]).failed_with(1);
}

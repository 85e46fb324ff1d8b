//! An import is a job: cut off, it goes on where its last commit was and ends as if nothing had happened; and it can be taken
//! back.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tidings_tests::{App, Random, on_both_engines, wait_until};

/// Enough rows for several batches, some of which are duplicates, suppressed or none.
const ROWS: usize = 90_000;

fn many_rows() -> String {
    rows(ROWS)
}

fn rows(n: usize) -> String {
    let mut rows = String::from("email,name,city\n");
    for i in 0..n {
        match i % 100 {
            7 => rows.push_str(&format!("no address {i},Nobody,Bern\n")),
            8 => rows.push_str(&format!("reader{}@example.org,Again,Bern\n", i / 2)),
            9 => rows.push_str(&format!("known{i}@example.org,Known {i},Rome\n")),
            _ => rows.push_str(&format!("reader{i}@example.org,Reader {i},Bern\n")),
        }
    }
    rows
}

/// An installation that knows some of the recipients and suppresses another.
fn prepare(app: &App) {
    let mut known = String::from("email,name,city\n");
    for i in (9..ROWS).step_by(100) {
        known.push_str(&format!("known{i}@example.org,Known {i},Bern\n"));
    }
    app.import_csv("others", &known);
    app.database.execute(
        "INSERT INTO suppressions (address_key, reason, evidence, created_at) \
         VALUES ('reader1@example.org', 'complaint', 'test', 0)",
    );
}

/// What an import has left, to be compared.
fn state(app: &App) -> Vec<i64> {
    [
        "SELECT COUNT(*) FROM recipients",
        "SELECT COUNT(*) FROM recipients WHERE name LIKE 'Again%'",
        "SELECT COUNT(*) FROM recipients WHERE attributes = '{\"city\":\"Rome\"}'",
        "SELECT COUNT(*) FROM subscriptions WHERE state = 'confirmed'",
    ]
    .iter()
    .map(|query| app.database.number(query))
    .collect()
}

/// Every recipient with everything but the moments, and who is on the list.
fn everything(app: &App) -> BTreeSet<String> {
    let export = |list: &[&str]| {
        let command = [&["export", "recipients", "--format", "jsonl"], list].concat();
        app.run(command).succeeded().json_lines()
    };
    let (all, on_list) = (export(&[]), export(&["--list", "readers"]));
    let without_moments = |mut row: Value| {
        let fields = row.as_object_mut().unwrap();
        fields.remove("created_at").unwrap();
        fields.remove("updated_at").unwrap();
        row.to_string()
    };
    all.into_iter().chain(on_list).map(without_moments).collect()
}

fn counts(summary: &Value) -> Value {
    let names = [
        "rows",
        "created",
        "updated",
        "unchanged",
        "duplicates",
        "suppressed",
        "rejected",
    ];
    names
        .iter()
        .map(|name| (name.to_string(), summary[name].clone()))
        .collect()
}

fn rows_so_far(app: &App) -> i64 {
    app.database.number("SELECT COUNT(*) FROM recipients")
}

/// Waits until an import beside the test has committed something.
fn wait_for_progress(app: &App, before: i64) {
    let began = Instant::now();
    while rows_so_far(app) == before {
        assert!(began.elapsed() < App::PATIENCE, "the import does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn show(app: &App, id: i64) -> Value {
    app.run(["--json", "import", "show", &id.to_string()])
        .succeeded()
        .json()
}

/// The newest import's id.
fn newest(app: &App) -> i64 {
    app.database.number("SELECT MAX(id) FROM imports")
}

/// The file of rejected rows.
fn rejects(app: &App, summary: &Value) -> String {
    let file = summary["rejects_file"].as_str().expect("rows were rejected");
    std::fs::read_to_string(app.folder().join(file)).unwrap()
}

on_both_engines!(
    a_killed_import_goes_on_and_ends_as_if_it_had_never_been_killed,
    |app| {
        // So many that it has far to go when it was killed for the last time.
        const MANY: usize = 2 * ROWS;
        let undisturbed = App::start(app.engine);
        let rows = rows(MANY);
        let import = |app: &App| -> [String; 5] {
            let file = app.write("many.csv", &rows);
            ["--json", "import", file.to_str().unwrap(), "--list", "readers"].map(str::to_owned)
        };
        prepare(&undisturbed);
        let expected = undisturbed.run(import(&undisturbed)).succeeded().json();
        prepare(app);
        let command = import(app);
        let mut random = Random::new();
        for kill in 0..4 {
            let before = rows_so_far(app);
            if before > MANY as i64 / 2 {
                break;
            }
            let mut running = app.spawn(&command);
            wait_until("the import commits something", 60, || {
                assert!(
                    running.is_running(),
                    "kill {kill}: it ended by itself\n{}",
                    running.stderr_so_far()
                );
                rows_so_far(app) != before
            });
            std::thread::sleep(random.below(Duration::from_millis(150)));
            let killed = running.kill_9();
            assert!(!killed.status.success(), "kill {kill} came too late\n{killed}");
        }
        let last = app.run(&command).succeeded().json();
        assert!(
            last["resumed_after"].as_u64().is_some_and(|rows| rows > 0),
            "{last}"
        );
        assert_eq!(counts(&last), counts(&expected));
        assert_eq!(rejects(app, &last), rejects(&undisturbed, &expected));
        let (is, should_be) = (everything(app), everything(&undisturbed));
        let differs: Vec<_> = is.symmetric_difference(&should_be).take(5).collect();
        assert!(differs.is_empty(), "{differs:#?}");
    }
);

on_both_engines!(
    a_running_server_goes_on_with_an_import_whose_process_is_gone,
    |app| {
        prepare(app);
        let file = app.write("many.csv", &many_rows());
        let before = rows_so_far(app);
        let running = app.spawn(["import", file.to_str().unwrap(), "--list", "readers"]);
        wait_for_progress(app, before);
        running.kill_9();
        let id = newest(app);
        let was = show(app, id);
        let _server = app.serve();
        let began = Instant::now();
        let done = loop {
            let now = show(app, id);
            if now["state"] == "finished" {
                break now;
            }
            assert!(began.elapsed() < App::PATIENCE, "it does not go on: {now}");
            std::thread::sleep(Duration::from_millis(200));
        };
        assert_eq!(done["counts"]["rows"], ROWS);
        if was["state"] == "interrupted" {
            assert!(was["counts"]["rows"].as_u64() < Some(ROWS as u64), "{was}");
        }
    }
);

on_both_engines!(a_stopped_import_goes_on_or_back_when_a_person_says_so, |app| {
    let file = app.write("many.csv", &many_rows());
    let command = ["--json", "import", file.to_str().unwrap(), "--list", "readers"];
    prepare(app);
    let before = state(app);
    let running = app.spawn(command);
    wait_for_progress(app, before[0]);
    running.sigterm();
    let stopped = running.wait(App::PATIENCE).failed_with(1);
    stopped.says(&["a signal asked it to stop", "the same command goes on", "--undo"]);
    let id = newest(app);
    let shown = show(app, id);
    assert_eq!(
        (&shown["state"], &shown["reason"]),
        (&json!("stopped"), &json!("a signal asked it to stop"))
    );
    let undone = app
        .run(["--json", "import", "--undo", &id.to_string()])
        .succeeded()
        .json();
    assert_eq!(undone["removed"], shown["counts"]["created"]);
    assert_eq!(state(app), before);
    // The same command now begins anew.
    let again = app.run(command).succeeded().json();
    assert_eq!(
        (&again["resumed_after"], again["import_id"].as_i64()),
        (&Value::Null, Some(id + 1))
    );
});

/// The same command with a file as its standard input.
fn reading_from(file: &Path, command: Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("exec \"$0\" \"$@\" < {}", file.display())])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, _) in command.get_envs() {
        shell.env_remove(name);
    }
    shell
}

on_both_engines!(an_import_from_standard_input_goes_on_too, |app| {
    let rows = app.write("many.csv", &many_rows());
    let line = |app: &App| reading_from(&rows, app.command(["--json", "import", "-", "--list", "readers"]));
    prepare(app);
    let before = rows_so_far(app);
    let running = app.spawn_command(line(app));
    wait_for_progress(app, before);
    running.kill_9();
    let copies = |app: &App| {
        let named = |path: &Path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("incoming-")
        };
        let files = std::fs::read_dir(app.folder()).unwrap();
        files.filter(|file| named(&file.as_ref().unwrap().path())).count()
    };
    let cut_off = app
        .database
        .number("SELECT COUNT(*) FROM imports WHERE state = 'running'")
        == 1;
    assert_eq!(
        copies(app) == 1,
        cut_off,
        "what was read is kept as long as it is needed"
    );
    let done = app
        .spawn_command(line(app))
        .wait(App::PATIENCE)
        .succeeded()
        .json();
    assert_eq!(done["resumed_after"].is_u64(), cut_off);
    assert_eq!(copies(app), 0);
    assert_eq!(done["rows"], ROWS);
});

on_both_engines!(the_record_of_an_import_can_be_read, |app| {
    let file = app.write(
        "people.csv",
        "Mail;Full name;Age\nann@example.org;Ann;41\nbob;Bob;3\n",
    );
    let summary = app
        .run([
            "--json",
            "import",
            file.to_str().unwrap(),
            "--list",
            "readers",
            "--map",
            "Age=age:number",
            "--consent",
            "the fair",
            "--by",
            "Ann Example",
        ])
        .succeeded()
        .json();
    let id = summary["import_id"].as_i64().unwrap();
    let shown = show(app, id);
    for (key, value) in [
        ("state", json!("finished")),
        ("list", json!("readers")),
        ("started_by", json!("Ann Example")),
        ("consent", json!("the fair")),
        ("counts", counts(&summary)),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    let described = &shown["files"][0];
    assert_eq!(
        described["mapping"],
        json!(["Mail=email", "Full name=name", "Age=age:number"])
    );
    assert_eq!(described["sha256"].as_str().map(str::len), Some(64));
    app.run(["import", "show", &id.to_string()]).succeeded().prints(&[
        "into \"readers\": finished",
        "by Ann Example",
        "the fair",
        "Age=age:number",
        "SHA-256",
    ]);
    app.run(["import", "list"])
        .succeeded()
        .prints(&["people.csv", "finished", "2 rows"]);
    app.run(["import", "show", "99"])
        .failed_with(1)
        .says(&["there is no import 99"]);
    app.run(["import", "--undo", "99"])
        .failed_with(1)
        .says(&["there is no import `99`"]);
});

on_both_engines!(an_import_taken_back_names_what_stays, |app| {
    app.import_csv(
        "readers",
        "email,name,city\nann@example.org,Ann,Bern\nbob@example.org,Bob,Bern\n",
    );
    let wrong = app.import_csv(
        "readers",
        "email,name,city\nann@example.org,Wrong,Rome\nbob@example.org,Wrong,Rome\ncarl@example.org,Carl,Rome\n",
    );
    app.import_csv("readers", "email,city\nbob@example.org,Oslo\n");
    let id = wrong["import_id"].to_string();
    let undone = app.run(["--json", "import", "--undo", &id]).succeeded().json();
    assert_eq!(
        (&undone["removed"], &undone["restored"], &undone["kept"]),
        (&json!(1), &json!(1), &json!(1))
    );
    let kept = std::fs::read_to_string(app.folder().join(undone["kept_file"].as_str().unwrap())).unwrap();
    assert_eq!(
        kept,
        "address,why\nbob@example.org,changed since by others: city\n"
    );
    for (name, attributes) in [("Ann", "Bern"), ("Bob", "Oslo")] {
        let query = format!(
            "SELECT COUNT(*) FROM recipients WHERE name = '{name}' AND attributes = '{{\"city\":\"{attributes}\"}}'"
        );
        assert_eq!(app.database.number(&query), 1, "{name}");
    }
    app.run(["import", "--undo", &id])
        .failed_with(1)
        .says(&["has been taken back already"]);
});

on_both_engines!(
    taking_a_large_import_back_takes_seconds_and_leaves_no_lock,
    |app| {
        let mut rows = String::from("email\n");
        for i in 0..25_000 {
            rows.push_str(&format!("reader{i}@example.org\n"));
        }
        let id = app.import_csv("readers", &rows)["import_id"].to_string();
        let began = Instant::now();
        let undone = app.run(["--json", "import", "--undo", &id]).succeeded().json();
        assert_eq!(undone["removed"], json!(25_000));
        // Half a second; a minute where each recipient costs a look at all subscriptions.
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        let left = std::fs::read_dir(app.folder()).unwrap();
        for file in left {
            let name = file.unwrap().file_name();
            assert!(
                !name.to_string_lossy().contains(".import-"),
                "{name:?} stays behind"
            );
        }
    }
);

on_both_engines!(an_undo_that_was_cut_off_goes_on_with_its_report, |app| {
    let row = "email,name\nann@example.org,Ann\nno address,Nobody\n";
    let id = app.import_csv("readers", row)["import_id"].to_string();
    let shown = app.run(["import", "show", &id]).succeeded();
    shown.prints(&[&format!("rejects-{id}.csv")]);
    app.database
        .execute("UPDATE imports SET state = 'undoing'; UPDATE recipients SET updated_at = 0");
    app.write(&format!("kept-{id}.csv"), "address,why\nbob@example.org,before\n");
    let listed = app.run(["import", "list"]).succeeded();
    listed.prints(&["half undone"]);
    app.run(["import", "--undo", &id]).succeeded();
    let kept = std::fs::read_to_string(app.folder().join(format!("kept-{id}.csv"))).unwrap();
    assert_eq!(
        kept,
        "address,why\nbob@example.org,before\nann@example.org,the recipient was changed since by others\n"
    );
    let kept = |what: &str| format!("SELECT COUNT(*) FROM audit_log WHERE what = '{what}'");
    assert_eq!(app.database.number(&kept("took back an import")), 0);
    assert_eq!(app.database.number(&kept("went on taking back an import")), 1);
});

//! With `--json`, standard output is for programs: one document, and nothing else.

use std::process::Stdio;
use std::time::Duration;
use tidings_tests::script::Script;
use tidings_tests::{App, on_both_engines};

on_both_engines!(the_ledger_is_one_json_document_with_times_of_rfc_3339, |app| {
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    let id = campaign.to_string();
    let empty = app.run(["--json", "campaign", "deliveries", &id]).succeeded();
    assert_eq!(empty.json(), serde_json::json!([]));
    app.send(campaign);
    let rows = app
        .run(["--json", "campaign", "deliveries", &id])
        .succeeded()
        .json();
    assert_eq!(rows.as_array().map(Vec::len), Some(3), "{rows}");
    let settled = rows[0]["settled_at"].as_str().unwrap();
    assert!(settled.ends_with('Z') && settled.len() == 20, "{settled}");
    let csv = app.run(["campaign", "deliveries", &id]).succeeded().stdout;
    assert!(csv.contains(settled), "{csv}");
});

on_both_engines!(a_reader_who_has_seen_enough_of_the_ledger_is_no_failure, |app| {
    app.import("readers", 5000);
    let campaign = app.campaign("readers");
    app.send(campaign);
    for format in ["csv", "jsonl"] {
        let mut command = app.command([
            "campaign",
            "deliveries",
            &campaign.to_string(),
            "--format",
            format,
        ]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
    }
});

on_both_engines!(a_server_says_where_it_is_as_json, |app| {
    let serving = app.spawn(["--json", "serve"]);
    tidings_tests::wait_until("it says where it is", 30, || {
        serving.stdout_so_far().ends_with('\n')
    });
    serving.sigterm();
    let said = serving.wait(App::PATIENCE).succeeded().json();
    assert!(
        said["dashboard"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:"),
        "{said}"
    );
});

#[test]
fn the_demo_prints_one_document_at_its_end() {
    let app = App::start(tidings_tests::Engine::Sqlite);
    let mut command = std::process::Command::new(app.command(["demo"]).get_program());
    command.args([
        "--json",
        "demo",
        "--recipients",
        "50",
        "--port",
        "0",
        "--exit-when-finished",
    ]);
    let shown = app.spawn_command(command).wait(App::PATIENCE).succeeded().json();
    assert_eq!(
        (&shown["state"], &shown["planned"]),
        (&"finished".into(), &50.into()),
        "{shown}"
    );
}

on_both_engines!(the_rate_counts_the_attempts_of_this_run, |app| {
    app.relay
        .follow(Script::accepting().delay(Duration::from_millis(300)));
    app.import("readers", 40);
    let campaign = app.campaign("readers");
    let sending = app.start_sending(campaign);
    tidings_tests::wait_until("mail flows", 30, || app.relay.accepted_count() > 0);
    sending.kill_9();
    app.relay.follow(Script::accepting());
    let show = app.send(campaign);
    assert!(show.count("unknown") > 0, "{show}");
    app.run(["campaign", "settle", &campaign.to_string(), "--resend-unknown"])
        .succeeded();
    let show = app.send(campaign);
    assert!(show.0["messages_per_second"].as_f64().unwrap() > 0.0, "{show}");
});

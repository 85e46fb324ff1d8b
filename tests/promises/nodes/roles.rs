//! What a process does and what it does not, by its roles.

use super::*;
use std::io::Read;
use std::net::TcpStream;
use tidings_tests::free_port;

on_both_engines!(a_process_does_what_its_roles_say_and_nothing_else, |app| {
    app.import("readers", 20);
    let campaign = app.campaign("readers");
    let port = free_port();
    app.configure(|settings| {
        settings.more =
            format!("[[intake.smtp]]\nlisten = \"127.0.0.1:{port}\"\ndomains = [\"bounce.example.com\"]\n");
    });
    let takes_reports = || TcpStream::connect(("127.0.0.1", port)).is_ok();

    let web = node(app, "w", "web");
    assert!(web.stdout_so_far().contains("dashboard: http://"));
    start(app, campaign);
    std::thread::sleep(A_WHILE);
    assert_eq!(
        app.show(campaign).state(),
        "scheduled",
        "nobody keeps the calendar"
    );
    assert!(!takes_reports(), "nobody takes reports");

    let schedule = node(app, "s", "schedule");
    assert!(!schedule.stdout_so_far().contains("dashboard"));
    wait_until("the campaign has started", 30, || {
        app.show(campaign).state() == "sending"
    });
    std::thread::sleep(A_WHILE);
    assert_eq!(app.relay.accepted_count(), 0, "nobody sends");

    let intake = node(app, "i", "intake");
    let mut greeting = [0; 3];
    let mut session = TcpStream::connect(("127.0.0.1", port)).unwrap();
    session.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"220");
    drop(session);

    let send = node(app, "x", "send");
    assert!(send.stdout_so_far().contains("without pages: send"));
    finished(app, campaign);
    assert_eq!(app.relay.reached_once().len(), 20);
    for (name, roles) in [("w", "web"), ("s", "schedule"), ("i", "intake"), ("x", "send")] {
        let seen = seen(app, name).unwrap();
        assert_eq!(seen["roles"], serde_json::json!([roles]));
        assert_eq!(seen["listen"].is_string(), roles == "web", "{seen}");
    }
    for running in [web, schedule, intake, send] {
        stop(running);
    }
    assert_eq!(state(app, "x"), "stopped");
});

on_both_engines!(a_process_that_does_not_send_needs_neither_lock_nor_relay, |app| {
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    let bare = app.write(
        "bare.toml",
        "public_url = \"https://news.example.com\"\n[web]\nlisten = \"127.0.0.1:0\"\n\
         [serve]\nroles = [\"web\", \"schedule\", \"intake\"]\n",
    );
    let running = app.spawn(["--config", &bare.to_string_lossy(), "serve"]);
    wait_until("it is at work", 30, || state(app, "main") == "running");
    // On SQLite one process sends: this is it.
    let show = app.send(campaign);
    assert_eq!(show.count("accepted"), 3);
    assert_eq!(
        state(app, "main-2"),
        "stopped",
        "a name that is taken gets a number"
    );
    stop(running);
});

#[test]
fn roles_that_are_none_are_refused() {
    let app = App::start(Engine::Sqlite);
    for roles in ["", "web,sends", ","] {
        app.run(["serve", "--roles", roles])
            .failed_with(2)
            .says(&["roles"]);
    }
    app.configure(|settings| settings.more = "[serve]\nroles = []\n".to_owned());
    app.run(["serve"])
        .failed_with(1)
        .says(&["[serve]", "roles is empty"]);
    app.configure(|settings| settings.more.clear());
    let mut command = app.command(["serve"]);
    command.env("TIDINGS_SERVE_ROLES", "web, sends");
    let refused = app.spawn_command(command).wait(App::PATIENCE);
    refused
        .failed_with(1)
        .says(&["TIDINGS_SERVE_ROLES", "`sends` is no role"]);
}

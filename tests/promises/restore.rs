//! A ledger that has gone back in time does not send again by itself.

use std::time::Duration;
use tidings_tests::script::Script;
use tidings_tests::{App, Engine, on_both_engines, wait_until};

/// A campaign that somebody paused in the middle.
fn paused_in_mid_send(app: &App) -> i64 {
    app.relay.follow(Script::accepting().pace(20.0));
    app.import("readers", 300);
    let campaign = app.campaign("readers");
    let sending = app.start_sending(campaign);
    wait_until("mail flows", 30, || app.relay.accepted_count() >= 20);
    app.steer(campaign, "pause");
    sending.wait(App::PATIENCE).succeeded();
    app.relay.follow(Script::accepting());
    campaign
}

/// It is held with a reason, no mail goes out, and a person can let it go on.
#[track_caller]
fn assert_held_until_a_person_resumes(app: &App, campaign: i64) {
    let sent = app.relay.accepted_count();
    app.run(["campaign", "send", &campaign.to_string()])
        .failed_with(1)
        .says(&["restored from a backup or copied", "campaign resume"]);
    let show = app.show(campaign);
    assert_eq!(show.state(), "held", "{show}");
    assert_eq!(app.relay.accepted_count(), sent);

    app.steer(campaign, "resume");
    let show = app.send(campaign);
    assert_eq!(
        (show.state(), show.count("accepted")),
        ("finished", 300),
        "{show}"
    );
}

on_both_engines!(
    a_database_restored_from_a_backup_starts_with_sending_held,
    |app| {
        let campaign = paused_in_mid_send(app);
        app.database.back_up();
        app.steer(campaign, "resume");
        app.send(campaign);
        assert_eq!(app.relay.reached_once().len(), 300);

        app.database.restore();
        app.steer(campaign, "resume");
        assert_held_until_a_person_resumes(app, campaign);
    }
);

on_both_engines!(
    a_server_on_a_restored_database_sends_nothing_and_says_why,
    |app| {
        let campaign = paused_in_mid_send(app);
        app.steer(campaign, "resume");
        app.database.back_up();
        app.send(campaign);
        let sent = app.relay.accepted_count();

        app.database.restore();
        let server = app.serve();
        wait_until("the campaign is held", 10, || {
            app.show(campaign).state() == "held"
        });
        let (_, page) = server.get("/");
        assert!(page.contains("restored from a backup or copied"), "{page}");
        assert_eq!(app.relay.accepted_count(), sent);
    }
);

#[test]
fn a_copied_sqlite_file_starts_with_sending_held() {
    let app = App::start(Engine::Sqlite);
    let campaign = paused_in_mid_send(&app);
    app.database.replace_by_a_copy();
    app.steer(campaign, "resume");
    assert_held_until_a_person_resumes(&app, campaign);
}

on_both_engines!(a_restart_is_not_taken_for_a_restore, |app| {
    let campaign = paused_in_mid_send(app);
    app.steer(campaign, "resume");
    for _ in 0..3 {
        let sending = app.start_sending(campaign);
        std::thread::sleep(Duration::from_millis(200));
        sending.kill_9();
    }
    let show = app.send(campaign);
    assert_eq!(show.state(), "finished", "{show}");
});

//! Campaigns get their time in the dashboard, stand in the calendar, and are spread over hours.

use crate::dashboard::{Served, serve};
use crate::preflight::{self, cleared};
use crate::steering::{get, post, token};
use tidings_campaign::time::Clock;
use tidings_tests::{App, on_both_engines, wait_until};

const ZONE: &str = "Europe/Berlin";

on_both_engines!(
    an_editor_schedules_a_campaign_and_finds_it_in_the_calendar,
    |app| {
        app.import("readers", 3);
        let campaign = app.campaign("readers");
        let served = serve(app);
        let (editor, viewer) = (token(app, "editor"), token(app, "viewer"));
        let page = format!("/campaigns/{campaign}");
        let path = format!("{page}/schedule");
        assert!(get(&served, &editor, &page).2.contains(&path));
        assert!(!get(&served, &viewer, &page).2.contains(&path));
        let written = |date, time| {
            [
                ("when", "at"),
                ("date", date),
                ("time", time),
                ("zone", ZONE),
                ("spread", "2"),
                ("lateness", "30"),
            ]
        };
        assert_eq!(
            post(&served, &viewer, &path, &written("2199-12-07", "09:00")).0,
            403
        );

        for (date, time, said) in [
            ("2020-01-01", "09:00", "is over there"),
            ("2199-12-07", "", "Choose a date and a time"),
            ("2199-13-07", "09:00", "is not a date and time"),
        ] {
            let (status, _, body) = post(&served, &editor, &path, &written(date, time));
            assert_eq!(status, 422, "{date} {time}");
            assert!(body.contains(said), "{said}: {body}");
            assert!(body.contains("value=\"30\""), "what was typed is kept");
        }
        assert_eq!(app.show(campaign).state(), "draft");

        let (status, _, body) = post(&served, &editor, &path, &written("2199-12-07", "09:00"));
        assert_eq!(status, 409, "{body}");
        assert!(body.contains("the pre-flight list has not been run"), "{body}");
        assert_eq!(app.show(campaign).state(), "draft");
        cleared(&served, &editor, campaign);
        let (status, location, _) = post(&served, &editor, &path, &written("2199-12-07", "09:00"));
        assert_eq!((status, location.as_str()), (303, page.as_str()));
        let show = app.show(campaign);
        assert_eq!(show.state(), "scheduled");
        assert_eq!(show.0["scheduled_at"], "2199-12-07T08:00:00Z");
        assert_eq!(show.0["spread_seconds"], 7200);
        let calendar = get(&served, &viewer, "/calendar?month=2199-12&zone=Asia/Tokyo").2;
        assert!(calendar.contains(&format!("href=\"{page}\"")), "{calendar}");
        assert!(calendar.contains("<time>17:00</time>"), "{calendar}");
        assert!(
            !get(&served, &viewer, "/calendar?month=2199-10")
                .2
                .contains(&format!("href=\"{page}\"")),
            "another month"
        );
        let form = get(&served, &editor, &path).2;
        assert!(
            form.contains("value=\"2199-12-07\"") && form.contains("value=\"09:00\""),
            "{form}"
        );

        let unscheduled = post(&served, &editor, &format!("{page}/unschedule"), &[]);
        assert_eq!(unscheduled.0, 303);
        let show = app.show(campaign);
        assert_eq!(
            (show.state(), &show.0["scheduled_at"]),
            ("draft", &serde_json::Value::Null)
        );
        assert_eq!(
            post(
                &served,
                &editor,
                "/campaigns/77/schedule",
                &written("2199-12-07", "09:00")
            )
            .0,
            404
        );
        let kept = "SELECT COUNT(*) FROM audit_log WHERE who = 'token editor' AND what IN \
        ('scheduled a campaign', 'took a campaign off the calendar')";
        assert_eq!(app.database.number(kept), 2);
        let made = "SELECT COUNT(*) FROM audit_log WHERE who = 'command line' AND what = 'made a campaign'";
        assert_eq!(app.database.number(made), 1);
    }
);

on_both_engines!(a_campaign_that_is_spread_says_what_binds_it, |app| {
    // One each quarter of a minute.
    app.import("readers", 240);
    let campaign = app.campaign("readers");
    app.run([
        "campaign",
        "schedule",
        &campaign.to_string(),
        "--now",
        "--spread",
        "1h",
    ])
    .succeeded();
    let _served = serve(app);
    wait_until("the first have gone out", 30, || {
        app.show(campaign).count("accepted") > 0
    });
    wait_until("it says why it waits", 30, || {
        app.show(campaign).0["binding_limit"]
            .as_str()
            .is_some_and(|limit| limit.contains("spread over 1h"))
    });
    let accepted = app.show(campaign).count("accepted");
    assert!(accepted <= 4, "one each quarter of a minute, not {accepted}");
    let refused = app.run([
        "campaign",
        "schedule",
        &campaign.to_string(),
        "--now",
        "--spread",
        "3s",
    ]);
    assert!(
        refused.stderr.contains("from a minute to 31 days"),
        "{}",
        refused.stderr
    );
});

/// Schedules a campaign in its page for a far day, after its list has been cleared.
fn schedule(served: &Served, editor: &str, campaign: i64) {
    cleared(served, editor, campaign);
    let fields = [
        ("when", "at"),
        ("date", "2199-12-07"),
        ("time", "09:00"),
        ("zone", ZONE),
        ("spread", ""),
        ("lateness", "30"),
    ];
    let path = format!("/campaigns/{campaign}/schedule");
    let (status, _, body) = post(served, editor, &path, &fields);
    assert_eq!(status, 303, "{body}");
}

/// As if the day had come.
fn the_time_comes(app: &App, campaign: i64) {
    let now = Clock::System.now().0;
    app.database.execute(&format!(
        "UPDATE campaigns SET scheduled_at = {now} WHERE id = {campaign}"
    ));
}

/// Nothing has gone out, and it says why.
fn is_held(app: &App, campaign: i64) {
    wait_until("it is held", 30, || app.show(campaign).state() == "held");
    let why = app.show(campaign).reason().to_owned();
    assert!(why.contains("changed since its pre-flight list"), "{why}");
    assert_eq!(app.relay.counts().accepted, 0);
}

on_both_engines!(
    what_is_written_after_its_list_is_held_until_it_is_cleared_and_scheduled_again,
    |app| {
        let campaign = preflight::draft(app, preflight::GOOD);
        let served = serve(app);
        let editor = token(app, "editor");
        let list = app.database.number("SELECT id FROM lists").to_string();
        schedule(&served, &editor, campaign);
        let html = preflight::GOOD.replace("boats", "ships");
        let written = [
            ("do", "save"),
            ("revision", "1"),
            ("name", "Spring"),
            ("list", list.as_str()),
            ("from_name", "Ann"),
            ("from_address", "ann@example.com"),
            ("subject", "Spring is here"),
            ("language", ""),
            ("html", &html),
            ("text", "The ships are in the water. {{unsubscribe_url}}"),
        ];
        let (status, _, body) = post(&served, &editor, &format!("/campaigns/{campaign}/edit"), &written);
        assert_eq!(status, 303, "{body}");
        the_time_comes(app, campaign);
        is_held(app, campaign);
        let resume = format!("/campaigns/{campaign}/resume");
        assert_eq!(post(&served, &editor, &resume, &[]).0, 303);
        is_held(app, campaign);
        // A new list alone does not send it either: it is scheduled again.
        cleared(&served, &editor, campaign);
        assert_eq!(post(&served, &editor, &resume, &[]).0, 303);
        is_held(app, campaign);
        schedule(&served, &editor, campaign);
        the_time_comes(app, campaign);
        wait_until("it is sent", 30, || app.show(campaign).state() == "finished");
        assert_eq!(app.relay.counts().accepted, 3);
    }
);

on_both_engines!(
    what_its_template_says_after_its_list_is_held_and_the_command_decides_for_itself,
    |app| {
        let campaign = preflight::draft(app, preflight::GOOD);
        let served = serve(app);
        let editor = token(app, "editor");
        schedule(&served, &editor, campaign);
        let html = preflight::GOOD.replace("boats", "ships");
        preflight::add(app, "Spring is here", &html);
        the_time_comes(app, campaign);
        is_held(app, campaign);
        // The command asks for no list.
        app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
            .succeeded();
        wait_until("it is sent", 30, || app.show(campaign).state() == "finished");
        assert_eq!(app.relay.counts().accepted, 3);
    }
);

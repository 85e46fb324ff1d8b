//! A campaign that bounces too much, or is complained about, pauses by itself and says so.

use tidings_tests::script::{Reply, Rule, Script, Who};
use tidings_tests::{App, assert_ledger_adds_up, on_both_engines, wait_until};

/// Every tenth reader is gone.
fn tenth_is_gone() -> Script {
    let is_tenth = |address: &str| {
        address
            .split('@')
            .next()
            .is_some_and(|local| local.ends_with('0'))
    };
    Script::accepting().rule(Rule::rcpt(Reply::new(550, "5.1.1", "no such user")).to(Who::matching(is_tenth)))
}

/// Fewer than this are on their way when it pauses.
const RATE: [&str; 2] = ["--rate", "400/s"];

on_both_engines!(
    a_campaign_with_many_hard_bounces_pauses_by_itself_and_goes_on_when_told,
    |app| {
        app.relay.follow(tenth_is_gone());
        app.import("readers", 1600);
        let campaign = app.campaign_with("readers", &RATE);
        let sent = app.run(["campaign", "send", &campaign.to_string()]).succeeded();
        sent.prints(&[
            "paused by itself",
            "bounced hard, more than 5 %",
            "tidings stats bounces --campaign",
        ]);
        let show = app.show(campaign);
        assert_eq!(show.state(), "paused", "{show}");
        assert!(show.reason().contains("paused by itself"), "{show}");
        let settled = show.count("accepted") + show.count("rejected");
        assert!((200..1000).contains(&settled), "{show}");
        assert_ledger_adds_up(&show);
        assert_eq!(show.0["thresholds"]["hard_bounces"], "5 %", "{show}");
        app.run(["campaign", "send", &campaign.to_string()])
            .failed_with(1)
            .says(&["paused by itself", "campaign resume"]);

        // A person has looked: what was before does not count, and a new sample begins.
        app.relay.follow(Script::accepting());
        app.steer(campaign, "resume");
        let show = app.send(campaign);
        assert_eq!(show.state(), "finished", "{show}");
        assert_eq!(show.count("accepted") + show.count("rejected"), 1600, "{show}");
    }
);

on_both_engines!(it_pauses_again_if_it_goes_on_like_that, |app| {
    app.relay.follow(tenth_is_gone());
    app.import("readers", 1600);
    let campaign = app.campaign_with("readers", &RATE);
    assert_eq!(app.send(campaign).state(), "paused");
    let before = app.show(campaign).count("accepted");
    app.steer(campaign, "resume");
    let show = app.send(campaign);
    assert_eq!(show.state(), "paused", "{show}");
    assert!(show.count("accepted") >= before + 180, "a new sample: {show}");
});

on_both_engines!(a_campaign_can_have_its_own_thresholds_or_none, |app| {
    app.relay.follow(tenth_is_gone());
    app.import("readers", 600);
    let never = app.campaign_with(
        "readers",
        &[&RATE[..], &["--pause-at-hard-bounces", "never"]].concat(),
    );
    let show = app.send(never);
    assert_eq!((show.state(), show.count("rejected")), ("finished", 60), "{show}");
    assert_eq!(show.0["thresholds"]["hard_bounces"], "never", "{show}");

    // The gone are suppressed by now; others take their place.
    app.import_of("others", &["example.net"], 600);
    let own = [
        "--rate",
        "40/s",
        "--pause-after",
        "30",
        "--pause-at-hard-bounces",
        "8%",
    ];
    let strict = app.campaign_with("others", &own);
    let show = app.send(strict);
    assert_eq!(show.state(), "paused", "{show}");
    assert!(show.count("accepted") < 200, "{show}");
    assert!(show.reason().contains("more than 8 %"), "{show}");
    for wrong in [
        ["--pause-at-hard-bounces", "5"],
        ["--pause-at-complaints", "lots%"],
    ] {
        let create = [
            "campaign",
            "create",
            "--name",
            "N",
            "--list",
            "others",
            "--template",
            "spring",
        ];
        app.run(create.iter().chain(&["--from", "news@example.com"]).chain(&wrong))
            .failed_with(2)
            .says(&[wrong[0], "write 5%, 0.3% or never"]);
    }
});

on_both_engines!(a_sample_that_is_too_small_pauses_nothing, |app| {
    app.relay.follow(tenth_is_gone());
    app.import("readers", 150);
    let show = app.send(app.campaign_with("readers", &["--rate", "100/s"]));
    assert_eq!((show.state(), show.count("rejected")), ("finished", 15), "{show}");
});

on_both_engines!(a_campaign_that_is_complained_about_pauses_by_itself, |app| {
    app.configure(|settings| settings.more = "[feedback]\npause_after = 20\n".to_owned());
    app.import("readers", 400);
    let campaign = app.campaign_with("readers", &["--rate", "20/s"]);
    let sending = app.start_sending(campaign);
    wait_until("the sample is there", 30, || {
        app.show(campaign).count("accepted") > 25
    });
    // As reports of complaints are counted.
    app.database.execute(&format!(
        "INSERT INTO bounce_counters (campaign_id, hour, node, relay, provider, kind, class, cause, reason, n) \
         VALUES ({campaign}, 1, 'there', 'primary', 'yahoo', 'complaint', 'complaint', 'person', 'feedback', 2)"
    ));
    let printed = sending.wait(App::PATIENCE).succeeded();
    assert_eq!(printed.json()["state"], "paused", "{printed}");
    let show = app.show(campaign);
    for part in ["paused by itself: 2 of", "were complained about, more than 0.3 %"] {
        assert!(show.reason().contains(part), "{part} is missing in: {show}");
    }
});

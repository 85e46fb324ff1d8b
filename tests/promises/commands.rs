//! What the commands beside import and send say.

use std::time::Duration;
use tidings_tests::script::{Reply, Rule, Script, Who};
use tidings_tests::{App, assert_ledger_adds_up, on_both_engines};

on_both_engines!(a_template_is_shown_as_one_recipient_would_get_it, |app| {
    app.import_csv("readers", "email,name,zip\nann@example.org,Ann <3,01234\n");
    let html = app.write(
        "hello.html",
        "<p>Dear {{name}},</p><p>your ZIP is {{zip}}. <a href=\"https://news.example.com/a\">Read</a></p>",
    );
    let add = [
        "template",
        "add",
        "hello",
        "--html",
        &html.to_string_lossy(),
        "--subject",
        "For {{name}}",
    ];
    app.run(add).succeeded();

    let listed = app.run(["--json", "template", "list"]).succeeded().json();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["has_text"]),
        (&"hello".into(), &false.into()),
        "{listed}"
    );
    let render = [
        "--json",
        "template",
        "render",
        "hello",
        "--recipient",
        "ann@example.org",
    ];
    let rendered = app.run(render).succeeded().json();
    assert_eq!(rendered["subject"], "For Ann <3");
    let (html, text) = (
        rendered["html"].as_str().unwrap(),
        rendered["text"].as_str().unwrap(),
    );
    assert!(
        html.contains("Dear Ann &lt;3,") && html.contains("ZIP is 01234"),
        "{html}"
    );
    assert!(
        text.contains("Dear Ann <3,") && text.contains("https://news.example.com/a"),
        "{text}"
    );
});

on_both_engines!(
    every_starter_can_be_sent_to_a_recipient_of_whom_only_the_address_is_known,
    |app| {
        app.import_csv("readers", "email\nann@example.org\n");
        let starters = app.run(["--json", "template", "starters"]).succeeded().json();
        let names: Vec<&str> = starters
            .as_array()
            .unwrap()
            .iter()
            .map(|starter| starter["name"].as_str().unwrap())
            .collect();
        assert_eq!(names.len(), 5, "{starters}");
        for name in &names {
            app.run(["template", "add", name, "--starter", name]).succeeded();
            app.run(["template", "render", name, "--recipient", "ann@example.org"])
                .succeeded();
        }
        app.run(["template", "add", "first", "--starter"]).succeeded();
        app.run(["template", "add", "none", "--starter", "none"])
            .failed_with(2);
    }
);

on_both_engines!(mjml_and_styles_are_made_ready_for_mail, |app| {
    app.import_csv("readers", "email,name\nann@example.org,Ann\n");
    let mjml = app.write(
        "spring.mjml",
        "<mjml><mj-body><mj-section><mj-column>{{#if name}}<mj-text>Hi {{name}}</mj-text>{{/if}}\
         <mj-button href=\"{{unsubscribe_url}}\">Leave</mj-button></mj-column></mj-section></mj-body></mjml>",
    );
    let html = app.write(
        "summer.html",
        "<style>p{color:red}@media (max-width:9px){p{color:blue}}</style><p>Hi {{name}}</p>",
    );
    let broken = app.write("broken.mjml", "<mjml>\n  <mj-body></mj-section>");
    app.run(["template", "add", "spring", "--html", &mjml.to_string_lossy()])
        .succeeded();
    app.run(["template", "add", "summer", "--html", &html.to_string_lossy()])
        .succeeded();
    let render = |name: &str| {
        let rendered = app.run([
            "--json",
            "template",
            "render",
            name,
            "--recipient",
            "ann@example.org",
        ]);
        rendered.succeeded().json()
    };

    let spring = render("spring");
    assert!(
        spring["html"].as_str().unwrap().starts_with("<!doctype html>"),
        "{spring}"
    );
    assert!(
        spring["text"].as_str().unwrap().starts_with("Hi Ann\r\n"),
        "{spring}"
    );
    assert_eq!(
        render("summer")["html"],
        "<style>p{color:red}@media (max-width:9px){p{color:blue !important}}</style><p style=\"color:red\">Hi Ann</p>"
    );
    app.run(["template", "add", "broken", "--html", &broken.to_string_lossy()])
        .failed_with(1)
        .says(&["broken.mjml:2:12: </mj-section> stands where </mj-body> is expected"]);
});

on_both_engines!(
    a_rehearsal_names_who_cannot_be_rendered_and_sends_nothing,
    |app| {
        app.import_csv(
            "readers",
            "email,city\nann@example.org,Springfield\nbob@example.org,\n",
        );
        app.import_csv("readers", "email\ncleo@example.org\n");
        let campaign = app.campaign("readers");

        let rehearsed = app
            .run(["--json", "rehearse", &campaign.to_string()])
            .succeeded()
            .json();

        assert_eq!(
            (&rehearsed["recipients"], &rehearsed["failed"]),
            (&3.into(), &1.into()),
            "{rehearsed}"
        );
        assert!(rehearsed["smallest"].as_u64() > Some(500), "{rehearsed}");
        let failures = rehearsed["failures"].to_string();
        assert!(
            failures.contains("cleo@example.org") && failures.contains("city"),
            "{failures}"
        );
        assert_eq!(app.relay.accepted_count(), 0);
        assert_eq!(app.show(campaign).state(), "draft");
        assert_eq!(app.database.number("SELECT count(*) FROM deliveries"), 0);
    }
);

on_both_engines!(bounces_are_counted_by_class_provider_relay_and_day, |app| {
    let rule = |code, enhanced, text, who| Rule::rcpt(Reply::new(code, enhanced, text)).to(Who::address(who));
    let script = Script::accepting()
        .rule(rule(550, "5.1.1", "no such user here", "reader1@example.org"))
        .rule(rule(550, "5.1.1", "no such user here", "reader2@example.org"))
        .rule(rule(
            554,
            "5.7.1",
            "your IP address is listed in a block list",
            "reader3@example.org",
        ))
        .rule(rule(451, "4.2.1", "try again", "reader4@example.org").first(1));
    app.relay.follow(script);
    app.import("readers", 10);
    let campaign = app.campaign("readers");
    app.send(campaign);

    let id = campaign.to_string();
    let by = |by: &str| {
        let rows = app
            .run(["--json", "stats", "bounces", "--campaign", &id, "--by", by])
            .succeeded()
            .json();
        rows.as_array().unwrap().clone()
    };
    let classes = by("class");
    let bounced = |class: &str| {
        let row = classes.iter().find(|row| row["key"] == class);
        row.map_or(0, |row| row["bounced"].as_i64().unwrap())
    };
    assert_eq!((bounced("hard"), bounced("block")), (2, 1), "{classes:?}");
    for by in [by("relay"), by("day"), by("provider")] {
        let sum = |what: &str| by.iter().map(|row| row[what].as_i64().unwrap()).sum::<i64>();
        assert_eq!(
            (sum("accepted"), sum("bounced"), sum("deferred")),
            (7, 3, 1),
            "{by:?}"
        );
    }
    assert_eq!(by("relay")[0]["key"], "primary");
    let csv = app
        .run(["stats", "bounces", "--by", "relay", "--format", "csv"])
        .succeeded()
        .stdout;
    let mut lines = csv.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("key,accepted,bounced,deferred,"),
        "{csv}"
    );
    assert!(lines.next().unwrap().starts_with("primary,7,3,1,"), "{csv}");
});

on_both_engines!(
    a_relay_is_tried_with_its_login_and_the_password_is_never_shown,
    |app| {
        const PASSWORD: &str = "swordfish-0815";
        app.relay.follow(Script::accepting().login("ann", PASSWORD));
        let configure = |password: &str| {
            let file = app.write("password", password);
            let text = format!(
                "public_url = \"https://news.example.com\"\n[[relay]]\nname = \"primary\"\n\
             url = \"smtp://ann@{}?tls=never\"\npassword_file = \"{}\"\n",
                app.relay.address(),
                file.display()
            );
            app.write("tidings.toml", &text);
        };

        configure(PASSWORD);
        let tried = app.run(["-vvv", "--json", "relay", "test"]).succeeded();
        assert!(!tried.to_string().contains(PASSWORD), "{tried}");
        assert_eq!(tried.json()[0]["works"], true, "{tried}");
        app.run(["check"]).succeeded();

        configure("wrong-password-4711");
        let refused = app.run(["-vvv", "relay", "test"]).failed_with(1);
        assert!(refused.to_string().contains("535"), "{refused}");
        assert!(!refused.to_string().contains("wrong-password-4711"), "{refused}");
    }
);

on_both_engines!(a_check_names_every_fault_at_once, |app| {
    app.write(
        "tidings.toml",
        "[[relay]]\nname = \"primary\"\nurl = \"smtp://127.0.0.1:1?tls=never\"\n",
    );
    let checked = app.run(["check"]).failed_with(1);
    for part in ["public_url", "primary", "127.0.0.1:1"] {
        assert!(checked.stdout.contains(part), "`{part}` is missing\n{checked}");
    }
});

on_both_engines!(
    unknown_deliveries_go_out_again_only_when_a_person_says_so,
    |app| {
        app.relay
            .follow(Script::accepting().delay(Duration::from_millis(300)));
        app.import("readers", 40);
        let campaign = app.campaign("readers");
        let sending = app.start_sending(campaign);
        tidings_tests::wait_until("mail flows", 30, || app.relay.accepted_count() > 0);
        sending.kill_9();
        app.relay.follow(Script::accepting());
        let show = app.send(campaign);
        let unknown = show.count("unknown");
        assert!(unknown > 0, "nothing was on the wire: {show}");
        let asks = "wait for your decision";
        let id = campaign.to_string();
        assert!(
            app.run(["campaign", "show", &id])
                .succeeded()
                .stdout
                .contains(asks)
        );

        let left = app
            .run(["--json", "campaign", "settle", &id, "--skip-unknown"])
            .succeeded()
            .json();
        assert_eq!(left["left"].as_u64(), Some(unknown), "{left}");
        let show = app.run(["campaign", "show", &id]).succeeded();
        assert!(!show.stdout.contains(asks), "{show}");

        app.run(["campaign", "settle", &campaign.to_string(), "--resend-unknown"])
            .succeeded();
        let show = app.send(campaign);
        assert_eq!((show.count("accepted"), show.count("unknown")), (40, 0), "{show}");
        assert_ledger_adds_up(&show);
    }
);

#[test]
fn the_demo_runs_to_its_end_with_refusals_and_retries() {
    let app = App::start(tidings_tests::Engine::Sqlite);
    let mut command = std::process::Command::new(app.command(["demo"]).get_program());
    command.args([
        "demo",
        "--recipients",
        "300",
        "--port",
        "0",
        "--exit-when-finished",
    ]);
    let demo = app.spawn_command(command).wait(App::PATIENCE).succeeded();
    for words in ["dashboard: http://127.0.0.1:", "300 of 300 done", "is finished"] {
        assert!(demo.to_string().contains(words), "`{words}` is missing\n{demo}");
    }
}

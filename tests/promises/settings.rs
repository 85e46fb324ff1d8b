//! Administrators see and change the configuration in the dashboard: what the program would not take is not written, what is written
//! holds at once, and no secret is ever shown.

use crate::dashboard::{Served, serve};
use crate::steering::{page as get, sent as post, token};
use tidings_tests::script::Script;
use tidings_tests::{App, Relay, on_both_engines, wait_until};

/// Which text of the file the page was made from.
fn version(served: &Served, token: &str) -> String {
    let page = get(served, token, "/settings/limits").1;
    let (_, rest) = page.split_once("name=\"version\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// Sends a form of a part as it is now.
fn change(served: &Served, token: &str, about: [&str; 3], fields: &[(&str, &str)]) -> (u16, String) {
    let version = version(served, token);
    let [of, name, wish] = about;
    let mut all = vec![("of", of), ("name", name), ("wish", wish), ("version", &version)];
    all.extend(fields);
    post(served, token, "/settings/change", &all)
}

fn file(app: &App) -> String {
    std::fs::read_to_string(app.folder().join("tidings.toml")).unwrap()
}

on_both_engines!(
    a_server_without_a_relay_sends_once_the_first_is_added_in_the_page,
    |app| {
        app.import("readers", 5);
        let campaign = app.campaign("readers");
        let configured = file(app);
        let (others, _) = configured.split_once("[[relay]]").unwrap();
        app.write("tidings.toml", others);
        app.run(["serve", "--roles", "send"])
            .failed_with(1)
            .says(&["no relay is configured"]);
        let served = serve(app);
        let admin = token(app, "administrator");
        assert!(
            get(&served, &admin, "/settings/relays")
                .1
                .contains("No relay yet")
        );
        app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
            .succeeded();
        let url = format!("smtp://{}?tls=never", app.relay.address());
        let added = change(&served, &admin, ["relay", "first", "add"], &[("url", &url)]);
        assert_eq!(added.0, 303, "{}", added.1);
        wait_until("it is sent", 60, || app.show(campaign).count("accepted") == 5);
        let (status, body) = change(&served, &admin, ["relay", "first", "remove"], &[]);
        assert_eq!(status, 422, "{body}");
        assert!(body.contains("has no relay any more"), "{body}");
    }
);

on_both_engines!(
    a_relay_added_in_the_page_carries_the_next_campaign_without_a_restart,
    |app| {
        app.import("readers", 20);
        let campaign = app.campaign("readers");
        let served = serve(app);
        let admin = token(app, "administrator");
        let second = Relay::start();
        second.follow(Script::accepting().login("ann", "hunter2"));
        let url = format!("smtp://ann@{}?tls=never", second.address());
        let fields = [
            ("url", url.as_str()),
            ("password", "hunter2"),
            ("auth_over_clear_text", "true"),
            ("priority", "1"),
        ];
        let before = file(app);
        let (status, body) = change(&served, &admin, ["relay", "second", "add"], &fields);
        assert_eq!(status, 303, "{body}");
        let after = file(app);
        assert!(after.starts_with(before.trim_end()), "{after}");
        assert_eq!(
            std::fs::read_to_string(app.folder().join("tidings.toml.backup")).unwrap(),
            before
        );
        app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
            .succeeded();
        wait_until("it is sent", 60, || app.show(campaign).count("accepted") == 20);
        assert_eq!((second.accepted_count(), app.relay.accepted_count()), (20, 0));
        let pages = [
            "/settings/relays",
            "/settings/relays/edit?name=second",
            "/settings/audit",
        ];
        for path in pages {
            let page = get(&served, &admin, path).1;
            assert!(page.contains("second") && !page.contains("hunter2"), "{page}");
        }
        assert!(!after.contains("hunter2"), "{after}");
        assert!(!served.process.stderr_so_far().contains("hunter2"));
        let kept = "SELECT COUNT(*) FROM audit_log WHERE what = 'added to the settings' AND about = 'relay second' \
        AND who = 'token administrator' AND detail LIKE '%password: default → a new one%'";
        assert_eq!(app.database.number(kept), 1);
        let secret = "SELECT COUNT(*) FROM audit_log WHERE detail LIKE '%hunter2%'";
        assert_eq!(app.database.number(secret), 0);
        assert_eq!(change(&served, &admin, ["relay", "second", "remove"], &[]).0, 303);
        assert_eq!(file(app), before);
        let secrets = std::fs::read_dir(app.folder().join("secrets")).unwrap();
        assert_eq!(secrets.count(), 0);
    }
);

on_both_engines!(
    what_the_program_would_not_take_is_said_at_its_field_and_not_written,
    |app| {
        let served = serve(app);
        let admin = token(app, "administrator");
        let before = file(app);
        for (about, fields, words) in [
            (
                ["relay", "second", "add"],
                &[("url", "http://mail.example.com"), ("password", "hunter2")][..],
                "url has the scheme",
            ),
            (
                ["relay", "second", "add"],
                &[("url", "smtp://127.0.0.1:25"), ("rate", "fast")],
                "fast",
            ),
            (
                ["relay", "primary", "set"],
                &[("weight", "many")],
                "a whole number",
            ),
            (["relay", "primary", "set"], &[("weight", "0")], "from 1 to 1000"),
            (
                ["relay", "primary", "add"],
                &[("url", "smtp://127.0.0.1:25")],
                "one of this name already",
            ),
            (["relay", "primary", "remove"], &[], "has no relay any more"),
            (
                ["provider", "gmail", "add"],
                &[("rate", "5/fortnight")],
                "fortnight",
            ),
            (
                ["feedback", "", "set"],
                &[("pause_at_complaints", "many")],
                "write 5%, 0.3% or never",
            ),
            (
                ["tracking", "", "set"],
                &[("keep_hits", "1h")],
                "from one day to ten years",
            ),
        ] {
            let (status, body) = change(&served, &admin, about, fields);
            assert_eq!(status, 422, "{about:?} {body}");
            assert!(
                body.contains(words) && !body.contains("hunter2"),
                "{words} is missing: {body}"
            );
            assert_eq!(file(app), before);
        }
        let (_, body) = change(&served, &admin, ["relay", "primary", "set"], &[("weight", "0")]);
        let (_, field) = body.split_once("name=\"weight\"").unwrap();
        assert!(
            field.split_once("</div>").unwrap().0.contains("class=\"error\""),
            "{field}"
        );
    }
);

on_both_engines!(every_fault_of_a_form_stands_at_its_field, |app| {
    let served = serve(app);
    let admin = token(app, "administrator");
    let before = file(app);
    for (about, fields) in [
        (
            ["relay", "second", "add"],
            &[
                ("url", "http://mail.example.com"),
                ("rate", "fast"),
                ("timeouts.connect", "a while"),
            ][..],
        ),
        // One is wrong as it is written, the others by what it means.
        (
            ["relay", "primary", "set"],
            &[("weight", "many"), ("rate", "fast"), ("max_sessions", "0")],
        ),
        (
            ["feedback", "", "set"],
            &[("soft_bounces_in_row", "99"), ("match_window", "a while")],
        ),
    ] {
        let (status, body) = change(&served, &admin, about, fields);
        assert_eq!(status, 422, "{about:?} {body}");
        for (key, _) in fields {
            let (_, field) = body.split_once(&format!("name=\"{key}\"")).unwrap();
            assert!(
                field.split_once("</div>").unwrap().0.contains("class=\"error\""),
                "{key}: {field}"
            );
        }
        assert_eq!(file(app), before);
    }
});

on_both_engines!(limits_thresholds_and_tracking_are_changed_in_place, |app| {
    app.configure(|settings| {
        settings.more =
            "# Asked for by them.\n[limits.provider.\"example.org\"]\nrate = \"5/s\" # slowly\n".to_owned();
    });
    let served = serve(app);
    let admin = token(app, "administrator");
    let rate = [("rate", "6/s, 100/h")];
    assert_eq!(
        change(&served, &admin, ["provider", "example.org", "set"], &rate).0,
        303
    );
    let limits =
        "# Asked for by them.\n[limits.provider.\"example.org\"]\nrate = [\"6/s\", \"100/h\"] # slowly\n";
    assert!(file(app).contains(limits), "{}", file(app));
    assert_eq!(
        change(&served, &admin, ["sender", "example.com", "add"], &rate).0,
        303
    );
    assert_eq!(
        change(&served, &admin, ["feedback", "", "set"], &[("pause_after", "7")]).0,
        303
    );
    assert_eq!(
        change(&served, &admin, ["tracking", "", "set"], &[("mode", "off")]).0,
        303
    );
    let page = get(&served, &admin, "/settings/tracking").1;
    assert!(page.contains("not in force yet"), "{page}");
    assert!(
        !get(&served, &admin, "/settings/thresholds")
            .1
            .contains("not in force yet")
    );
    app.run(["check"]);
    assert!(file(app).contains("pause_after = 7") && file(app).contains("mode = \"off\""));
});

on_both_engines!(a_file_that_somebody_else_changed_is_not_written_over, |app| {
    let served = serve(app);
    let admin = token(app, "administrator");
    let version = version(&served, &admin);
    let theirs = format!("{}\n[limits]\nrate = \"7/s\"\n", file(app));
    app.write("tidings.toml", &theirs);
    let page = get(&served, &admin, "/settings/limits").1;
    assert!(page.contains("The file says what is not in force yet"), "{page}");
    let fields = [
        ("of", "all"),
        ("wish", "set"),
        ("version", &version),
        ("rate", "9/s"),
    ];
    let (status, body) = post(&served, &admin, "/settings/change", &fields);
    assert_eq!(status, 409);
    assert!(body.contains("somebody else has changed the file"), "{body}");
    assert_eq!(file(app), theirs);
    assert_eq!(post(&served, &admin, "/settings/read-again", &[]).0, 303);
    let page = get(&served, &admin, "/settings/limits").1;
    assert!(
        page.contains("7/s") && !page.contains("not in force yet"),
        "{page}"
    );
});

on_both_engines!(what_a_variable_says_is_named_and_stays, |app| {
    let made = token(app, "administrator");
    let mut command = app.command(["serve"]);
    command.env("TIDINGS_RELAY_RATE", "50/s");
    let process = app.spawn_command(command);
    let mut url = None;
    wait_until("the dashboard's address is printed", 30, || {
        let printed = process.stdout_so_far();
        url = printed
            .lines()
            .find_map(|line| line.strip_prefix("dashboard: ").map(str::to_owned));
        url.is_some()
    });
    let url = url.unwrap().trim_end_matches('/').to_owned();
    let served = Served { process, url };
    let page = get(&served, &made, "/settings/relays/edit?name=primary").1;
    assert!(
        page.contains("TIDINGS_RELAY_RATE") && page.contains("50/s"),
        "{page}"
    );
    let before = file(app);
    assert_eq!(
        change(&served, &made, ["relay", "primary", "set"], &[("rate", "1/s")]).0,
        303
    );
    assert_eq!(file(app), before);
});

on_both_engines!(a_relay_is_tested_from_the_page, |app| {
    app.relay.follow(Script::accepting().login("ann", "right"));
    app.configure(|settings| settings.url = Some("smtp://ann:wr0ng@127.0.0.1:{port}?tls=never".to_owned()));
    let served = serve(app);
    let admin = token(app, "administrator");
    let (status, body) = post(&served, &admin, "/settings/relays/test", &[("name", "primary")]);
    assert_eq!(status, 200);
    for words in [
        "AUTH answered 535",
        "check the user in url and its password",
        "EHLO",
        "not encrypted",
    ] {
        assert!(body.contains(words), "{words} is missing: {body}");
    }
    assert!(!body.contains("wr0ng"), "{body}");
    app.relay.follow(Script::accepting().login("ann", "wr0ng"));
    let body = post(&served, &admin, "/settings/relays/test", &[("name", "primary")]).1;
    assert!(
        body.contains("It works.") && body.contains("PIPELINING"),
        "{body}"
    );
    let body = post(&served, &admin, "/settings/relays/test", &[("name", "other")]).1;
    assert!(body.contains("is in use"), "{body}");
    // A password that is kept is not sent to another place.
    let elsewhere = [("url", "smtp://ann@127.0.0.1:9?tls=never")];
    let (status, body) = change(&served, &admin, ["relay", "primary", "set"], &elsewhere);
    assert!(status == 422 && body.contains("write it again"), "{body}");
});

on_both_engines!(only_administrators_see_and_change_the_settings, |app| {
    let served = serve(app);
    for role in ["viewer", "editor"] {
        let token = token(app, role);
        for path in [
            "/settings",
            "/settings/relays",
            "/settings/limits",
            "/settings/domains",
        ] {
            assert_eq!(get(&served, &token, path).0, 403, "{role} {path}");
        }
        let fields = [("of", "all"), ("wish", "set"), ("version", ""), ("rate", "9/s")];
        for path in [
            "/settings/change",
            "/settings/relays/test",
            "/settings/read-again",
            "/settings/domains/look",
        ] {
            assert_eq!(post(&served, &token, path, &fields).0, 403, "{role} {path}");
        }
    }
    assert!(!file(app).contains("9/s"));
});

on_both_engines!(the_dns_is_asked_about_our_domains_on_wish, |app| {
    app.configure(|settings| {
        settings.more = "[mail]\nreturn_path_domain = \"bounce.example.com\"\n".to_owned()
    });
    let served = serve(app);
    let admin = token(app, "administrator");
    assert_eq!(post(&served, &admin, "/settings/domains/look", &[]).0, 303);
    wait_until("the answer is shown", 30, || {
        get(&served, &admin, "/settings/domains")
            .1
            .contains("[dns] enabled is false")
    });
});

on_both_engines!(what_has_no_button_is_not_removed_and_what_was_is_kept, |app| {
    app.configure(|settings| {
        settings.more =
            "[limits]\nrate = \"90/s\"\n[limits.provider.gmail]\nrate = \"5/s\"\n[feedback]\n[mail]\n"
                .to_owned();
    });
    let served = serve(app);
    let admin = token(app, "administrator");
    let before = file(app);
    for of in ["all", "feedback", "mail", "tracking"] {
        let (status, body) = change(&served, &admin, [of, "", "remove"], &[]);
        assert_eq!(status, 422, "{of} {body}");
        assert_eq!(file(app), before);
    }
    assert_eq!(
        change(&served, &admin, ["provider", "gmail", "remove"], &[]).0,
        303
    );
    let kept = "SELECT COUNT(*) FROM audit_log WHERE what = 'removed from the settings' \
        AND about = 'limits of provider gmail' AND detail = 'rate: 5/s'";
    assert_eq!(app.database.number(kept), 1);
});

on_both_engines!(a_faulty_file_is_not_edited_and_shows_no_password, |app| {
    let served = serve(app);
    let admin = token(app, "administrator");
    // Another relay stands in the place of the one that is shown.
    let before = file(app);
    let with = |relay: &str| {
        before.replacen(
            "[[relay]]",
            &format!("[[relay]]\nname = \"other\"\n{relay}\n\n[[relay]]"),
            1,
        )
    };
    app.write(
        "tidings.toml",
        &with("url = \"smtp://ann:hunter2@127.0.0.1:25\" x"),
    );
    let page = get(&served, &admin, "/settings/relays").1;
    assert!(
        page.contains("cannot be taken as it is") && page.contains("ann:***@127.0.0.1"),
        "{page}"
    );
    assert!(!page.contains("hunter2"), "{page}");
    let (status, body) = change(&served, &admin, ["relay", "primary", "set"], &[("weight", "3")]);
    assert_eq!(status, 422, "{body}");
    assert!(
        body.contains("changed by hand until its fault is mended") && !body.contains("hunter2"),
        "{body}"
    );
    // This one is TOML, and another relay would be edited.
    let faulty = with("url = \"smtp://127.0.0.1:25\"\nweight = 0");
    app.write("tidings.toml", &faulty);
    assert_eq!(
        change(&served, &admin, ["relay", "primary", "set"], &[("weight", "3")]).0,
        422
    );
    assert_eq!(file(app), faulty);
    let (_, body) = post(&served, &admin, "/settings/read-again", &[]);
    assert!(body.contains("from 1 to 1000"), "{body}");
    let kept = "SELECT COUNT(*) FROM audit_log WHERE what = 'could not take over the settings'";
    assert_eq!(app.database.number(kept), 1);
});

on_both_engines!(lines_to_put_in_show_no_password, |app| {
    app.configure(|settings| settings.url = Some("smtp://ann:hunter2@127.0.0.1:{port}?tls=never".to_owned()));
    let served = serve(app);
    let admin = token(app, "administrator");
    // Where a folder is in the way, the backup cannot be written; root may write everything else.
    std::fs::create_dir(app.folder().join("tidings.toml.backup")).unwrap();
    let before = file(app);
    let (_, body) = change(&served, &admin, ["relay", "primary", "set"], &[("weight", "3")]);
    assert!(
        body.contains("Put these lines into the file") && body.contains("weight &#x3D; 3"),
        "{body}"
    );
    assert!(
        body.contains("ann:***@127.0.0.1") && !body.contains("hunter2"),
        "{body}"
    );
    let (_, body) = change(&served, &admin, ["relay", "primary", "remove"], &[]);
    assert!(
        !body.contains("Put these lines") && !body.contains("hunter2"),
        "{body}"
    );
    assert_eq!(file(app), before);
});

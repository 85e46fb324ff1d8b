//! Recipients see what is stored of them and change it, by the link of a message and by nothing else; and whoever wants to
//! be forgotten is.

use crate::dashboard::{Served, browser, get, serve};
use std::path::Path;
use tidings_tests::script::Script;
use tidings_tests::{App, Engine, on_both_engines};

const HTML: &str = "<p>Dear {{name}}</p><p><a href=\"{{preferences_url}}\">Preferences</a> \
    <a href=\"{{unsubscribe_url}}\">Leave</a></p>";
const SETTINGS: &str = "[preferences]\nlists = [\"offers\"]\n\
    [[preferences.attribute]]\nname = \"city\"\nlabel = \"Your city\"\ntype = \"text\"\nlongest = 20\n\
    [[preferences.attribute]]\nname = \"often\"\nlabel = \"How often\"\ntype = \"choice\"\nchoices = [\"daily\", \"weekly\"]\n";
const ANN: &str = "ann.unmistakable@example.org";

/// A campaign with links to preferences that Ann, Bob and Cy got, and the server behind the links.
pub fn after_a_campaign(app: &App) -> Served {
    app.configure(|settings| settings.more = SETTINGS.to_owned());
    app.relay.follow(Script::accepting().keep_content(1024 * 1024));
    let rows = format!(
        "email,name,city\n{ANN},Ann <i>Unmistakable</i>,Springfield\nbob@example.org,Bob,Ulm\ncy@example.org,Cy,Rome\n"
    );
    app.import_csv("readers", &rows);
    app.import_csv("offers", "email,name\nbob@example.org,Bob\n");
    app.import_csv("internal", "email,name\nbob@example.org,Bob\n");
    let campaign = campaign(app);
    app.send(campaign);
    serve(app)
}

fn campaign(app: &App) -> i64 {
    let html = app.write("preferences.html", HTML);
    app.run([
        "template",
        "add",
        "preferences",
        "--html",
        &html.to_string_lossy(),
    ])
    .succeeded();
    let created = app.run([
        "--json",
        "campaign",
        "create",
        "--name",
        "News",
        "--list",
        "readers",
        "--template",
        "preferences",
        "--subject",
        "News for {{name}}",
        "--from",
        "Example News <news@example.com>",
    ]);
    created.succeeded().json()["id"].as_i64().unwrap()
}

/// A link of the newest message to this address, on the server of the test.
fn link(app: &App, served: &Served, reader: &str, path: &str) -> String {
    let message = app.relay.contents_for(reader).pop().unwrap();
    // Quoted-printable, where it is that.
    let text = message.replace("=\r\n", "").replace("=3D", "=");
    let from = text
        .find(&format!("https://news.example.com/{path}/"))
        .unwrap_or_else(|| panic!("no link to {path} in {text}"));
    let end = text[from..].find(['"', '<', '>', ' ', '\r', '\n']).unwrap();
    text[from..from + end].replace("https://news.example.com", &served.url)
}

/// The link to the preferences in the newest message to this address.
pub fn preferences(app: &App, served: &Served, reader: &str) -> String {
    link(app, served, reader, "p")
}

fn post(link: &str, form: &str) -> (u16, String) {
    let mut answer = browser()
        .post(link)
        .content_type("application/x-www-form-urlencoded")
        .send(form)
        .unwrap();
    assert!(answer.headers().get("set-cookie").is_none());
    (
        answer.status().as_u16(),
        answer.body_mut().read_to_string().unwrap(),
    )
}

fn shown(app: &App, address: &str) -> serde_json::Value {
    app.run(["--json", "recipient", "show", address])
        .succeeded()
        .json()
}

fn list_id(app: &App, name: &str) -> i64 {
    app.database
        .number(&format!("SELECT id FROM lists WHERE name = '{name}'"))
}

on_both_engines!(the_page_shows_what_is_open_and_changes_it, |app| {
    let served = after_a_campaign(app);
    let link = preferences(app, &served, ANN);
    let (status, page) = get(&link);
    assert_eq!(status, 200);
    for part in [
        ANN,
        "value=\"Ann &lt;i&gt;Unmistakable&lt;/i&gt;\"",
        "Your city",
        "value=\"Springfield\"",
        "<option value=\"weekly\">",
        "offers",
        "readers",
    ] {
        assert!(page.contains(part), "{part} is missing in: {page}");
    }
    assert!(!page.contains("internal"), "a list that is not open: {page}");
    let (status, page) = post(
        &link,
        "section=profile&name=Anna&a.city=Bern&a.often=daily&city=hidden&vip=1",
    );
    assert_eq!(status, 200);
    assert!(
        page.contains("Your changes are saved") && page.contains("value=\"Bern\""),
        "{page}"
    );
    let known = shown(app, ANN);
    assert_eq!(known["name"], "Anna");
    assert_eq!(
        known["attributes"],
        serde_json::json!({"city": "Bern", "often": "daily"})
    );
    for form in [
        "section=profile&name=Anna&a.city=a+city+that+is+much+too+long&a.often=daily",
        "section=profile&name=Anna&a.city=Bern&a.often=hourly",
    ] {
        assert_eq!(post(&link, form).0, 422);
    }
    assert_eq!(shown(app, ANN)["attributes"], known["attributes"]);
});

on_both_engines!(lists_are_left_and_joined_by_own_wish, |app| {
    let served = after_a_campaign(app);
    let link = preferences(app, &served, ANN);
    let [readers, offers, internal] = ["readers", "offers", "internal"].map(|name| list_id(app, name));
    let offered = format!("section=lists&offered={readers}&offered={offers}&offered={internal}");
    // What is not open cannot be joined, whatever the form says.
    let (status, _) = post(&link, &format!("{offered}&list={offers}&list={internal}"));
    assert_eq!(status, 200);
    served.process.kill_9();
    let lists = shown(app, ANN)["lists"].clone();
    let states: Vec<_> = lists
        .as_array()
        .unwrap()
        .iter()
        .map(|list| (list["list"].as_str().unwrap(), list["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [("offers", "confirmed"), ("readers", "unsubscribed")]);
    let data = app.run(["recipient", "export", ANN]).succeeded().json();
    let joined = &data["joined_by_own_wish"][0];
    assert_eq!(joined["list"], "offers");
    assert_eq!(joined["network"], "127.0.0.0/24");
    assert!(
        joined["text"].as_str().unwrap().contains("ticked newsletters"),
        "{joined}"
    );
    // An import lifts neither, and the next campaign leaves her out.
    app.import_csv("readers", &format!("email,name\n{ANN},Ann\n"));
    app.send(campaign(app));
    let by_recipient = app.relay.accepted_by_recipient();
    assert_eq!((by_recipient[ANN], by_recipient["bob@example.org"]), (1, 2));
});

on_both_engines!(looking_at_preferences_changes_nothing, |app| {
    let served = after_a_campaign(app);
    let link = preferences(app, &served, ANN);
    let before = shown(app, ANN);
    for query in [
        "",
        "?section=erase&sure=yes",
        "?section=lists&offered=1",
        "?section=address&address=x@example.net",
    ] {
        assert_eq!(get(&format!("{link}{query}")).0, 200);
        browser().head(format!("{link}{query}")).call().unwrap();
    }
    assert_eq!(shown(app, ANN), before);
    assert_eq!(app.database.number("SELECT COUNT(*) FROM letters"), 0);
    // The first step of erasing asks once more, and does nothing.
    let (status, page) = post(&link, "section=erase");
    assert!(
        status == 200 && page.contains("Erase everything?") && page.contains("name=\"sure\""),
        "{page}"
    );
    assert_eq!(shown(app, ANN), before);
});

on_both_engines!(changed_and_foreign_links_lead_nowhere, |app| {
    let served = after_a_campaign(app);
    let mut changed = preferences(app, &served, ANN);
    let unsubscribe = link(app, &served, ANN, "u");
    let foreign = unsubscribe.replace("/u/", "/p/");
    let last = if changed.pop() == Some('0') { '1' } else { '0' };
    changed.push(last);
    for broken in [
        changed,
        foreign,
        format!("{}/p/x", served.url),
        format!("{}/a/x?to=a@example.org", served.url),
    ] {
        assert_eq!(get(&broken).0, 404, "{broken}");
        assert_eq!(post(&broken, "section=erase&sure=yes").0, 404, "{broken}");
    }
    assert_eq!(shown(app, ANN)["attributes"]["city"], "Springfield");
    // The page behind the unsubscribe link leads to the preferences.
    let (_, page) = get(&unsubscribe);
    assert!(page.contains("href=\"../p/"), "{page}");
});

/// Waits for the letter to an address, and returns the link in it.
fn confirmation(app: &App, served: &Served, to: &str) -> String {
    tidings_tests::wait_until("the letter has come", 30, || {
        !app.relay.contents_for(to).is_empty()
    });
    link(app, served, to, "a").replace("&amp;", "&")
}

on_both_engines!(an_address_is_changed_by_whoever_reads_its_mail, |app| {
    let served = after_a_campaign(app);
    let old_link = preferences(app, &served, ANN);
    let old_unsubscribe = link(app, &served, ANN, "u");
    let (status, page) = post(&old_link, "section=address&address=Anna%40example.net");
    assert!(status == 200 && page.contains("Anna@example.net"), "{page}");
    let confirm = confirmation(app, &served, "Anna@example.net");
    // Not for another address, and not by looking.
    assert_eq!(post(&confirm.replace("Anna%40", "Eve%40"), "").0, 404);
    let (status, page) = get(&confirm);
    assert_eq!((status, page.matches("<button").count()), (200, 1));
    assert_eq!(shown(app, ANN)["name"], "Ann <i>Unmistakable</i>");
    for _ in 0..2 {
        let (status, page) = post(&confirm, "");
        assert!(
            status == 200 && page.contains("Your address is changed"),
            "{page}"
        );
    }
    // Whoever has the old mailbox can leave, and do nothing else.
    assert_eq!(get(&old_link).0, 410);
    let (status, page) = get(&old_unsubscribe);
    assert!(status == 200 && !page.contains("href=\"../p/"), "{page}");
    served.process.kill_9();
    let known = shown(app, "anna@example.net");
    assert_eq!(known["deliveries"].as_array().unwrap().len(), 1, "{known}");
    assert!(known["suppression"].is_null(), "{known}");
    // An import of the old address makes no second recipient.
    let counts = app.import_csv("readers", &format!("email,name\n{ANN},Ann\n"));
    assert_eq!(
        (counts["created"].as_i64(), counts["suppressed"].as_i64()),
        (Some(0), Some(1))
    );
    app.send(campaign(app));
    let by_recipient = app.relay.accepted_by_recipient();
    // The letter, and the campaign.
    assert_eq!((by_recipient[ANN], by_recipient["Anna@example.net"]), (1, 2));
});

on_both_engines!(
    nobody_learns_who_is_on_the_lists_by_asking_for_an_address,
    |app| {
        let served = after_a_campaign(app);
        let link = preferences(app, &served, ANN);
        app.run(["suppression", "add", "dora@example.net", "--reason", "manual"])
            .succeeded();
        let pages: Vec<String> = ["bob@example.org", "dora@example.net", "new@example.net"]
            .iter()
            .map(|to| {
                let (status, page) = post(&link, &format!("section=address&address={to}"));
                assert_eq!(status, 200, "{page}");
                page.replace(to, "X")
            })
            .collect();
        assert!(pages[0] == pages[1] && pages[1] == pages[2]);
        confirmation(app, &served, "new@example.net");
        tidings_tests::wait_until("Bob has got the letter too", 30, || {
            app.relay.contents_for("bob@example.org").len() == 2
        });
        let to_bob = app.relay.contents_for("bob@example.org").pop().unwrap();
        assert!(to_bob.contains("We know this address already"), "{to_bob}");
        assert!(app.relay.contents_for("dora@example.net").is_empty());
        // Five in an hour are enough.
        let statuses: Vec<u16> = (0..4)
            .map(|i| post(&link, &format!("section=address&address=x{i}@example.net")).0)
            .collect();
        assert_eq!(statuses, [200, 200, 429, 429]);
    }
);

on_both_engines!(what_is_stored_can_be_fetched_by_its_owner, |app| {
    let served = after_a_campaign(app);
    let (status, json) = post(&preferences(app, &served, ANN), "section=download");
    assert_eq!(status, 200);
    let data: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(data["is_complete"], true);
    assert_eq!(data["recipient"]["attributes"]["city"], "Springfield");
    assert_eq!(data["lists"][0]["list"], "readers");
    assert_eq!(data["lists"][0]["import_files"], "readers.csv");
    assert_eq!(data["deliveries"][0]["state"], "accepted");
    assert_eq!(app.run(["recipient", "export", ANN]).succeeded().json(), data);
    assert!(!json.contains("bob@example.org"));
    app.run(["recipient", "export", "nobody@example.org"])
        .failed_with(1)
        .says(&["nothing is stored"]);
});

/// Whether some file of the database has these octets.
fn is_in_files(folder: &Path, needle: &str) -> bool {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().path()).any(|file| {
        let octets = std::fs::read(&file).unwrap_or_default();
        let haystack = octets.to_ascii_lowercase();
        haystack
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
    })
}

on_both_engines!(whoever_is_erased_gets_no_mail_and_is_named_nowhere, |app| {
    let served = after_a_campaign(app);
    let link = preferences(app, &served, ANN);
    // A second campaign stands half-way.
    let running = campaign(app);
    app.relay
        .follow(Script::accepting().pace(1.0).keep_content(1024 * 1024));
    app.run([
        "campaign",
        "schedule",
        &running.to_string(),
        "--at",
        "2099-01-01 09:00",
        "--timezone",
        "UTC",
    ])
    .succeeded();
    let (status, page) = post(&link, "section=erase&sure=yes");
    assert!(status == 200 && page.contains("Everything is erased"), "{page}");
    assert_eq!(get(&link).0, 410);
    assert_eq!(post(&link, "section=erase&sure=yes").0, 410);
    served.process.kill_9();
    let counts = app.import_csv(
        "readers",
        &format!("email,name\n{ANN},Ann\nnew@example.org,New\n"),
    );
    assert_eq!(
        (counts["created"].as_i64(), counts["suppressed"].as_i64()),
        (Some(1), Some(1))
    );
    assert_eq!(shown(app, ANN)["suppression"]["reason"], "erased");
    std::fs::remove_file(app.folder().join("readers.csv")).unwrap();
    app.relay.follow(Script::accepting().keep_content(1024 * 1024));
    app.send(campaign(app));
    let by_recipient = app.relay.accepted_by_recipient();
    assert_eq!((by_recipient[ANN], by_recipient["bob@example.org"]), (1, 2));
    // What was sent still adds up.
    let before = app.show(1);
    assert_eq!(before.0["planned"], 3);
    assert_eq!(app.deliveries(1, "accepted").len(), 3);
    let tables = app.database.number(&format!(
        "SELECT (SELECT COUNT(*) FROM recipients WHERE address_key = '{ANN}') \
         + (SELECT COUNT(*) FROM suppressions WHERE address_key = '{ANN}')"
    ));
    assert_eq!(tables, 0);
    if app.engine == Engine::Sqlite {
        app.run(["vacuum"]).succeeded();
        let folder = app.folder().join("database");
        assert!(is_in_files(&folder, "bob@example.org"));
        assert!(!is_in_files(&folder, ANN) && !is_in_files(&folder, "unmistakable"));
    } else {
        app.run(["vacuum"]).failed_with(1).says(&["VACUUM FULL"]);
    }
    // A person of the company may undo it, if the person comes back.
    app.run(["suppression", "lift", ANN]).succeeded();
    let counts = app.import_csv("readers", &format!("email,name\n{ANN},Ann\n"));
    assert_eq!(counts["created"], 1);
});

on_both_engines!(erasing_in_the_middle_of_a_campaign_leaves_its_sum, |app| {
    app.configure(|settings| settings.more = SETTINGS.to_owned());
    app.import("readers", 60);
    app.relay.follow(Script::accepting().pace(5.0));
    let id = app.campaign("readers");
    let sending = app.start_sending(id);
    tidings_tests::wait_until("mail flows", 30, || app.relay.accepted_count() >= 3);
    app.steer(id, "pause");
    sending.wait(App::PATIENCE);
    app.relay.follow(Script::accepting());
    let erased = app.run(["--json", "recipient", "erase", "reader59@example.org"]);
    assert_eq!(erased.succeeded().json()["was_recipient"], true);
    app.steer(id, "resume");
    let shown = app.send(id);
    assert_eq!(shown.0["planned"], 60);
    assert_eq!(shown.0["deliveries"]["accepted"], 59);
    assert_eq!(shown.0["deliveries"]["withheld"], 1);
    assert!(
        !app.relay
            .accepted_by_recipient()
            .contains_key("reader59@example.org")
    );
});

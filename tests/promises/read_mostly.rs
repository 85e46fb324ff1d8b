//! Bounces, lists, suppressions and imports can be looked at in the dashboard, and what can be changed there is changed by editors
//! alone and kept in the audit log.

use crate::dashboard::{Served, serve};
use crate::sign_in::{Answer, administrator, csrf, get, person, post, sign_in};
use tidings_tests::{App, on_both_engines};

/// An editor who has signed in.
struct Editor {
    served: Served,
    cookie: String,
    token: String,
}

impl Editor {
    fn of(app: &App) -> Editor {
        let served = serve(app);
        administrator(app, &served);
        let cookie = sign_in(&served, &person(app, &served, "eve@example.com", "editor"));
        let token = csrf(&served, &cookie);
        Editor {
            served,
            cookie,
            token,
        }
    }

    fn get(&self, path: &str) -> Answer {
        get(&format!("{}{path}", self.served.url), Some(&self.cookie))
    }

    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let fields = [fields, &[("csrf", self.token.as_str())]].concat();
        post(&format!("{}{path}", self.served.url), Some(&self.cookie), &fields)
    }
}

fn suppression(app: &App, address: &str) -> serde_json::Value {
    let shown = app.run(["--json", "suppression", "show", address]);
    shown.succeeded().json()["suppression"].clone()
}

on_both_engines!(an_editor_suppresses_an_address_and_lifts_it_again, |app| {
    app.import("readers", 3);
    let editor = Editor::of(app);
    let fields = [
        ("address", "Reader1@example.org"),
        ("reason", "asked_by_phone"),
        ("evidence", "call of <Monday>"),
    ];
    let added = editor.post("/suppressions", &fields);
    assert_eq!(
        (added.status, added.location.as_str()),
        (303, "/suppressions?q=reader1%40example.org")
    );
    assert_eq!(
        suppression(app, "reader1@example.org")["reason"],
        "asked_by_phone"
    );
    for path in [
        "/suppressions",
        "/suppressions?q=READER1",
        "/suppressions?q=reader1&reason=asked_by_phone",
        "/bounces",
        "/bounces?reason=asked_by_phone",
    ] {
        let page = editor.get(path).body;
        assert!(page.contains("call of &lt;Monday&gt;"), "{path}: {page}");
    }
    for path in ["/suppressions?q=reader2", "/suppressions?reason=complaint"] {
        assert!(editor.get(path).body.contains("Nothing found"), "{path}");
    }
    let exported = editor.get("/suppressions/export.csv");
    let by_command = app.run(["suppression", "export"]).succeeded().stdout;
    assert_eq!((exported.status, exported.body), (200, by_command));

    let lifted = editor.post("/suppressions/lift", &[("address", "reader1@example.org")]);
    assert_eq!(lifted.status, 303);
    assert!(suppression(app, "reader1@example.org").is_null());
    let page = editor.get(&lifted.location).body;
    assert!(
        page.contains("Lifted suppressions") && page.contains("asked by phone"),
        "{page}"
    );
    let kept = |what: &str| {
        app.database.number(&format!(
            "SELECT COUNT(*) FROM audit_log WHERE who = 'eve@example.com' AND what = '{what}'"
        ))
    };
    let counts = [
        "suppressed an address",
        "lifted a suppression",
        "exported the suppressions",
    ]
    .map(kept);
    assert_eq!(counts, [1, 1, 1]);
});

on_both_engines!(what_is_no_address_or_reason_is_refused_beside_its_field, |app| {
    let editor = Editor::of(app);
    let refused = editor.post("/suppressions", &[("address", "nobody"), ("reason", "By Phone")]);
    assert_eq!(refused.status, 422);
    for words in ["The address ", "A reason is a word", "value=\"nobody\""] {
        assert!(refused.body.contains(words), "no `{words}` in {}", refused.body);
    }
    assert_eq!(app.database.number("SELECT COUNT(*) FROM suppressions"), 0);
});

on_both_engines!(a_viewer_changes_no_suppression_and_exports_no_address, |app| {
    app.run(["suppression", "add", "ann@example.org"]).succeeded();
    let served = serve(app);
    administrator(app, &served);
    let cookie = sign_in(&served, &person(app, &served, "vic@example.com", "viewer"));
    let token = csrf(&served, &cookie);
    let fields = [("address", "ann@example.org"), ("csrf", token.as_str())];
    for path in ["/suppressions", "/suppressions/lift"] {
        let url = format!("{}{path}", served.url);
        assert_eq!(post(&url, Some(&cookie), &fields).status, 403, "{path}");
    }
    for path in ["/suppressions/export.csv", "/imports/1/rejects.csv"] {
        let url = format!("{}{path}", served.url);
        assert_eq!(get(&url, Some(&cookie)).status, 403, "{path}");
    }
    let page = get(&format!("{}/suppressions", served.url), Some(&cookie)).body;
    assert!(
        page.contains("ann@example.org") && !page.contains("Lift the suppression"),
        "{page}"
    );
    assert_eq!(suppression(app, "ann@example.org")["reason"], "by_hand");
});

on_both_engines!(the_page_of_an_import_adds_up_and_gives_the_rejected_rows, |app| {
    let file = app.write("people.csv", "E-Mail,Name\nann@example.org,Ann\nnobody,Bob\n");
    let file = file.display().to_string();
    app.run(["import", &file, "--list", "readers", "--consent", "the form <b>"])
        .succeeded();
    let editor = Editor::of(app);
    let listed = editor.get("/imports").body;
    assert!(
        listed.contains("people.csv") && listed.contains("/imports/1"),
        "{listed}"
    );
    let page = editor.get("/imports/1").body;
    for words in [
        "the form &lt;b&gt;",
        "E-Mail",
        "tidings import --undo 1",
        "/imports/1/rejects.csv",
        "finished",
    ] {
        assert!(page.contains(words), "no `{words}` in {page}");
    }
    let rejects = editor.get("/imports/1/rejects.csv");
    assert_eq!(rejects.status, 200);
    assert!(
        rejects.body.starts_with("line,reason,row\n") && rejects.body.contains("nobody,Bob"),
        "{}",
        rejects.body
    );
    for path in ["/imports/2", "/imports/x", "/imports/2/rejects.csv"] {
        assert_eq!(editor.get(path).status, 404, "{path}");
    }
    let lists = editor.get("/lists").body;
    assert!(lists.contains("readers"), "{lists}");
});

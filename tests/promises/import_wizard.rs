//! Files are uploaded, looked at, corrected, tried out and imported in the pages of the dashboard; lists and suppressions are kept
//! there too.

use crate::dashboard::{Served, browser, serve};
use crate::sign_in::{Answer, administrator, answer, csrf, get, person, post, sign_in};
use tidings_tests::{App, Browser, Engine, Theme, on_both_engines, wait_until};

const FILE: &str = "Mail;Who;Age;Note\n\
    ada@example.com;Ada;36;=1+1\n\
    bob@example.com;<script>alert(1)</script>;41;\n\
    nobody;Nobody;1;\n\
    dora@example.com;Dora;abc;\n";

/// SHA-256 of `ann@example.com`.
const ANN: &str = "71d4f55f72fa128dfb468a1a3901507c804b74316488744d769d7f4b16696476";

/// Somebody who has signed in.
struct Editor<'a> {
    served: &'a Served,
    cookie: String,
    csrf: String,
}

impl<'a> Editor<'a> {
    fn new(app: &App, served: &'a Served) -> Self {
        let email = person(app, served, "eddie@example.com", "editor");
        Editor::of(served, &email)
    }

    fn of(served: &'a Served, email: &str) -> Self {
        let cookie = sign_in(served, email);
        let csrf = csrf(served, &cookie);
        Editor { served, cookie, csrf }
    }

    fn get(&self, path: &str) -> Answer {
        get(&format!("{}{path}", self.served.url), Some(&self.cookie))
    }

    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("csrf", self.csrf.as_str())];
        all.extend_from_slice(fields);
        post(&format!("{}{path}", self.served.url), Some(&self.cookie), &all)
    }

    /// Sends a form with a file as a browser without scripts does. `token`: the first field.
    fn send_file(
        &self,
        path: &str,
        token: &str,
        fields: &[(&str, &str)],
        (name, file): (&str, &[u8]),
    ) -> Answer {
        let mut body = Vec::new();
        for (name, value) in [("csrf", token)].iter().chain(fields) {
            let part = format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        let head = format!(
            "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: text/csv\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--xyz--\r\n");
        let request = browser()
            .post(format!("{}{path}", self.served.url))
            .header("Cookie", &self.cookie)
            .header("Content-Type", "multipart/form-data; boundary=xyz");
        answer(request.send(&body[..]).unwrap())
    }

    /// Where an upload for the list `readers` leads.
    fn upload(&self, name: &str, file: &[u8]) -> String {
        let fields = [("list", ""), ("new_list", "readers"), ("consent", "trade fair")];
        let sent = self.send_file("/imports/uploads", &self.csrf, &fields, (name, file));
        assert_eq!(sent.status, 303, "{}", sent.body);
        sent.location
    }

    fn wait_for(&self, path: &str, words: &str) -> String {
        let mut page = String::new();
        wait_until(words, 60, || {
            page = self.get(path).body;
            page.contains(words)
        });
        page
    }
}

/// An upload of this person's, and a list of suppressions that was imported.
pub fn an_upload(served: &Served, email: &str) -> String {
    let editor = Editor::of(served, email);
    let path = "/suppressions/import";
    editor.send_file(
        path,
        &editor.csrf,
        &[("reason", "left")],
        ("left.csv", b"email\nx@example.com\ny\n"),
    );
    editor.upload("people.csv", FILE.as_bytes())
}

on_both_engines!(
    a_file_is_uploaded_corrected_tried_out_imported_and_taken_back_in_the_pages,
    |app| {
        let served = serve(app);
        let editor = Editor::new(app, &served);
        let upload = editor.upload("=cmd.csv", FILE.as_bytes());
        let seen = editor.get(&upload).body;
        for words in [
            "&#x3D;cmd.csv",
            "found: semicolon",
            "found: e-mail address",
            "found: attribute, text",
        ] {
            assert!(seen.contains(words), "{words} in {seen}");
        }
        assert!(
            !seen.contains("<script>alert"),
            "what stands in the file does not run"
        );

        // With commas there is one column and no address in it; the semicolon makes it right again.
        let wrong = editor.post(
            &upload,
            &[("list", "readers"), ("delimiter", "comma"), ("do", "try")],
        );
        assert_eq!(wrong.status, 422);
        assert!(wrong.body.contains("No column looks like"), "{}", wrong.body);
        let right = [
            ("list", "readers"),
            ("delimiter", "semicolon"),
            ("consent", "trade fair"),
        ];
        assert_eq!(editor.post(&upload, &right).status, 303);
        let mapped = [
            ("list", "readers"),
            ("delimiter", "semicolon"),
            ("consent", "trade fair"),
            ("use-2", "name"),
            ("use-3", "number"),
            ("name-3", "age"),
            ("do", "try"),
        ];
        let tried = editor.post(&upload, &mapped);
        assert_eq!(
            (tried.status, tried.location.as_str()),
            (303, format!("{upload}/trial").as_str())
        );
        let page = editor.wait_for(&tried.location, "read to its end");
        assert!(
            page.contains("`abc`") || page.contains("<code>abc</code> is not a number"),
            "{page}"
        );
        assert_eq!(
            app.database.number("SELECT COUNT(*) FROM recipients"),
            0,
            "a trial changes nothing"
        );
        assert_eq!(app.database.number("SELECT COUNT(*) FROM lists"), 0);

        let imported = editor.post(&format!("{upload}/import"), &[]);
        assert_eq!((imported.status, imported.location.as_str()), (303, "/imports/1"));
        let page = editor.wait_for("/imports/1", "finished");
        for words in ["eddie@example.com", "trade fair", "&#x3D;cmd.csv"] {
            assert!(page.contains(words), "{words} in {page}");
        }
        let ages = "SELECT COUNT(*) FROM recipients WHERE attributes LIKE '%\"age\":36%'";
        assert_eq!(app.database.number(ages), 1);
        assert_eq!(
            editor.get(&upload).status,
            404,
            "the upload has become the import"
        );
        let rejects = editor.get("/imports/1/rejects.csv").body;
        assert!(
            rejects.contains("nobody;Nobody") && rejects.contains("is not a number"),
            "{rejects}"
        );
        let has_copy = || {
            let files = std::fs::read_dir(app.folder()).unwrap().flatten();
            let mut names = files.map(|file| file.file_name().into_string().unwrap());
            names.any(|name| name.starts_with("incoming-"))
        };
        wait_until("the copy is gone after the end of the import", 10, || !has_copy());

        // What somebody has changed since stays, and is named.
        app.import_csv("readers", "email,name\nada@example.com,Countess\n");
        assert_eq!(editor.post("/imports/1/undo", &[]).status, 303);
        editor.wait_for("/imports/1", "undone");
        assert_eq!(app.database.number("SELECT COUNT(*) FROM recipients"), 1);
        assert!(editor.get("/imports/1/kept.csv").body.contains("ada@example.com"));
        assert_eq!(editor.post("/imports/1/undo", &[]).status, 409);
        for what in ["uploaded a file", "began an import", "took back an import"] {
            let kept =
                format!("SELECT COUNT(*) FROM audit_log WHERE what = '{what}' AND who = 'eddie@example.com'");
            assert_eq!(app.database.number(&kept), 1, "{what}");
        }
    }
);

on_both_engines!(an_import_of_a_killed_server_goes_on_with_the_next_one, |app| {
    const ROWS: i64 = 150_000;
    let served = serve(app);
    let editor = Editor::new(app, &served);
    let mut file = String::from("email,name\n");
    for i in 0..ROWS {
        file.push_str(&format!("reader{i}@example.org,Reader {i}\n"));
    }
    let upload = editor.upload("many.csv", file.as_bytes());
    assert_eq!(editor.post(&format!("{upload}/import"), &[]).status, 303);
    let rows = "SELECT COUNT(*) FROM recipients";
    wait_until("something is imported", 60, || app.database.number(rows) > 0);
    served.process.kill_9();
    assert!(app.database.number(rows) < ROWS, "it was killed in time");
    let served = serve(app);
    let editor = Editor::of(&served, "eddie@example.com");
    editor.wait_for("/imports/1", ">finished<");
    assert_eq!(app.database.number(rows), ROWS);
});

on_both_engines!(an_import_is_stopped_and_gone_on_with_by_a_person, |app| {
    const ROWS: i64 = 200_000;
    let served = serve(app);
    let editor = Editor::new(app, &served);
    let mut file = String::from("email\n");
    for i in 0..ROWS {
        file.push_str(&format!("reader{i}@example.org\n"));
    }
    let upload = editor.upload("many.csv", file.as_bytes());
    assert_eq!(editor.post(&format!("{upload}/import"), &[]).status, 303);
    let rows = "SELECT COUNT(*) FROM recipients";
    wait_until("something is imported", 60, || app.database.number(rows) > 0);
    assert_eq!(editor.post("/imports/1/stop", &[]).status, 303);
    let page = editor.wait_for("/imports/1", "eddie@example.com asked it to stop");
    assert!(page.contains("/imports/1/go-on"), "{page}");
    assert!(app.database.number(rows) < ROWS, "it was stopped in time");
    assert_eq!(editor.post("/imports/1/go-on", &[]).status, 303);
    editor.wait_for("/imports/1", ">finished<");
    assert_eq!(app.database.number(rows), ROWS);
    assert_eq!(editor.post("/imports/1/stop", &[]).status, 409);
});

on_both_engines!(
    what_may_not_be_uploaded_is_refused_in_a_sentence_and_leaves_nothing,
    |app| {
        app.configure(|settings| settings.largest_upload = "1 MiB".to_owned());
        let served = serve(app);
        let editor = Editor::new(app, &served);
        let fields = [("list", ""), ("new_list", "readers")];
        let send = |editor: &Editor, token: &str, name: &str, file: &[u8]| {
            editor.send_file("/imports/uploads", token, &fields, (name, file))
        };
        let large = vec![b'x'; 3 << 20];
        let refused = send(&editor, &editor.csrf, "large.csv", &large);
        assert_eq!(refused.status, 413);
        assert!(refused.body.contains("larger than 1 MiB"), "{}", refused.body);
        assert_eq!(send(&editor, &editor.csrf, "empty.csv", b"").status, 422);
        for token in ["", "0000", &editor.csrf[..10]] {
            assert_eq!(
                send(&editor, token, "a.csv", FILE.as_bytes()).status,
                403,
                "{token}"
            );
        }
        assert_eq!(
            std::fs::read_dir(app.folder().join("uploads")).map_or(0, Iterator::count),
            0
        );

        // A file that is not what it looks like is taken, and it is said what is wrong.
        let upload = editor.upload("cut.xlsx", b"PK\x03\x04 and no more");
        let page = editor.get(&upload);
        assert_eq!(page.status, 200);
        assert!(page.body.contains("role=\"alert\""), "{}", page.body);
        assert_eq!(
            editor.post(&upload, &[("list", "readers"), ("do", "try")]).status,
            422
        );
        assert_eq!(editor.post(&format!("{upload}/import"), &[]).status, 409);
        let header = editor.upload("header.csv", b"email;name\n");
        let page = editor.get(&header).body;
        for words in [
            "line 1 is the header, and no row comes after it",
            "is a recipient",
        ] {
            assert!(page.contains(words), "{page}");
        }
        assert_eq!(editor.post(&format!("{header}/import"), &[]).status, 409);
        assert_eq!(editor.post(&format!("{header}/remove"), &[]).status, 303);
        assert_eq!(app.database.number("SELECT COUNT(*) FROM imports"), 0);

        let email = person(app, &served, "vera@example.com", "viewer");
        let viewer = Editor::of(&served, &email);
        for path in ["/imports/new", upload.as_str(), "/suppressions/import/1"] {
            assert_eq!(viewer.get(path).status, 403, "{path}");
        }
        assert_eq!(send(&viewer, &viewer.csrf, "a.csv", FILE.as_bytes()).status, 403);
        assert_eq!(viewer.post("/lists", &[("name", "mine")]).status, 403);
        let email = person(app, &served, "emma@example.com", "editor");
        let other = Editor::of(&served, &email);
        assert_eq!(other.get(&upload).status, 404, "an upload is its owner's alone");
        assert_eq!(editor.post(&format!("{upload}/remove"), &[]).status, 303);
        assert_eq!(editor.get(&upload).status, 404);
    }
);

on_both_engines!(a_file_of_addresses_or_hashes_is_suppressed_in_the_page, |app| {
    app.import_csv("readers", "email\nann@example.com\n");
    let served = serve(app);
    let editor = Editor::new(app, &served);
    let send = |reason: &str, file: &[u8]| {
        let path = "/suppressions/import";
        editor.send_file(path, &editor.csrf, &[("reason", reason)], ("left.csv", file))
    };
    assert_eq!(send("Not A Word", b"email\na@example.com\n").status, 422);
    assert_eq!(app.database.number("SELECT COUNT(*) FROM suppressions"), 0);
    let sent = send("complaint", b"email\na@example.com\nb@example.com\nnobody\n");
    assert_eq!(
        (sent.status, sent.location.as_str()),
        (303, "/suppressions/import/1")
    );
    let page = editor.wait_for(&sent.location, ">finished<");
    assert!(page.contains("left.csv, line 4"), "{page}");
    // Files that wait for their import do not stand in the way.
    for n in 0..10 {
        editor.upload("people.csv", format!("email\np{n}@example.com\n").as_bytes());
    }
    let suppressed = "SELECT COUNT(*) FROM suppressions WHERE reason = 'complaint'";
    assert_eq!(app.database.number(suppressed), 2);
    let sent = send("complaint", format!("{ANN}\n").as_bytes());
    let page = editor.wait_for(&sent.location, ">finished<");
    assert!(
        page.contains("recipients that have one of these hashes"),
        "{page}"
    );
    let ann = app.run(["suppression", "show", "ann@example.com"]);
    ann.succeeded().prints(&["is suppressed"]);
    let audited =
        "SELECT COUNT(*) FROM audit_log WHERE what = 'imported suppressions' AND detail LIKE '3 rows, 2 %'";
    wait_until("the end is in the audit log", 10, || {
        app.database.number(audited) == 1
    });
});

on_both_engines!(lists_are_made_renamed_and_told_what_holds_in_their_pages, |app| {
    let served = serve(app);
    let editor = Editor::new(app, &served);
    let made = editor.post("/lists", &[("name", "Readers & friends")]);
    assert_eq!((made.status, made.location.as_str()), (303, "/lists/1"));
    assert_eq!(
        editor.post("/lists", &[("name", "Readers & friends")]).status,
        422
    );
    assert_eq!(editor.post("/lists", &[("name", "  ")]).status, 422);
    assert_eq!(editor.post("/lists", &[("name", "Others")]).status, 303);
    let taken = editor.post("/lists/1/name", &[("name", "Others")]);
    assert!(taken.status == 422 && taken.body.contains("Another list is called so"));
    assert!(taken.body.contains("value=\"Others\""), "{}", taken.body);
    assert_eq!(editor.post("/lists/1/name", &[("name", "Friends")]).status, 303);
    let links = [
        ("tracking", "full"),
        ("utm_source", "friends"),
        ("utm_medium", ""),
    ];
    assert_eq!(editor.post("/lists/1/links", &links).status, 303);
    assert_eq!(
        editor
            .post("/lists/1/links", &[("tracking", "everything")])
            .status,
        422
    );
    assert_eq!(editor.post("/lists/1/archive", &[("open", "yes")]).status, 303);
    let sign_up = [
        ("open", "yes"),
        ("sender", "News <news@example.com>"),
        ("fields", "name\ncity=Your city"),
    ];
    assert_eq!(editor.post("/lists/1/sign-up", &sign_up).status, 303);
    let wrong = [
        ("open", "yes"),
        ("sender", "nobody"),
        ("text", "I agree to this."),
    ];
    let wrong = editor.post("/lists/1/sign-up", &wrong);
    for words in [
        "id=\"sender-error\">nobody: it",
        "value=\"nobody\"",
        "I agree to this.",
    ] {
        assert!(
            wrong.status == 422 && wrong.body.contains(words),
            "{}",
            wrong.body
        );
    }
    let wrong = [
        ("tracking", "off"),
        ("utm_source", "spring"),
        ("utm_term", "a\u{7}b"),
    ];
    let wrong = editor.post("/lists/1/links", &wrong);
    for words in ["value=\"off\" selected", "value=\"spring\""] {
        assert!(
            wrong.status == 422 && wrong.body.contains(words),
            "{}",
            wrong.body
        );
    }
    let shown = app.run(["--json", "list", "show", "Friends"]).succeeded().json();
    let list = &shown[0];
    assert_eq!(
        (&list["tracking"], &list["utm"]["source"]),
        (&"full".into(), &"friends".into())
    );
    assert_eq!((&list["archive"], &list["sign_up"]), (&true.into(), &true.into()));
    let form = get(&format!("{}/s/1", served.url), None);
    assert!(
        form.status == 200 && form.body.contains("Your city"),
        "{}",
        form.body
    );
    assert_eq!(editor.post("/lists/1/sign-up", &[("open", "no")]).status, 303);
    assert_eq!(get(&format!("{}/s/1", served.url), None).status, 404);
    assert_eq!(editor.get("/lists/7").status, 404);
    let audited = "SELECT COUNT(*) FROM audit_log WHERE who = 'eddie@example.com' AND what LIKE '%a list%'";
    assert_eq!(app.database.number(audited), 8);
});

#[test]
fn a_file_is_imported_by_clicking() {
    let app = App::start(Engine::Sqlite);
    let served = serve(&app);
    let email = administrator(&app, &served);
    let file = app.write("people.csv", FILE);
    let browser = Browser::open_with(390, Theme::Light);
    browser.goto(&served.url);
    browser.fill("E-mail address", &email);
    browser.fill("Password", crate::sign_in::PASSWORD);
    browser.click("Sign in");
    browser.sees("Sign out");
    browser.goto(&format!("{}/imports/new", served.url));
    // A mistake is said beside the button, and what was filled in stays.
    browser.fill("Name of the new list", " ");
    browser.fill("Where the consent comes from", "open day in May");
    browser.choose_file("File", &file);
    browser.click("Upload");
    browser.sees("Name the list");
    let consent = browser.script("return document.getElementById('consent').value");
    assert_eq!(consent, "open day in May");
    browser.complaints();
    browser.fill("Name of the new list", "readers");
    browser.choose_file("File", &file);
    browser.click("Upload");
    browser.sees("Step 2 of 3");
    browser.choose("What Age is", "Attribute: number");
    browser.click("Try it");
    browser.sees("read to its end");
    browser.click("Import");
    browser.sees("finished");
    browser.click("Take back…");
    browser.sees("Take this import back?");
    browser.click("Take it back");
    browser.sees("undone");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

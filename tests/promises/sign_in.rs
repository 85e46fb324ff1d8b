//! Nobody gets into the dashboard without having been let in, nobody does more than their role allows, and whatever is changed
//! is kept with who did it.

use crate::dashboard::{Served, browser, serve};
use tidings_tests::{App, on_both_engines};

/// The password of everybody in these tests.
pub const PASSWORD: &str = "correct horse battery";

/// Makes an administrator who can sign in with [`PASSWORD`]; their address.
pub fn administrator(app: &App, served: &Served) -> String {
    person(app, served, "ada@example.com", "administrator")
}

/// Makes a person of this role who can sign in; their address.
pub fn person(app: &App, served: &Served, email: &str, role: &str) -> String {
    let added = app
        .run(["--json", "user", "add", email, "--role", role])
        .succeeded()
        .json();
    let link = added["link"].as_str().unwrap();
    let (_, secret) = link.rsplit_once('/').unwrap();
    let entered = post(
        &format!("{}/enter/{secret}", served.url),
        None,
        &[("name", "Ada Example"), ("password", PASSWORD)],
    );
    assert_eq!(entered.status, 303, "{}", entered.body);
    email.to_owned()
}

/// What the server said.
pub struct Answer {
    /// By number.
    pub status: u16,
    /// Where it leads.
    pub location: String,
    /// What the browser is to keep.
    pub cookie: Option<String>,
    /// The page.
    pub body: String,
}

pub fn answer(mut response: http::Response<ureq::Body>) -> Answer {
    let field = |name: &str| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    Answer {
        status: response.status().as_u16(),
        location: field("location").unwrap_or_default(),
        cookie: field("set-cookie"),
        body: response.body_mut().read_to_string().unwrap(),
    }
}

/// Sends a form.
pub fn post(url: &str, cookie: Option<&str>, fields: &[(&str, &str)]) -> Answer {
    let mut request = browser().post(url);
    if let Some(cookie) = cookie {
        request = request.header("Cookie", cookie);
    }
    answer(request.send_form(fields.iter().copied()).unwrap())
}

/// Asks for a page as a browser does.
pub fn get(url: &str, cookie: Option<&str>) -> Answer {
    let mut request = browser().get(url).header("Accept", "text/html");
    if let Some(cookie) = cookie {
        request = request.header("Cookie", cookie);
    }
    answer(request.call().unwrap())
}

pub fn try_password(served: &Served, email: &str, password: &str) -> Answer {
    let fields = [("email", email), ("password", password), ("next", "/campaigns")];
    post(&format!("{}/sign-in", served.url), None, &fields)
}

/// The cookie of a new session, as a browser sends it.
pub fn sign_in(served: &Served, email: &str) -> String {
    let answer = try_password(served, email, PASSWORD);
    assert_eq!((answer.status, answer.location.as_str()), (303, "/campaigns"));
    let cookie = answer.cookie.unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// The token that every change of this session must bring along.
pub fn csrf(served: &Served, cookie: &str) -> String {
    let page = get(&served.url, Some(cookie)).body;
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

on_both_engines!(nobody_sees_the_dashboard_without_having_signed_in, |app| {
    let served = serve(app);
    for path in [
        "/",
        "/campaigns",
        "/recipients?address=a@example.org",
        "/settings/audit",
    ] {
        let seen = get(&format!("{}{path}", served.url), None);
        assert_eq!(seen.status, 303, "{path}");
        assert!(
            seen.location.starts_with("/sign-in?next=%2F"),
            "{}",
            seen.location
        );
    }
    let program = browser().get(format!("{}/events", served.url)).call().unwrap();
    assert_eq!(program.status().as_u16(), 401);
    let forged = get(&served.url, Some("tidings=0123456789abcdef"));
    assert_eq!(forged.status, 303);
    assert_eq!(get(&format!("{}/health", served.url), None).status, 200);
});

on_both_engines!(the_link_of_the_first_start_makes_one_administrator_once, |app| {
    let served = serve(app);
    let first = served.first_sign_in().unwrap();
    // A program that looks at links uses none up.
    assert_eq!(get(&first, None).status, 200);
    let fields = [
        ("email", "Ada@Example.com"),
        ("name", "Ada Example"),
        ("password", PASSWORD),
    ];
    let weak = post(
        &first,
        None,
        &[("email", "no"), ("name", ""), ("password", "short")],
    );
    assert_eq!(weak.status, 422);
    for fault in ["not an e-mail address", "1 to 100", "at least 10"] {
        assert!(weak.body.contains(fault), "{}", weak.body);
    }
    assert_eq!(post(&first, None, &fields).status, 303);
    assert_eq!(get(&first, None).status, 404);
    assert_eq!(post(&first, None, &fields).status, 404);
    sign_in(&served, "ada@example.com");
    served.process.kill_9();
    assert_eq!(serve(app).first_sign_in(), None);
});

on_both_engines!(
    links_of_other_starts_and_links_whose_time_is_over_let_nobody_in,
    |app| {
        let served = serve(app);
        let earlier = served.first_sign_in().unwrap();
        served.process.kill_9();
        let served = serve(app);
        let (_, secret) = earlier.rsplit_once('/').unwrap();
        assert_eq!(get(&format!("{}/enter/{secret}", served.url), None).status, 404);
        app.database
            .execute("UPDATE entry_links SET expires_at = expires_at - 4 * 86400000000");
        assert_eq!(get(&served.first_sign_in().unwrap(), None).status, 404);
    }
);

on_both_engines!(a_session_s_cookie_is_for_the_server_alone, |app| {
    let served = serve(app);
    let email = administrator(app, &served);
    let cookie = try_password(&served, &email, PASSWORD).cookie.unwrap();
    for flag in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    // Under the host of the public URL the browser comes by https.
    let answer = browser()
        .post(format!("{}/sign-in", served.url))
        .header("Host", "news.example.com")
        .send_form([("email", email.as_str()), ("password", PASSWORD)])
        .unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.starts_with("__Host-tidings=") && cookie.contains("Secure"),
        "{cookie}"
    );
});

on_both_engines!(wrong_passwords_are_slowed_down_and_tell_nothing, |app| {
    let served = serve(app);
    let email = administrator(app, &served);
    let wrong = try_password(&served, &email, "wrong horse battery");
    let nobody = try_password(&served, "nobody@example.com", "wrong horse battery");
    assert_eq!((wrong.status, nobody.status), (401, 401));
    assert_eq!(wrong.body, nobody.body.replace("nobody@example.com", &email));
    for _ in 0..4 {
        try_password(&served, &email, "wrong horse battery");
    }
    let slowed = try_password(&served, &email, PASSWORD);
    assert_eq!(slowed.status, 429, "{}", slowed.body);
    assert!(slowed.body.contains("Try again in 10 min"), "{}", slowed.body);
});

on_both_engines!(a_change_needs_the_session_s_own_token, |app| {
    let served = serve(app);
    let email = administrator(app, &served);
    let cookie = sign_in(&served, &email);
    let token = csrf(&served, &cookie);
    let url = format!("{}/settings/tokens", served.url);
    let make = |fields: &[(&str, &str)]| post(&url, Some(&cookie), fields).status;
    assert_eq!(make(&[("name", "n"), ("role", "viewer")]), 403);
    assert_eq!(make(&[("name", "n"), ("role", "viewer"), ("csrf", "x")]), 403);
    let other = csrf(&served, &sign_in(&served, &email));
    assert_eq!(make(&[("name", "n"), ("role", "viewer"), ("csrf", &other)]), 403);
    let for_ever = [
        ("name", "n"),
        ("role", "viewer"),
        ("days", "4000"),
        ("csrf", token.as_str()),
    ];
    let refused = post(&url, Some(&cookie), &for_ever);
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.body.contains("from 1 to 3650"), "{}", refused.body);
    let from_elsewhere = browser()
        .post(&url)
        .header("Cookie", &cookie)
        .header("Sec-Fetch-Site", "cross-site")
        .send_form([("name", "n"), ("role", "viewer"), ("csrf", token.as_str())])
        .unwrap();
    assert_eq!(from_elsewhere.status().as_u16(), 403);
    let tokens = app.run(["--json", "token", "list"]).succeeded().json();
    assert_eq!(
        tokens.as_array().unwrap().len(),
        1,
        "that of the test alone: {tokens}"
    );
    assert_eq!(make(&[("name", "n"), ("role", "viewer"), ("csrf", &token)]), 200);
});

on_both_engines!(nobody_does_more_than_their_role_allows, |app| {
    let served = serve(app);
    administrator(app, &served);
    let cookie = sign_in(&served, &person(app, &served, "vic@example.com", "viewer"));
    assert_eq!(get(&served.url, Some(&cookie)).status, 200);
    assert_eq!(
        get(&format!("{}/settings/people", served.url), Some(&cookie)).status,
        403
    );
    let token = csrf(&served, &cookie);
    let fields = [
        ("email", "x@example.com"),
        ("name", "X"),
        ("role", "administrator"),
        ("csrf", token.as_str()),
    ];
    assert_eq!(
        post(&format!("{}/settings/people", served.url), Some(&cookie), &fields).status,
        403
    );
    let made = app
        .run(["--json", "token", "create", "reader"])
        .succeeded()
        .json();
    let of_program = |path: &str| {
        let request = browser().get(format!("{}{path}", served.url));
        let secret = made["token"].as_str().unwrap();
        request
            .header("Authorization", format!("Bearer {secret}"))
            .call()
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(
        (of_program("/campaigns"), of_program("/settings/people")),
        (200, 403)
    );
    app.run(["token", "revoke", &made["id"].to_string()]).succeeded();
    assert_eq!(of_program("/campaigns"), 401);
});

on_both_engines!(another_way_to_write_an_address_allows_no_more, |app| {
    let served = serve(app);
    let ask = |role: &str, path: &str| {
        let made = app.run(["--json", "token", "create", role, "--role", role]);
        let secret = made.succeeded().json()["token"].as_str().unwrap().to_owned();
        let bearer = format!("Bearer {secret}");
        let address = format!("{}{path}", served.url);
        let asked = browser()
            .get(&address)
            .header("Authorization", &bearer)
            .call()
            .unwrap();
        let fields = [("name", "more"), ("role", "administrator")];
        let posted = browser().post(&address).header("Authorization", &bearer);
        let posted = posted.send_form(fields).unwrap();
        (asked.status().as_u16(), posted.status().as_u16())
    };
    for path in ["/settings/tokens", "/%73ettings/tokens", "/%73%65ttings/people"] {
        assert_eq!(ask("editor", path), (403, 403), "{path}");
    }
    for path in [
        "/suppressions/export.csv",
        "/suppressions/export%2Ecsv",
        "/campaigns/1/deliveries%2Ejsonl",
        "/campaigns/1/deliveries.%63sv",
    ] {
        assert_eq!(ask("viewer", path).0, 403, "{path}");
    }
});

on_both_engines!(whoever_is_disabled_or_signs_out_is_out_at_once, |app| {
    let served = serve(app);
    administrator(app, &served);
    let email = person(app, &served, "eve@example.com", "editor");
    let cookie = sign_in(&served, &email);
    let second = sign_in(&served, &email);
    let token = csrf(&served, &second);
    let out = post(
        &format!("{}/sign-out", served.url),
        Some(&second),
        &[("csrf", &token)],
    );
    assert_eq!((out.status, out.location.as_str()), (303, "/sign-in"));
    assert_eq!(get(&served.url, Some(&second)).status, 303);
    assert_eq!(get(&served.url, Some(&cookie)).status, 200);
    app.run(["user", "disable", &email]).succeeded();
    assert_eq!(get(&served.url, Some(&cookie)).status, 303);
    assert_eq!(try_password(&served, &email, PASSWORD).status, 401);
    app.run(["user", "enable", &email]).succeeded();
    sign_in(&served, &email);
    app.run(["user", "reset", &email]).succeeded();
    assert_eq!(try_password(&served, &email, PASSWORD).status, 401);
});

on_both_engines!(the_last_administrator_stays, |app| {
    let served = serve(app);
    let email = administrator(app, &served);
    app.run(["user", "disable", &email])
        .failed_with(1)
        .says(&["administrator"]);
    let listed = app.run(["--json", "user", "list"]).succeeded().json();
    assert_eq!(listed[0]["state"], "active");
});

on_both_engines!(
    the_audit_log_tells_who_did_what_and_no_secret_is_kept_in_clear,
    |app| {
        let served = serve(app);
        let email = administrator(app, &served);
        let cookie = sign_in(&served, &email);
        try_password(&served, &email, "wrong horse battery");
        let page = get(&format!("{}/settings/audit", served.url), Some(&cookie)).body;
        for words in [
            "command line",
            "invited a person",
            "chose a password",
            "signed in",
            "failed to sign in",
            "127.0.0.1",
        ] {
            assert!(page.contains(words), "no `{words}` in {page}");
        }
        let secret = cookie.split('=').nth(1).unwrap();
        for (table, column) in [
            ("people", "password_hash"),
            ("audit_log", "detail"),
            ("person_sessions", "agent"),
        ] {
            let kept = format!(
                "SELECT COUNT(*) FROM {table} WHERE {column} LIKE '%{PASSWORD}%' OR {column} LIKE '%{secret}%'"
            );
            assert_eq!(app.database.number(&kept), 0, "{table}");
        }
        let said = served.process.stderr_so_far();
        assert!(!said.contains(PASSWORD) && !said.contains(secret), "{said}");
    }
);

on_both_engines!(a_changed_password_ends_all_other_sessions, |app| {
    let served = serve(app);
    let email = administrator(app, &served);
    let (here, elsewhere) = (sign_in(&served, &email), sign_in(&served, &email));
    let token = csrf(&served, &here);
    let url = format!("{}/account/password", served.url);
    let wrong = [
        ("current", "not my password"),
        ("new", "another good password"),
        ("csrf", token.as_str()),
    ];
    assert_eq!(post(&url, Some(&here), &wrong).status, 422);
    let right = [
        ("current", PASSWORD),
        ("new", "another good password"),
        ("csrf", token.as_str()),
    ];
    let changed = post(&url, Some(&here), &right);
    assert_eq!((changed.status, changed.location.as_str()), (303, "/account"));
    assert_eq!(get(&served.url, Some(&elsewhere)).status, 303);
    let fresh = changed.cookie.unwrap();
    assert_eq!(get(&served.url, fresh.split(';').next()).status, 200);
});

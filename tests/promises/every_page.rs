//! Every address of the dashboard is behind its gate, needs the role that it should, and is a page as pages should be. The addresses
//! are read from the source of the routes, so that one which is forgotten here fails.

use crate::dashboard::{Served, browser, serve};
use crate::sign_in::administrator;
use crate::steering::token;
use std::collections::BTreeSet;
use tidings_tests::{App, on_both_engines};

/// What a route answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Method {
    Get,
    Post,
}

/// Answers that are no pages of ours: events without end, one that only leads on, and what goes into frames.
const NO_PAGES: [&str; 4] = [
    "/events",
    "/settings",
    "/campaigns/{id}/click-map/newsletter",
    "/campaigns/{id}/click-map/images/{name}",
];

/// Pages of what was uploaded before: `import_wizard` goes through them, and `in_a_browser` looks at them.
const OF_UPLOADS: [&str; 5] = [
    "/imports/uploads/{id}",
    "/imports/uploads/{id}/trial",
    "/imports/{id}/rejects.csv",
    "/imports/{id}/kept.csv",
    "/suppressions/import/{number}",
];

/// What stands behind the gate, as `web/src/routes.rs` has it.
fn routes() -> BTreeSet<(String, Method)> {
    let source = include_str!("../../web/src/routes.rs");
    let behind = source
        .split_once("fn inside(")
        .and_then(|(_, rest)| rest.split_once("pub(crate) fn public_only"))
        .expect("the routes behind the gate stand between these")
        .0;
    let mut routes = BTreeSet::new();
    let mut resource = resource_in(behind.split(".route(").next().unwrap()).unwrap_or_default();
    for piece in behind.split(".route(").skip(1) {
        let (path, rest) = piece.split_once(".to(").expect("a route has a handler");
        let (path, handler) = match path.trim_start().strip_prefix('"') {
            Some(literal) => literal.split_once('"').expect("a literal has an end"),
            None => match path.split_once(',') {
                Some((name, handler)) => (named(name.trim()), handler),
                // That of the resource around it.
                None => (resource, path),
            },
        };
        resource = resource_in(rest).unwrap_or(resource);
        let method = if handler.contains("page()") || handler.contains("web::get()") {
            Method::Get
        } else if handler.contains("web::post()") {
            Method::Post
        } else {
            panic!("{path}: neither page() nor web::get() nor web::post()");
        };
        assert!(path.starts_with('/'), "{path} is no path");
        routes.insert((path.to_owned(), method));
    }
    // One handler more answers everything else.
    let handlers = behind.matches(".to(").count() + behind.matches("web::to(").count();
    assert_eq!(
        handlers,
        routes.len() + 1,
        "write every route as `.route(PATH, METHOD.to(HANDLER))`, else it is not walked here"
    );
    routes
}

/// The path of the resource that begins in a piece of source.
fn resource_in(source: &str) -> Option<&str> {
    source.split_once("web::resource(")?.1.split('"').nth(1)
}

/// What stands behind the names of paths in the source. A wrong one is no page.
fn named(constant: &str) -> &'static str {
    match constant {
        "relays::PATH" => "/settings/relays",
        "domains::PATH" => "/settings/domains",
        "parts::LIMITS" => "/settings/limits",
        "parts::TRACKING" => "/settings/tracking",
        "parts::THRESHOLDS" => "/settings/thresholds",
        other => panic!("say here which path {other} is"),
    }
}

/// An address of this pattern that is there.
fn filled(pattern: &str, installed: &Installed) -> String {
    let id = match pattern.split('/').nth(1) {
        // One that has been sent has no time any more.
        Some("campaigns") if pattern.ends_with("/schedule") => &installed.draft,
        Some("campaigns") => &installed.sent,
        _ => "1",
    };
    let pattern = match pattern {
        "/settings/relays/edit" => "/settings/relays/edit?name=primary",
        pattern => pattern,
    };
    let path = pattern
        .replace("{id}", id)
        .replace("{number}", "1")
        .replace("{ending}", "csv");
    let path = match path.strip_prefix("/templates/") {
        Some(rest) => format!(
            "/templates/{}",
            rest.replace("{name}", "spring").replace("{n}", "1")
        ),
        None => path,
    };
    assert!(
        !path.contains('{') || NO_PAGES.contains(&pattern),
        "{pattern}: say here how it is asked for"
    );
    path.replace("{name}", "picture.png")
}

/// What the manual says of roles.
fn least_role(path: &str, method: Method) -> &'static str {
    match method {
        _ if path.starts_with("/settings") => "administrator",
        Method::Post if path.starts_with("/nodes") => "administrator",
        _ if path.starts_with("/imports/new")
            || path.starts_with("/imports/uploads")
            || path.starts_with("/suppressions/import")
            || path.ends_with("/schedule") =>
        {
            "editor"
        }
        _ if path.ends_with(".csv") || path.ends_with(".jsonl") => "editor",
        Method::Get => "viewer",
        Method::Post if path.starts_with("/account/") || path == "/sign-out" || path == "/preview" => {
            "viewer"
        }
        Method::Post => "editor",
    }
}

const ROLES: [&str; 3] = ["viewer", "editor", "administrator"];

struct Asked {
    status: u16,
    header: Box<dyn Fn(&str) -> String>,
    body: String,
}

fn ask(served: &Served, path: &str, method: Method, token: Option<&str>) -> Asked {
    let url = format!("{}{path}", served.url);
    let bearer = token.map(|token| format!("Bearer {token}"));
    let answer = match method {
        Method::Get => {
            let mut request = browser().get(&url).header("Accept", "text/html");
            if let Some(bearer) = &bearer {
                request = request.header("Authorization", bearer);
            }
            request.call()
        }
        Method::Post => {
            let mut request = browser().post(&url);
            if let Some(bearer) = &bearer {
                request = request.header("Authorization", bearer);
            }
            request.send_form([("nothing", "")])
        }
    };
    let answer = answer.unwrap();
    let headers = answer.headers().clone();
    let status = answer.status().as_u16();
    let is_endless = path == "/events" && status == 200;
    let body = match is_endless {
        true => String::new(),
        false => answer.into_body().read_to_string().unwrap_or_default(),
    };
    Asked {
        status,
        header: Box::new(move |name| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        }),
        body,
    }
}

/// A page as `docs/dashboard.md` wants it.
fn is_a_page_of_ours(path: &str, asked: &Asked) {
    assert_eq!(asked.status, 200, "{path}: {}", asked.body);
    let policy = (asked.header)("content-security-policy");
    assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
    assert!(!policy.contains("unsafe"), "{path}: {policy}");
    assert_eq!((asked.header)("x-content-type-options"), "nosniff", "{path}");
    if !(asked.header)("content-type").starts_with("text/html") {
        return;
    }
    assert_eq!((asked.header)("cache-control"), "no-store", "{path}");
    let body = &asked.body;
    assert_eq!(body.matches("<h1").count(), 1, "{path}: one heading of the page");
    assert_eq!(body.matches("<main").count(), 1, "{path}");
    assert!(
        !body.contains(" style=\"") && !body.contains("<style"),
        "{path}: inline style"
    );
    for script in body.split("<script").skip(1) {
        let (tag, rest) = script.split_once('>').expect("a tag has an end");
        assert!(tag.contains(" src=\"/assets/"), "{path}: <script{tag}>");
        assert!(rest.starts_with("</script>"), "{path}: an inline script");
    }
    for event in [" onclick=", " onload=", " onsubmit=", " onchange=", " oninput="] {
        assert!(!body.contains(event), "{path}: {event}");
    }
}

/// A server, and campaigns to be looked at.
struct Installed {
    served: Served,
    sent: String,
    draft: String,
}

fn installed(app: &App) -> Installed {
    app.import("readers", 3);
    let sent = app.campaign("readers");
    app.send(sent);
    let draft = app.campaign("readers");
    let served = serve(app);
    administrator(app, &served);
    Installed {
        served,
        sent: sent.to_string(),
        draft: draft.to_string(),
    }
}

on_both_engines!(every_address_of_the_dashboard_is_behind_the_gate, |app| {
    let installed = installed(app);
    let tokens = ROLES.map(|role| token(app, role));
    let routes = routes();
    assert!(routes.len() > 30, "{routes:?}");
    for (pattern, method) in &routes {
        let path = filled(pattern, &installed);
        let stranger = ask(&installed.served, &path, *method, None);
        match method {
            Method::Get => {
                assert_eq!(stranger.status, 303, "{path}");
                let to = (stranger.header)("location");
                assert!(to.starts_with("/sign-in?next="), "{path}: {to}");
            }
            Method::Post => assert_eq!(stranger.status, 401, "{path}"),
        }
        let least = least_role(pattern.split("{ending}").next().unwrap_or(pattern), *method);
        let least = if pattern.contains("{ending}") {
            "editor"
        } else {
            least
        };
        let least = ROLES.iter().position(|role| *role == least).unwrap();
        for (at, token) in tokens.iter().enumerate() {
            let is_allowed = at >= least;
            if is_allowed && *method == Method::Post {
                // What it does is promised elsewhere.
                continue;
            }
            let answer = ask(&installed.served, &path, *method, Some(token));
            let role = ROLES[at];
            match is_allowed {
                true => assert_ne!(answer.status, 403, "{path} as {role}"),
                false => assert_eq!(answer.status, 403, "{path} as {role}"),
            }
        }
    }
});

on_both_engines!(every_page_has_one_heading_and_nothing_inline, |app| {
    let installed = installed(app);
    let token = token(app, "administrator");
    for (pattern, method) in routes() {
        let is_walked = [&NO_PAGES[..], &OF_UPLOADS]
            .iter()
            .all(|these| !these.contains(&pattern.as_str()));
        if method == Method::Get && is_walked {
            let path = filled(&pattern, &installed);
            is_a_page_of_ours(&path, &ask(&installed.served, &path, method, Some(&token)));
        }
    }
});

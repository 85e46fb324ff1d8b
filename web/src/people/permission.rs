//! What each role may do. Whatever is not named here needs an editor if it changes something, so that a page that is
//! forgotten here is not open to all.

use actix_web::http::Method;
use tidings_store::people::Role;

/// Whether a request changes something (RFC 9110 section 9.2.1).
pub(crate) fn is_change(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The role that a request needs at least.
pub(crate) fn least_role(method: &Method, path: &str) -> Role {
    let is_below = |folder: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if is_below("/settings") || (is_below("/nodes") && is_change(method)) {
        Role::Administrator
    } else if is_below("/imports/new") || is_below("/imports/uploads") || is_below("/suppressions/import") {
        // What is in a file that is not imported yet.
        Role::Editor
    } else if is_below("/campaigns") && path.ends_with("/schedule") {
        // A form, and nothing to be seen that is not on the campaign's page.
        Role::Editor
    } else if path.ends_with(".csv") || path.ends_with(".jsonl") {
        // Whoever only looks takes no addresses home by the thousand.
        Role::Editor
    } else if is_below("/account") || path == "/sign-out" || path == "/preview" || !is_change(method) {
        Role::Viewer
    } else {
        Role::Editor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_address_needs() {
        for (method, path, role) in [
            (Method::GET, "/", Role::Viewer),
            (Method::HEAD, "/campaigns/7", Role::Viewer),
            (Method::POST, "/campaigns/7/pause", Role::Editor),
            (Method::DELETE, "/what/ever", Role::Editor),
            (Method::GET, "/campaigns/7/schedule", Role::Editor),
            (Method::GET, "/settings/people", Role::Administrator),
            (Method::POST, "/settings/tokens", Role::Administrator),
            (Method::GET, "/settingsx", Role::Viewer),
            (Method::GET, "/nodes", Role::Viewer),
            (Method::POST, "/nodes/drain", Role::Administrator),
            (Method::GET, "/suppressions", Role::Viewer),
            (Method::POST, "/suppressions", Role::Editor),
            (Method::GET, "/suppressions/export.csv", Role::Editor),
            (Method::GET, "/imports/new", Role::Editor),
            (Method::GET, "/imports/uploads/0a", Role::Editor),
            (Method::GET, "/imports/7", Role::Viewer),
            (Method::GET, "/campaigns/7/deliveries.jsonl", Role::Editor),
            (Method::POST, "/account", Role::Viewer),
            (Method::POST, "/sign-out", Role::Viewer),
            (Method::POST, "/preview", Role::Viewer),
        ] {
            assert_eq!(least_role(&method, path), role, "{method} {path}");
        }
    }
}

//! `tidings serve`, and its pages.

use crate::Running;

/// A running server. Dropping it kills it.
pub struct Server {
    /// The process.
    pub process: Running,
    /// Its address without a slash at the end: `http://127.0.0.1:PORT`.
    pub url: String,
    /// By which it lets the test see its dashboard.
    token: String,
}

impl Server {
    #[track_caller]
    pub(crate) fn of(mut process: Running, token: String) -> Self {
        let mut url = None;
        crate::wait_until("the server says where it is", 30, || {
            assert!(
                process.is_running(),
                "the server ended: {}",
                process.stderr_so_far()
            );
            let said = process.stdout_so_far();
            url = said
                .split_once("http://")
                .and_then(|(_, rest)| rest.split_once('\n'))
                .map(|(address, _)| format!("http://{}", address.trim_end().trim_end_matches('/')));
            url.is_some()
        });
        Self {
            process,
            url: url.expect("the wait ends with an address"),
            token,
        }
    }

    /// The status and body of a page; `path` begins with a slash.
    #[track_caller]
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut response = agent()
            .get(self.address_of(path))
            .header("Authorization", format!("Bearer {}", self.token))
            .call()
            .unwrap_or_else(|error| self.does_not_answer(&error));
        (
            response.status().as_u16(),
            response.body_mut().read_to_string().expect("a page is text"),
        )
    }

    /// With what it has said.
    #[track_caller]
    fn does_not_answer(&self, error: &ureq::Error) -> ! {
        panic!(
            "the server does not answer: {error}\n{}",
            self.process.stderr_so_far()
        );
    }

    /// The status and body of the answer to a form. `body` as a browser encodes it.
    #[track_caller]
    pub fn post(&self, path: &str, body: &str) -> (u16, String) {
        let request = agent()
            .post(self.address_of(path))
            .content_type("application/x-www-form-urlencoded");
        let mut response = request
            .send(body)
            .unwrap_or_else(|error| self.does_not_answer(&error));
        (
            response.status().as_u16(),
            response.body_mut().read_to_string().expect("a page is text"),
        )
    }

    fn address_of(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

/// Follows no redirect and takes every status as an answer.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .into()
}

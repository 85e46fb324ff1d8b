//! The dashboard shows what happened, live, to nobody but this machine.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};
use tidings_tests::script::{Outage, Reply, Rule, Script, Who};
use tidings_tests::{App, Running, on_both_engines, wait_until};

/// A running `tidings serve` and where its dashboard is.
pub struct Served {
    /// The process.
    pub process: Running,
    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub url: String,
}

impl Served {
    /// The link that makes the first administrator, if one was printed.
    pub fn first_sign_in(&self) -> Option<String> {
        let printed = self.process.stdout_so_far();
        let (_, link) = printed.split_once("create the administrator here, once: ")?;
        Some(link.lines().next()?.to_owned())
    }
}

thread_local! {
    /// By which `get` asks the dashboard of the test's server. A test has a thread of its own.
    static TOKEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Starts `tidings serve` on a free port, with a token by which [`get`] sees its dashboard.
pub fn serve(app: &App) -> Served {
    let made = app.run(["--json", "token", "create", "the test", "--role", "administrator"]);
    let token = made.succeeded().json()["token"].as_str().unwrap().to_owned();
    TOKEN.set(Some(token));
    let process = app.spawn(["serve"]);
    let mut url = None;
    wait_until("the dashboard's address is printed", 30, || {
        let printed = process.stdout_so_far();
        url = printed
            .lines()
            .find_map(|line| line.strip_prefix("dashboard: "))
            .map(|url| url.trim_end_matches('/').to_owned());
        url.is_some()
    });
    Served {
        process,
        url: url.unwrap(),
    }
}

/// An agent that takes every status for an answer and follows nothing.
pub fn browser() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .build();
    config.new_agent()
}

/// A request for a page of the dashboard.
fn ask(url: &str) -> http::Response<ureq::Body> {
    let request = browser().get(url);
    let token = TOKEN.with_borrow(Clone::clone);
    match token {
        Some(token) => request.header("Authorization", format!("Bearer {token}")),
        None => request,
    }
    .call()
    .unwrap()
}

/// Status and body of a page.
pub fn get(url: &str) -> (u16, String) {
    let mut answer = ask(url);
    (
        answer.status().as_u16(),
        answer.body_mut().read_to_string().unwrap(),
    )
}

/// The next snapshot of the event stream for which `enough` says yes.
fn snapshot(served: &Served, enough: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    let answer = ask(&format!("{}/events", served.url));
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let deadline = Instant::now() + Duration::from_secs(30);
    for line in BufReader::new(answer.into_body().into_reader()).lines() {
        let line = line.unwrap();
        let Some(json) = line.strip_prefix("data: ") else {
            continue;
        };
        let snapshot: serde_json::Value = serde_json::from_str(json).unwrap();
        if enough(&snapshot) {
            return snapshot;
        }
        assert!(Instant::now() < deadline, "not in time; the last one: {snapshot}");
    }
    panic!("the event stream ended");
}

on_both_engines!(a_sent_campaign_shows_with_its_bounces_by_class, |app| {
    let refuse =
        |code, enhanced, text, who| Rule::rcpt(Reply::new(code, enhanced, text)).to(Who::address(who));
    app.relay.follow(
        Script::accepting()
            .rule(refuse(550, "5.1.1", "no such user", "reader1@example.org"))
            .rule(refuse(550, "5.1.1", "no such user", "reader2@example.org"))
            .rule(refuse(554, "5.7.1", "blocked for spam", "reader3@example.org")),
    );
    app.import("readers", 50);
    let campaign = app.campaign("readers");
    app.send(campaign);

    let served = serve(app);
    let (status, page) = get(&served.url);
    assert_eq!(status, 200);
    for words in ["Spring news", "finished", "50 of 50 done"] {
        assert!(page.contains(words), "no `{words}` in {page}");
    }
    let live = snapshot(&served, |_| true);
    let texts = &live["campaigns"][0]["texts"];
    assert_eq!(
        (&texts["hard"], &texts["block"], &texts["bounced"]),
        (&"2".into(), &"1".into(), &"3".into())
    );

    let (status, page) = get(&format!("{}/campaigns/{campaign}", served.url));
    assert_eq!(status, 200);
    assert!(page.contains("primary") && page.contains("hard"), "{page}");
    assert_eq!(get(&format!("{}/campaigns/999", served.url)).0, 404);
    assert_eq!(
        get(&format!("{}/health", served.url)),
        (200, r#"{"database":"ok"}"#.to_owned())
    );
});

on_both_engines!(the_rate_is_live_while_mail_flows, |app| {
    app.relay.follow(Script::accepting().pace(100.0));
    app.import("readers", 1500);
    let campaign = app.campaign("readers");
    let served = serve(app);
    app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
        .succeeded();
    let live = snapshot(&served, |live| {
        let rate = live["rate"].as_str().unwrap().replace(',', "");
        rate.parse::<f64>().unwrap() > 20.0
    });
    assert_eq!(live["campaigns"][0]["state"], "sending");
});

on_both_engines!(the_dashboard_names_the_limit_that_binds_and_the_end, |app| {
    app.configure(|settings| settings.more = "[limits.campaign]\nrate = \"2/s\"\n".to_owned());
    app.import("readers", 600);
    let campaign = app.campaign("readers");
    let served = serve(app);
    app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
        .succeeded();
    let text = |live: &serde_json::Value, key: &str| live["campaigns"][0]["texts"][key].to_string();
    let live = snapshot(&served, |live| {
        text(live, "limit").contains("campaign") && text(live, "pace").contains("left")
    });
    assert!(text(&live, "limit").contains("2/s"), "{live}");
    assert!(text(&live, "pace").contains("5 min left"), "{live}");
    let (_, page) = get(&format!("{}/campaigns/{campaign}", served.url));
    assert!(page.contains("limited by campaign"), "{page}");
});

on_both_engines!(an_open_dashboard_does_not_keep_the_server_from_stopping, |app| {
    let served = serve(app);
    let open = ask(&format!("{}/events", served.url));
    let asked = Instant::now();
    served.process.sigterm();
    served.process.wait(Duration::from_secs(15)).succeeded();
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "it stopped only after {:?}",
        asked.elapsed()
    );
    drop(open);
});

on_both_engines!(a_foreign_name_for_this_machine_shows_nothing, |app| {
    let served = serve(app);
    let answer = browser()
        .get(&served.url)
        .header("Host", "rebound.example.net")
        .call()
        .unwrap();
    assert_eq!(answer.status().as_u16(), 421);
});

on_both_engines!(
    a_relay_that_is_down_is_named_on_the_first_page_with_its_fault,
    |app| {
        app.import("readers", 300);
        let campaign = app.campaign("readers");
        app.relay.go_down(Outage::RefuseConnections);
        let served = serve(app);
        let sessions = |live: &serde_json::Value| live["texts"]["relay.primary.sessions"].to_string();
        snapshot(&served, |live| sessions(live).contains("0 of"));
        assert!(get(&served.url).1.contains("Nothing needs you"));
        app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
            .succeeded();
        wait_until("the page says so", 30, || {
            get(&served.url).1.contains("Relay primary is down")
        });
        let (_, page) = get(&served.url);
        assert!(page.contains("Look and test"), "{page}");
        assert!(page.contains("refuses connections"), "{page}");
        app.relay.come_up();
        wait_until("the page is calm again", 60, || {
            get(&served.url).1.contains("Nothing needs you")
        });
    }
);

on_both_engines!(campaigns_are_found_by_their_name, |app| {
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    app.send(campaign);
    let served = serve(app);
    let (status, page) = get(&format!("{}/campaigns?q=sPRING&state=finished", served.url));
    assert_eq!(status, 200);
    assert!(
        page.contains(&format!("href=\"/campaigns/{campaign}\"")),
        "{page}"
    );
    let (_, page) = get(&format!("{}/campaigns?q=autumn", served.url));
    assert!(page.contains("Nothing found"), "{page}");
});

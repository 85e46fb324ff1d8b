//! Who opens and clicks is recorded before he is answered, is led nowhere but to the campaign's own links, and is not taken for a
//! person when he is a machine.

mod keeping;

pub use keeping::until_killed;
use mail_parser::MessageParser;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::{HitTarget, HitToken, KeyRing, UnsubscribeToken};
use tidings_store::Store;
use tidings_tests::script::Script;
use tidings_tests::{App, Running, Server, on_both_engines};

pub const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const HOME: &str = "198.51.100.7";
/// One of Microsoft's data centres.
const AZURE: &str = "20.50.1.2";
const APPLE: &str = "17.58.101.9";

const HTML: &str = "<html><body><p>Dear {{name}}</p><a href=\"https://shop.example.com/a?b=c&amp;d=e#f\">A</a>\
    <a href=\"https://shop.example.com/b\">B</a><a href=\"https://shop.example.com/c\">C</a>\
    <a href=\"https://shop.example.com/?city={{city}}\">Your city</a><a href=\"{{unsubscribe_url}}\">Leave</a></body></html>";

/// Where the first links of the campaign lead; that of the fourth is of each message alone.
const LINKS: [&str; 3] = [
    "https://shop.example.com/a?b=c&d=e#f",
    "https://shop.example.com/b",
    "https://shop.example.com/c",
];

/// A campaign that readers got ten minutes ago, and the server that counts what they do.
pub struct Sent {
    pub server: Server,
    keys: KeyRing,
    pub campaign: i64,
    /// Every address of the first reader's message that leads to us, without the host, in its order.
    addresses: Vec<String>,
}

pub fn sent(app: &App, readers: usize) -> Sent {
    app.configure(|settings| settings.trusted_proxies = vec!["127.0.0.1".to_owned()]);
    app.relay.follow(Script::accepting().keep_content(1024 * 1024));
    app.import("readers", readers);
    let html = app.write("shop.html", HTML);
    app.run(["template", "add", "shop", "--html", &html.to_string_lossy()])
        .succeeded();
    let create = [
        "--json",
        "campaign",
        "create",
        "--name",
        "Shop",
        "--list",
        "readers",
        "--template",
        "shop",
    ];
    let more = [
        "--subject",
        "Shop",
        "--from",
        "news@example.com",
        "--tracking",
        "full",
    ];
    let created = app.run([&create[..], &more].concat()).succeeded().json();
    let campaign = created["id"].as_i64().unwrap();
    app.send(campaign);
    app.database
        .execute("UPDATE deliveries SET settled_at = settled_at - 600000000");
    let message = app.relay.contents_for("reader1@example.org").pop().unwrap();
    let message = MessageParser::default().parse(message.as_bytes()).unwrap();
    Sent {
        server: app.serve(),
        keys: keys(app),
        campaign,
        addresses: addresses(&message.body_html(0).unwrap()),
    }
}

fn addresses(html: &str) -> Vec<String> {
    html.split('"')
        .filter_map(|part| part.strip_prefix("https://news.example.com"))
        .map(|address| address.replace("&amp;", "&"))
        .collect()
}

/// The keys of the instance.
pub fn keys(app: &App) -> KeyRing {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Store::open(app.database.url(), "test").await.unwrap();
        let keys = store.key_ring(Timestamp::from_seconds(0)).await.unwrap();
        store.close().await;
        keys
    })
}

/// What was answered: the status, the Location and the body.
type Answer = (u16, Option<String>, Vec<u8>);

impl Sent {
    fn token(&self, recipient: Option<i64>, target: HitTarget) -> String {
        let mut text = String::new();
        HitToken {
            campaign: CampaignId(self.campaign),
            recipient: recipient.map(RecipientId),
            target,
        }
        .sign_into(&self.keys, &mut text);
        text
    }

    fn link(&self, recipient: i64, number: u32) -> String {
        format!("/c/{}", self.token(Some(recipient), HitTarget::Link(number)))
    }

    pub fn pixel(&self, recipient: i64) -> String {
        format!("/o/{}.gif", self.token(Some(recipient), HitTarget::Pixel))
    }

    fn ask(&self, method: &str, path: &str, agent: &str, from: &str) -> Answer {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .allow_non_standard_methods(true);
        let browser = config.build().new_agent();
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server.url))
            .header("User-Agent", agent)
            .header("X-Forwarded-For", from)
            .body(())
            .unwrap();
        let mut answer = browser.run(request).unwrap();
        let location = answer.headers().get("Location");
        let location = location.map(|value| value.to_str().unwrap().to_owned());
        let body = answer.body_mut().read_to_vec().unwrap();
        (answer.status().as_u16(), location, body)
    }

    /// The same without a client that has its own opinion of long addresses.
    fn status_of(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.server.url.trim_start_matches("http://")).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        // The server may have answered, and gone, before it has read everything.
        let _ = stream.write_all(request.as_bytes());
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    fn get(&self, path: &str, agent: &str, from: &str) -> Answer {
        self.ask("GET", path, agent, from)
    }
}

/// What `tidings stats hits` says.
pub fn stats(app: &App, more: &[&str]) -> serde_json::Value {
    let mut command = vec!["--json", "stats", "hits"];
    command.extend(more);
    app.run(command).succeeded().json()
}

/// How many recipients did it: human, unknown, by a privacy proxy, scanner.
pub fn recipients(stats: &serde_json::Value, kind: &str) -> [i64; 4] {
    ["human", "unknown", "privacy_proxy", "scanner"].map(|verdict| {
        stats[kind]["recipients"][verdict]
            .as_i64()
            .unwrap_or_else(|| panic!("no {verdict} in {stats}"))
    })
}

on_both_engines!(a_click_leads_to_the_campaigns_link_and_survives_kill_9, |app| {
    let sent = sent(app, 2);
    let (status, location, _) = sent.get(&sent.link(1, 1), FIREFOX, HOME);
    assert_eq!((status, location.as_deref()), (302, Some(LINKS[0])));
    let own = sent.addresses.iter().find(|address| address.contains("?to="));
    let own = own.unwrap();
    let (status, location, _) = sent.get(own, FIREFOX, HOME);
    let expected = Some("https://shop.example.com/?city=Springfield");
    assert_eq!((status, location.as_deref()), (302, expected));
    let elsewhere = own.replace("shop.example.com", "evil.example.net");
    assert_ne!(own, &elsewhere);
    assert_eq!(sent.get(&elsewhere, FIREFOX, HOME).0, 404);
    let (status, _, gif) = sent.get(&sent.pixel(1), FIREFOX, HOME);
    assert_eq!((status, gif.len(), &gif[..6]), (200, 43, &b"GIF89a"[..]));
    sent.server.process.kill_9();
    let stats = stats(app, &["--campaign", &sent.campaign.to_string(), "--by", "link"]);
    assert_eq!(recipients(&stats, "opens"), [1, 0, 0, 0]);
    assert_eq!(recipients(&stats, "clicks"), [1, 0, 0, 0]);
    assert_eq!(stats["accepted"], 2);
    assert_eq!(stats["clicks"]["least_rate"], 0.5);
    assert_eq!(stats["rows"][0]["url"], LINKS[0]);
    assert_eq!(stats["rows"][0]["clicks"]["human"], 1);
    assert_eq!(stats["rows"][2]["clicks"]["human"], 0, "{stats}");
});

on_both_engines!(what_is_no_token_of_ours_leads_nowhere, |app| {
    let sent = sent(app, 1);
    let good = sent.token(Some(1), HitTarget::Link(1));
    let mut forged = good.clone();
    let last = if forged.pop() == Some('0') { '1' } else { '0' };
    forged.push(last);
    let unsubscribe = UnsubscribeToken {
        campaign: CampaignId(sent.campaign),
        recipient: RecipientId(1),
    }
    .sign(&sent.keys);
    let missing = sent.token(Some(1), HitTarget::Link(99));
    let pixel = sent.token(Some(1), HitTarget::Pixel);
    for token in [&forged, &good[..20], &unsubscribe, &missing, &pixel, "x", "%00"] {
        for path in [
            format!("/c/{token}"),
            format!("/c/{token}?to=https://evil.example.net"),
        ] {
            let (status, location, _) = sent.get(&path, FIREFOX, HOME);
            assert_eq!((status, location), (404, None), "{path}");
        }
    }
    for token in [&forged, &good, "x"] {
        let (status, _, body) = sent.get(&format!("/o/{token}.gif"), FIREFOX, HOME);
        assert_eq!((status, body.len()), (404, 43), "{token}");
    }
    let stats = stats(app, &[]);
    assert!(stats["rows"].as_array().unwrap().is_empty(), "{stats}");
});

on_both_engines!(
    a_walker_over_all_links_neither_unsubscribes_nor_counts_as_a_person,
    |app| {
        let sent = sent(app, 2);
        // As a gateway does it: a browser's name, from a data centre, every address of the message in its order.
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
        let begins = |beginning: &str| {
            let addresses = sent.addresses.iter();
            addresses.filter(|address| address.starts_with(beginning)).count()
        };
        let counts = (begins("/c/"), begins("/o/"), begins("/u/"));
        assert_eq!(counts, (5, 1, 1), "{:?}", sent.addresses);
        for address in &sent.addresses {
            for method in ["HEAD", "GET"] {
                let (status, location, _) = sent.ask(method, address, chrome, AZURE);
                assert!(status == 200 || status == 302, "{method} {address}: {status}");
                assert_eq!(location.is_some(), status == 302);
            }
        }
        let stats = stats(app, &[]);
        assert_eq!(recipients(&stats, "opens"), [0, 0, 0, 1]);
        assert_eq!(recipients(&stats, "clicks"), [0, 0, 0, 1]);
        assert_eq!(
            (
                stats["clicks"]["hits"]["scanner"].as_i64(),
                stats["trapped"].as_i64()
            ),
            (Some(8), Some(2))
        );
        assert_eq!(app.database.number("SELECT COUNT(*) FROM unsubscribes"), 0);
        assert_eq!(
            app.database
                .number("SELECT COUNT(*) FROM subscriptions WHERE state = 'unsubscribed'"),
            0
        );
    }
);

on_both_engines!(apples_proxy_is_no_person_and_a_person_is_one, |app| {
    let sent = sent(app, 4);
    sent.get(&sent.pixel(1), "Mozilla/5.0", APPLE);
    let gmail = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
    sent.get(&sent.pixel(2), gmail, "66.249.84.1");
    sent.get(&sent.pixel(3), FIREFOX, HOME);
    sent.get(&sent.link(3, 2), FIREFOX, HOME);
    let stats = stats(app, &["--by", "verdict"]);
    assert_eq!(recipients(&stats, "opens"), [1, 0, 2, 0]);
    assert_eq!(recipients(&stats, "clicks"), [1, 0, 0, 0]);
    assert_eq!(
        (
            stats["opens"]["least_rate"].as_f64(),
            stats["opens"]["greatest_rate"].as_f64()
        ),
        (Some(0.25), Some(0.75))
    );
    let table = app.run(["stats", "hits"]).succeeded();
    table.prints(&[
        "opens",
        "by 1 to 3 of 4 recipients (25.0 % to 75.0 %)",
        "privacy_proxy",
    ]);
});

on_both_engines!(nobody_is_kept_of_whom_only_the_count_is_wanted, |app| {
    let sent = sent(app, 1);
    let link = format!("/c/{}", sent.token(None, HitTarget::Link(1)));
    let pixel = format!("/o/{}.gif", sent.token(None, HitTarget::Pixel));
    assert_eq!(sent.get(&link, FIREFOX, HOME).1.as_deref(), Some(LINKS[0]));
    assert_eq!(sent.get(&pixel, FIREFOX, HOME).0, 200);
    let stats = stats(app, &["--by", "day"]);
    assert_eq!(stats["clicks"]["hits"]["human"], 1);
    assert_eq!(stats["rows"][0]["opens"]["human"], 1);
    assert_eq!(recipients(&stats, "clicks"), [0; 4]);
    for table in ["hits", "hit_recipients", "hit_agents"] {
        assert_eq!(
            app.database.number(&format!("SELECT COUNT(*) FROM {table}")),
            0,
            "{table}"
        );
    }
});

on_both_engines!(every_method_has_its_answer_and_long_addresses_have_none, |app| {
    let sent = sent(app, 1);
    for path in [sent.link(1, 1), sent.pixel(1)] {
        assert_eq!(sent.ask("POST", &path, FIREFOX, HOME).0, 405);
        assert_eq!(sent.ask("DELETE", &path, FIREFOX, HOME).0, 405);
        assert_eq!(sent.ask("OPTIONS", &path, FIREFOX, HOME).0, 204);
        let long = format!("{path}?x={}", "y".repeat(20_000));
        assert_eq!(sent.get(&long, FIREFOX, HOME).0, 414);
        let status = sent.status_of(&format!("{path}?x={}", "y".repeat(100_000)));
        assert!(["400", "414", "431"].contains(&status.as_str()), "{status}");
        let some = format!("{path}?fbclid={}", "y".repeat(100));
        assert!(matches!(sent.get(&some, FIREFOX, HOME).0, 200 | 302));
    }
    let head = sent.ask("HEAD", &sent.link(1, 1), FIREFOX, HOME);
    assert_eq!((head.0, head.2.len()), (302, 0));
    let stats = stats(app, &[]);
    // Who asks by HEAD is a machine, and so is nobody who asked otherwise.
    assert_eq!(stats["clicks"]["hits"]["scanner"], 1);
    assert_eq!(stats["clicks"]["hits"]["human"], 1);
    assert_eq!(stats["opens"]["hits"]["human"], 1);
});

on_both_engines!(
    a_flood_from_one_network_is_not_recorded_and_a_proxy_is_no_flood,
    |app| {
        app.configure(|settings| settings.more = "[tracking]\nmax_hits_per_minute = 10\n".to_owned());
        let sent = sent(app, 40);
        // Whatever the minute's beginning falls on, at most two minutes are touched.
        for recipient in 1..=40 {
            let (status, ..) = sent.get(&sent.pixel(recipient), FIREFOX, "203.0.113.9");
            assert_eq!(status, 200, "a reader in the same network sees nothing of it");
            let (_, location, _) = sent.get(&sent.link(recipient, 1), FIREFOX, "203.0.113.77");
            assert_eq!(location.as_deref(), Some(LINKS[0]));
            sent.get(&sent.pixel(recipient), "Mozilla/5.0", APPLE);
        }
        let stats = stats(app, &[]);
        let of_people = stats["opens"]["hits"]["human"].as_i64().unwrap()
            + stats["clicks"]["hits"]["human"].as_i64().unwrap();
        assert!((10..=20).contains(&of_people), "{stats}");
        assert_eq!(stats["opens"]["hits"]["privacy_proxy"], 40);
    }
);

on_both_engines!(new_rules_correct_old_figures_while_the_server_runs, |app| {
    let sent = sent(app, 3);
    for recipient in 1..=3 {
        sent.get(&sent.link(recipient, 1), FIREFOX, HOME);
    }
    let rules = app.write(
        "hits.toml",
        "[[network]]\nname = \"office\"\nranges = [\"198.51.100.0/24\"]\n\
         [[rule]]\nname = \"our-gateway\"\nverdict = \"scanner\"\nnetworks = [\"office\"]\n",
    );
    let nothing_new = app.run(["--json", "stats", "reclassify-hits"]).succeeded().json();
    assert_eq!(nothing_new, serde_json::json!({"hits": 3, "changed": 0}));
    app.configure(|settings| settings.more = format!("[tracking]\nrules = {rules:?}\n"));
    let done = app.run(["--json", "stats", "reclassify-hits"]).succeeded().json();
    assert_eq!(done, serde_json::json!({"hits": 3, "changed": 3}));
    assert_eq!(recipients(&stats(app, &[]), "clicks"), [0, 0, 0, 3]);
    app.write("hits.toml", "[[rule]]\nname = \"odd\"\nverdict = \"alien\"\n");
    app.run(["stats", "reclassify-hits"])
        .failed_with(1)
        .says(&["hits.toml", "odd", "privacy_proxy"]);
    assert_eq!(recipients(&stats(app, &[]), "clicks"), [0, 0, 0, 3]);
});

on_both_engines!(a_link_that_is_replayed_counts_one_reader, |app| {
    let sent = sent(app, 2);
    for _ in 0..30 {
        assert_eq!(sent.get(&sent.link(1, 1), FIREFOX, HOME).0, 302);
        assert_eq!(sent.get(&sent.pixel(1), FIREFOX, HOME).0, 200);
    }
    let stats = stats(app, &[]);
    assert_eq!(recipients(&stats, "clicks"), [1, 0, 0, 0]);
    assert_eq!(recipients(&stats, "opens"), [1, 0, 0, 0]);
    let hits = ["opens", "clicks"].map(|kind| stats[kind]["hits"]["human"].as_i64().unwrap());
    assert_eq!(hits, [30, 30], "{stats}");
});

on_both_engines!(
    a_broken_link_says_so_in_the_readers_language_under_the_operators_name,
    |app| {
        let sent = sent(app, 1);
        drop(sent.server);
        let brand = "[brand]\nname = \"Example Sons\"\npostal_address = \"1 Example Street\"\n";
        app.configure(|settings| settings.more = brand.to_owned());
        let server = app.serve();
        let trap = format!("c/{}", sent_trap(app, sent.campaign));
        for (path, languages, status, words) in [
            ("c/x", "de-AT,en;q=0.5", 404, "Dieser Link funktioniert nicht"),
            ("c/x", "ja", 404, "This link does not work"),
            (&trap, "fr", 200, "Il n’y a rien à faire ici"),
            ("v/x", "es", 404, "Este enlace no funciona"),
            ("archive/7", "de", 404, "Nicht gefunden"),
            ("archive/7/feed.xml", "es", 404, "No se ha encontrado"),
        ] {
            let request = crate::dashboard::browser().get(format!("{}/{path}", server.url));
            let mut answer = request.header("Accept-Language", languages).call().unwrap();
            assert_eq!(answer.status().as_u16(), status, "{path}");
            let policy = answer.headers()["content-security-policy"]
                .to_str()
                .unwrap()
                .to_owned();
            assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
            let page = answer.body_mut().read_to_string().unwrap();
            let root = "../".repeat(path.matches('/').count());
            let style = format!("href=\"{root}u/style.css\"");
            for part in [words, "Example Sons", "1 Example Street", &style, "<html lang="] {
                assert!(page.contains(part), "{path}: {part} is missing in {page}");
            }
            assert_eq!(page.matches("<h1>").count(), 1, "{page}");
        }
    }
);

fn sent_trap(app: &App, campaign: i64) -> String {
    let mut text = String::new();
    HitToken {
        campaign: CampaignId(campaign),
        recipient: Some(RecipientId(1)),
        target: HitTarget::Trap,
    }
    .sign_into(&keys(app), &mut text);
    text
}

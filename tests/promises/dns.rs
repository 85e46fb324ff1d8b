//! Who runs a recipient's mailbox is asked of the DNS, and nobody waits for it; a check looks at the sender's domains.

use std::time::Duration;
use tidings_tests::{App, DnsServer, assert_ledger_adds_up, on_both_engines, wait_until};

/// A domain whose mailboxes are at Google, in a DNS that the installation asks.
fn dns_with_hosted_domain(app: &App) -> DnsServer {
    let dns = DnsServer::start();
    dns.mx("school.example.org", 10, "aspmx.l.google.com");
    dns.mx("school.example.org", 5, "smtp.google.com");
    dns.mx("own.example.org", 10, "mx.own.example.org");
    app.configure(|settings| {
        settings.dns = Some(dns.address());
        settings.more = "[limits.provider.gmail]\nrate = \"2/s\"\n".to_owned();
    });
    dns
}

fn counted(app: &App, provider: &str) -> i64 {
    app.database.number(&format!(
        "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM send_counters WHERE provider = '{provider}' AND outcome = 'accepted'"
    ))
}

fn remembered(app: &App, domain: &str, provider: &str) -> i64 {
    app.database.number(&format!(
        "SELECT count(*) FROM domain_providers WHERE domain = '{domain}' AND provider = '{provider}'"
    ))
}

on_both_engines!(
    a_providers_limit_holds_for_the_domains_whose_mail_it_takes,
    |app| {
        let dns = dns_with_hosted_domain(app);
        app.import_of(
            "readers",
            &["school.example.org", "own.example.org", "slow.test"],
            200,
        );
        let campaign = app.campaign("readers");
        let sending = app.start_sending(campaign);
        wait_until("the others have their mail", 30, || {
            app.relay.accepted_at("own.example.org") == 200 && app.relay.accepted_at("slow.test") == 200
        });
        wait_until("it says what it waits for", 20, || {
            app.show(campaign).0["binding_limit"] == "provider gmail: 2/s"
        });
        app.steer(campaign, "cancel");
        sending.wait(App::PATIENCE);
        // Some were under way before the answer was there.
        let hosted = app.relay.accepted_at("school.example.org");
        assert!(hosted < 150, "{hosted} messages at 2/s");
        let show = app.show(campaign);
        assert_ledger_adds_up(&show);
        assert!(counted(app, "gmail") > 0, "it is counted as the provider's");
        let asked = dns.asked();
        assert!(!asked.iter().any(|name| name.ends_with(".test")), "{asked:?}");
    }
);

on_both_engines!(what_was_found_out_is_remembered_over_a_restart, |app| {
    let dns = dns_with_hosted_domain(app);
    app.import_of("readers", &["school.example.org", "own.example.org"], 1);
    let campaign = app.campaign("readers");
    // The answers are there before the mail, which waits for the relay.
    app.relay
        .go_down(tidings_tests::script::Outage::RefuseConnections);
    let sending = app.start_sending(campaign);
    wait_until("the answers are written down", 30, || {
        remembered(app, "school.example.org", "gmail") == 1
            && remembered(app, "own.example.org", "other") == 1
    });
    app.relay.come_up();
    sending.wait(App::PATIENCE).succeeded();
    assert_eq!(counted(app, "gmail"), 1);

    let questions = dns.asked().len();
    app.configure(|settings| settings.more.clear());
    dns.fall_silent();
    let show = app.send(app.campaign("readers"));
    assert_eq!(show.count("accepted"), 2, "{show}");
    assert_eq!(counted(app, "gmail"), 2);
    assert_eq!(
        dns.asked().len(),
        questions,
        "it was asked again: {:?}",
        dns.asked()
    );
});

on_both_engines!(a_dns_that_does_not_answer_holds_nobody_up, |app| {
    let dns = dns_with_hosted_domain(app);
    dns.fall_silent();
    let domains: Vec<String> = (0..40).map(|n| format!("d{n}.example.org")).collect();
    let domains: Vec<&str> = domains.iter().map(String::as_str).collect();
    app.import_of("readers", &domains, 5);
    let began = std::time::Instant::now();
    let show = app.send(app.campaign("readers"));
    assert_eq!(show.count("accepted"), 200, "{show}");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert!(!dns.asked().is_empty());
    assert_eq!(app.database.number("SELECT count(*) FROM domain_providers"), 0);
});

on_both_engines!(a_domain_with_a_limit_of_its_own_stays_its_own_provider, |app| {
    let _dns = dns_with_hosted_domain(app);
    app.configure(|settings| {
        settings.more = "[limits.provider.gmail]\nrate = \"1/h\"\n\
             [limits.provider.\"school.example.org\"]\nrate = \"1000/s\"\n"
            .to_owned();
    });
    app.import_of("readers", &["school.example.org"], 50);
    let show = app.send(app.campaign("readers"));
    assert_eq!(show.count("accepted"), 50, "{show}");
});

/// What a check says of a sender's domain, as its JSON has it.
fn checked(app: &App, domain: &str) -> serde_json::Value {
    let output = app.run(["--json", "check"]);
    let findings = output.json();
    let part = format!("domain {domain}");
    let of_domain = |finding: &&serde_json::Value| finding["part"] == part.as_str();
    let found = findings.as_array().unwrap().iter().find(of_domain);
    found
        .unwrap_or_else(|| panic!("nothing about {domain}: {output}"))
        .clone()
}

on_both_engines!(a_check_names_what_a_senders_domain_lacks, |app| {
    let dns = DnsServer::start();
    app.configure(|settings| {
        settings.dns = Some(dns.address());
        settings.more = "[[pool]]\nname = \"all\"\nrelays = [\"primary\"]\n\
             sender_domains = [\"good.example.org\", \"two.example.org\", \"null.example.org\", \"home.test\"]\n"
            .to_owned();
    });
    app.import("readers", 1);
    app.campaign("readers");
    dns.mx("good.example.org", 10, "mx.example.org");
    dns.txt("good.example.org", "v=spf1 include:spf.example.net -all");
    dns.txt("spf.example.net", "v=spf1 ip4:192.0.2.0/24 -all");
    dns.txt("_dmarc.example.org", "v=DMARC1; p=none");
    dns.address_of("two.example.org");
    dns.txt("two.example.org", "v=spf1 mx -all");
    dns.txt("two.example.org", "v=spf1 a -all");
    dns.mx("null.example.org", 0, "");
    dns.txt("null.example.org", "v=spf1 -all");
    dns.txt("_dmarc.null.example.org", "v=DMARC1; sp=none");

    app.run(["check"])
        .failed_with(1)
        .prints(&["domain example.com", "_dmarc.example.com"]);
    assert!(checked(app, "good.example.org")["fault"].is_null());
    for (domain, words) in [
        (
            "example.com",
            &["no SPF record", "no DMARC record", "neither an MX"][..],
        ),
        ("two.example.org", &["2 SPF records"]),
        ("null.example.org", &["null MX", "p=none"]),
    ] {
        let fault = checked(app, domain)["fault"].to_string();
        for word in words {
            assert!(fault.contains(word), "`{word}` is missing in: {fault}");
        }
    }
    let asked = dns.asked();
    assert!(!asked.iter().any(|name| name.ends_with(".test")), "{asked:?}");
});

on_both_engines!(spf_is_asked_of_the_domain_of_the_return_path, |app| {
    let dns = DnsServer::start();
    app.configure(|settings| {
        settings.dns = Some(dns.address());
        settings.more = "[mail]\nreturn_path_domain = \"bounces.example.net\"\n".to_owned();
    });
    app.import("readers", 1);
    app.campaign("readers");
    dns.address_of("example.com");
    dns.txt("_dmarc.example.com", "v=DMARC1; p=reject");
    dns.mx("bounces.example.net", 10, "mx.example.net");
    let includes: String = (0..11).map(|n| format!(" include:{n}.example.net")).collect();
    dns.txt("bounces.example.net", &format!("v=spf1{includes} -all"));
    assert!(checked(app, "example.com")["fault"].is_null());
    let fault = checked(app, "bounces.example.net")["fault"].to_string();
    assert!(fault.contains("more than 10 look-ups"), "{fault}");
    assert!(!fault.contains("DMARC"), "{fault}");
});

on_both_engines!(a_check_that_cannot_ask_the_dns_says_so_and_succeeds, |app| {
    let dns = DnsServer::start();
    app.import("readers", 1);
    app.campaign("readers");
    app.run(["check"])
        .succeeded()
        .prints(&["note: not asked about sender domains"]);
    dns.fall_silent();
    app.configure(|settings| settings.dns = Some(dns.address()));
    app.run(["check"])
        .succeeded()
        .prints(&["note: the DNS gave no answer about example.com"]);
});

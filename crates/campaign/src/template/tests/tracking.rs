use super::*;
use crate::ids::CampaignId;
use crate::token::{HitTarget, HitToken, KeyRing, SigningKey};
use crate::tracking::places::find;
use crate::tracking::target::address;
use crate::tracking::{LinkTable, TrackedLink, Tracker, Tracking, Utm};
use percent_encoding::percent_decode_str;

const BASE: &str = "https://news.example.com/c/";

fn keys() -> KeyRing {
    let secret = [7; 32];
    KeyRing::new(vec![SigningKey { id: 1, secret }]).unwrap()
}

fn tracker(mode: Tracking, utm: Utm) -> Tracker {
    Tracker {
        mode,
        utm,
        campaign: CampaignId(12),
        public_url: "https://news.example.com".to_owned(),
        keys: keys(),
    }
}

fn utm() -> Utm {
    Utm {
        source: Some("news".to_owned()),
        ..Utm::default()
    }
}

/// What Ann gets, by both ways of rendering, and the links.
fn tracked(content: &Content, mode: Tracking, utm: Utm, ann: &Recipient) -> (Rendered, Vec<TrackedLink>) {
    let mut links = LinkTable::default();
    let templates = Templates::tracked(content, &tracker(mode, utm), None, &mut links).unwrap();
    let rendered = templates.render(&data(ann)).unwrap();
    let slowly = templates.without_segments().render(&data(ann)).unwrap();
    assert_eq!(rendered, slowly);
    (rendered, links.links().to_vec())
}

fn ann() -> Recipient {
    recipient("Ann", json!({"id": "a&b=\"1\"", "city": "Ulm", "member": true}))
}

/// The HTML with each link's address taken out, which stands in quotes then, and the addresses.
fn taken_apart(html: &str) -> (String, Vec<String>) {
    let mut rest = String::new();
    let mut values = Vec::new();
    let mut copied = 0;
    for link in find(html).links {
        rest.push_str(&html[copied..link.value.start]);
        rest.push_str(if link.is_quoted { "" } else { "\"\"" });
        copied = link.value.end;
        values.push(html[link.value].to_owned());
    }
    rest.push_str(&html[copied..]);
    (rest, values)
}

/// Without trap and pixel, each of which is there once.
fn without_additions(html: &str) -> String {
    let cut = |html: &str, begin: &str, end: &str| {
        assert_eq!(html.matches(begin).count(), 1, "{begin} in {html}");
        let at = html.find(begin).unwrap();
        let after = at + html[at..].find(end).unwrap() + end.len();
        format!("{}{}", &html[..at], &html[after..])
    };
    let trap = find(html)
        .links
        .into_iter()
        .map(|link| html[link.value].to_owned())
        .find(|value| value.strip_prefix(BASE).and_then(target_of) == Some(HitTarget::Trap))
        .unwrap();
    let html = cut(html, &format!("<a href=\"{trap}\" rel=\"nofollow\""), "</a>");
    cut(&html, "<img src=\"https://news.example.com/o/", ">")
}

fn target_of(token: &str) -> Option<HitTarget> {
    HitToken::verify(token, &keys()).ok().map(|token| token.target)
}

/// Where a link of ours leads, for Ann or for nobody.
fn leads_to(value: &str, links: &[TrackedLink], recipient: Option<RecipientId>) -> Option<String> {
    let token = value.strip_prefix(BASE)?;
    let (hit, to) = match token.split_once("?to=") {
        None => (HitToken::verify(token, &keys()).unwrap(), None),
        Some((token, to)) => {
            let to = percent_decode_str(to).decode_utf8().unwrap().into_owned();
            let hit = HitToken::verify_leading_to(token, &to, &keys()).unwrap();
            (hit, Some(to))
        }
    };
    assert_eq!((hit.campaign, hit.recipient), (CampaignId(12), recipient));
    let HitTarget::Link(number) = hit.target else {
        panic!("{value}")
    };
    let link = links.iter().find(|link| link.number == number).unwrap();
    Some(to.unwrap_or_else(|| link.url.clone()))
}

/// Newsletters of all kinds: each with its partials.
fn newsletters() -> Vec<Content> {
    let mut all = vec![
        content(
            "<p><a href=\"https://a.example/\">A</a> <a href='https://b.example/?x=1&amp;y=2'>B</a>",
            &[],
        ),
        content(
            "<html><BODY class=x>\n<A HREF = https://a.example/>A</A><a href=https://a.example/?i={{id}}>B</a></Body></html>\n",
            &[],
        ),
        content(
            "<a href=\"https://a.example/?id={{id}}&amp;c={{#if member}}{{city}}{{else}}none{{/if}}#top\">x</a>\
             <a href=\"https://a.example/{{{city}}}/{{upper city}}\">y</a>{{#if member}}<a href=\"http://m.example\">m</a>{{/if}}",
            &[],
        ),
        content(
            "{{#> layout}}<a href=\"https://a.example/1\">{{city}}</a>{{> foot}}{{> foot}}{{/layout}}",
            &[
                (
                    "layout",
                    "<body>{{> foot}}<a href=\"https://l.example\">L</a>{{> @partial-block}}</body>",
                ),
                (
                    "foot",
                    "<a href=\"https://f.example/{{city}}\">F</a><a href=\"https://f.example\">F</a>",
                ),
            ],
        ),
        content(
            "<a href=\"mailto:a@example.org\">m</a><a href=\"tel:1\">t</a><a href=\"#top\">#</a><a href=\"/a\">/</a>\
             <a href=\"{{unsubscribe_url}}\">u</a><a href=\"{{{view_url}}}\">v</a><a href=\"cid:x\">c</a>\
             <a href=\"https://{{/\">bad</a><a href=\"\">e</a><a href=\"https://\">h</a>",
            &[],
        ),
        content(
            "<!--[if mso]><v:rect href=\"https://o.example\"></v:rect><![endif]--><!-- <a href=\"https://c.example\"> -->\
             {{{{raw}}}}<a href=\"https://r.example/{{x}}\">{{{{/raw}}}}<a href=\"https://b.example/\\{{x}}\">tdngs0z</a>\
             {{#each attributes}}<a href=\"https://e.example/{{this}}\">{{@key}}</a>{{/each}}<a title=\"<a href='https://t.example'>\">",
            &[],
        ),
        content(
            "<style>a { color: red }</style><a href=\"https://ü.example/ä b\">{{name}}</a><br>&lt;a href=x&gt;",
            &[],
        ),
        content(
            "<mjml><mj-body><mj-section><mj-column><mj-button href=\"https://a.example/{{id}}\">Buy</mj-button>\
             <mj-text><a href=\"https://b.example\">B</a></mj-text></mj-column></mj-section></mj-body></mjml>",
            &[],
        ),
    ];
    all[4].template.html = all[4]
        .template
        .html
        .replace("<a href=\"https://{{/\">bad</a>", "");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../templates");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|end| end == "html" || end == "mjml") {
            all.push(content(&std::fs::read_to_string(path).unwrap(), &[]));
        }
    }
    assert!(all.len() >= 13, "the starters are not there");
    all
}

#[test]
fn nothing_changes_but_where_links_lead() {
    for newsletter in newsletters() {
        let before = Templates::compile(&newsletter)
            .unwrap()
            .render(&data(&ann()))
            .unwrap();
        let (rest, values) = taken_apart(&before.html);
        for mode in Tracking::ALL {
            for utm in [Utm::default(), utm()] {
                let (after, links) = tracked(&newsletter, mode, utm.clone(), &ann());
                assert_eq!((&after.subject, &after.text), (&before.subject, &before.text));
                if mode == Tracking::Off && utm.is_empty() {
                    assert_eq!(after, before);
                    continue;
                }
                let html = match mode {
                    Tracking::Off => after.html.clone(),
                    _ => without_additions(&after.html),
                };
                let (rest_after, values_after) = taken_apart(&html);
                assert_eq!(
                    rest_after.replace("\"\"", ""),
                    rest.replace("\"\"", ""),
                    "{mode:?}"
                );
                let recipient = (mode == Tracking::Full).then_some(RecipientId(1));
                assert_eq!(values_after.len(), values.len());
                for (value, was) in values_after.iter().zip(&values) {
                    match leads_to(value, &links, recipient) {
                        Some(to) => assert_eq!(to, utm.added_to(&address(was))),
                        None if value == was => {}
                        None => assert_eq!(address(value), utm.added_to(&address(was)), "{was}"),
                    }
                }
            }
        }
    }
}

#[test]
fn every_link_to_the_web_is_tracked_and_no_other() {
    let newsletter = content(
        "<body><a href=\"https://a.example/\">One <b>word</b></a><a href=\"mailto:a@example.org?utm_source=x\">m</a>\
         <a href=\"HTTP://b.example\">B</a><a href=\"{{unsubscribe_url}}\">u</a><a href=\"https://a.example/\">two</a>\
         <a href=\"https://c.example/?id={{id}}\">c</a></body>",
        &[],
    );
    let (full, links) = tracked(&newsletter, Tracking::Full, utm(), &ann());
    let urls: Vec<_> = links
        .iter()
        .map(|l| (l.number, l.url.as_str(), l.text.as_str()))
        .collect();
    assert_eq!(
        urls,
        [
            (1, "https://a.example/?utm_source=news", "One word"),
            (2, "HTTP://b.example?utm_source=news", "B"),
            (3, "https://a.example/?utm_source=news", "two"),
            (4, "https://c.example/?id={{id}}", "c"),
        ]
    );
    let (_, values) = taken_apart(&full.html);
    let ours: Vec<bool> = values.iter().map(|value| value.starts_with(BASE)).collect();
    assert_eq!(
        ours,
        [true, true, false, true, false, true, true],
        "the trap is first"
    );
    assert!(
        full.html
            .starts_with("<body><a href=\"https://news.example.com/c/"),
        "{}",
        full.html
    );
    assert!(
        full.html
            .ends_with(".gif\" width=\"1\" height=\"1\" alt=\"\"></body>"),
        "{}",
        full.html
    );
    let to = leads_to(&values[6], &links, Some(RecipientId(1))).unwrap();
    assert_eq!(to, "https://c.example/?id=a&b=%221%22&utm_source=news");

    let (anonymous, links) = tracked(&newsletter, Tracking::Anonymous, Utm::default(), &ann());
    assert_eq!(links.len(), 3);
    let bob = Recipient {
        id: RecipientId(2),
        ..ann()
    };
    let (same, _) = tracked(&newsletter, Tracking::Anonymous, Utm::default(), &bob);
    assert_eq!(anonymous, same);
    assert!(
        anonymous
            .html
            .contains("\"https://c.example/?id=a&amp;b&#x3D;&quot;1&quot;\"")
    );
    let (full_for_bob, _) = tracked(&newsletter, Tracking::Full, utm(), &bob);
    let (_, for_bob) = taken_apart(&full_for_bob.html);
    let shared = values
        .iter()
        .zip(&for_bob)
        .filter(|(one, other)| one == other)
        .count();
    assert_eq!(shared, 2, "mailto: and the unsubscribe link");
}

#[test]
fn a_missing_value_is_still_found_where_its_author_wrote_it() {
    let newsletter = content(
        "<a href=\"https://a.example\">a</a><a href=\"https://b.example/?n={{number}}\">b</a>\n<a href='https://c.example'>c</a> {{zip}}",
        &[],
    );
    let mut links = LinkTable::default();
    let tracker = tracker(Tracking::Full, Utm::default());
    let templates = Templates::tracked(&newsletter, &tracker, None, &mut links).unwrap();
    for (attributes, place) in [
        (
            json!({"zip": "1"}),
            "template main (html):1:64: the variable number ",
        ),
        (
            json!({"number": "1"}),
            "template main (html):2:35: the variable zip ",
        ),
    ] {
        let lacking = recipient("Ann", attributes);
        let error = templates.render(&data(&lacking)).unwrap_err().to_string();
        assert!(error.starts_with(place), "{error}");
        let untracked = Templates::compile(&newsletter).unwrap().render(&data(&lacking));
        assert_eq!(error, untracked.unwrap_err().to_string());
    }
}

#[test]
fn what_is_tracked_is_not_for_templates_to_call() {
    for html in ["{{[{{hit}}] 0}}", "{{hit 0}}", "{{#hit 0}}x{{/hit}}"] {
        assert!(Templates::compile(&content(html, &[])).is_err(), "{html}");
    }
}

#[test]
fn a_numbers_link_is_the_same_in_every_process_that_sends_the_campaign() {
    for newsletter in newsletters() {
        let (first, links) = tracked(&newsletter, Tracking::Full, utm(), &ann());
        let mut kept = LinkTable::kept(links.clone());
        let again =
            Templates::tracked(&newsletter, &tracker(Tracking::Full, utm()), None, &mut kept).unwrap();
        assert_eq!(again.render(&data(&ann())).unwrap(), first);
        assert_eq!(kept.links(), links);
        // With none kept, none is made.
        let mut none = LinkTable::kept(Vec::new());
        let again =
            Templates::tracked(&newsletter, &tracker(Tracking::Full, utm()), None, &mut none).unwrap();
        let html = again.render(&data(&ann())).unwrap().html;
        assert_eq!(html.matches(BASE).count(), 1, "the trap: {html}");
    }
}

use super::*;
use crate::template::Source;

fn content(html: &str) -> Content {
    Content {
        subject: "News for {{name}}".to_owned(),
        template: Source {
            name: "news".to_owned(),
            html: html.to_owned(),
            text: None,
        },
        partials: Vec::new(),
    }
}

/// The links as a start finds them.
fn links_of(content: &Content, mode: Tracking) -> Vec<TrackedLink> {
    let mut table = LinkTable::default();
    let tracker = Tracker {
        mode,
        utm: Utm::default(),
        campaign: CampaignId(7),
        public_url: "https://news.example.com".to_owned(),
        keys: KeyRing::new(vec![SigningKey {
            id: 1,
            secret: [9; 32],
        }])
        .unwrap(),
    };
    Templates::tracked(content, &tracker, None, &mut table).unwrap();
    table.links().to_vec()
}

fn map(html: &str, mode: Tracking) -> String {
    let content = content(html);
    let links = links_of(&content, mode);
    let mapped = MappedNewsletter {
        campaign: CampaignId(7),
        name: "Spring",
        list_name: Some("readers"),
        content: &content,
        mode,
        utm: &Utm::default(),
        links: &links,
    };
    let html = mapped.render().unwrap();
    html.replace(MARKER, "M")
}

const HTML: &str = "<html><body><p>Dear {{name}} in {{city}}</p>\
    <a class=x href=\"https://example.com/a\">first</a> <a href='https://example.com/a'>again</a>\
    {{#if premium}}<a href=\"https://example.com/p?plan={{plan}}\">yours</a>{{/if}}\
    <a href=\"{{unsubscribe_url}}\">Leave</a></body></html>";

#[test]
fn each_tracked_link_has_its_number_and_leads_nowhere() {
    let html = map(HTML, Tracking::Full);
    for piece in [
        "Dear Sample Reader in city",
        "<a class=x href=\"#\"><span style=\"M\">1</span>first</a>",
        "<span style=\"M\">2</span>again</a>",
        "<a href=\"#\"><span style=\"M\">3</span>yours</a>",
        "<a href=\"#\">Leave</a>",
    ] {
        assert!(html.contains(piece), "{piece}: {html}");
    }
    assert!(!html.contains("https://") && !html.contains("<img"), "{html}");
}

#[test]
fn what_is_not_counted_has_no_number() {
    let html = map(HTML, Tracking::Anonymous);
    assert!(
        html.contains(">1</span>first") && html.contains(">2</span>again"),
        "{html}"
    );
    assert!(!html.contains(">3</span>"), "{html}");
    let html = map(HTML, Tracking::Off);
    assert!(!html.contains("<span") && !html.contains("https://"), "{html}");
}

#[test]
fn data_that_no_word_can_stand_for_is_left_out_where_it_may_be() {
    let html = map(
        "<body>{{#if since}}{{date since}}{{/if}}{{address.town}}<a href=\"https://example.com/a\">a</a>\
         <a href=\"{{unsubscribe_url}}\">x</a></body>",
        Tracking::Full,
    );
    assert!(html.contains("town") && html.contains(">1</span>a"), "{html}");
}

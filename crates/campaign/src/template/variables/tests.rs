use super::*;
use crate::address::EmailAddress;
use crate::ids::RecipientId;
use crate::template::Source;
use serde_json::json;

fn source(name: &str, html: &str, text: Option<&str>) -> Source {
    Source {
        name: name.to_owned(),
        html: html.to_owned(),
        text: text.map(str::to_owned),
    }
}

/// The variables of a newsletter: `city? @ template main (html):1:1`, with `?` where it is optional.
fn found(subject: &str, html: &str, partials: &[(&str, &str)]) -> Vec<String> {
    let content = Content {
        subject: subject.to_owned(),
        template: source("main", html, None),
        partials: partials
            .iter()
            .map(|(name, html)| source(name, html, None))
            .collect(),
    };
    let variables = Templates::compile(&content).unwrap().variables(&content);
    let shown = |variable: Variable| {
        let mark = if variable.optional { "?" } else { "" };
        format!("{}{mark} @ {}", variable.name(), variable.places.join(" "))
    };
    variables.into_iter().map(shown).collect()
}

fn names(html: &str) -> String {
    let all = found(
        "x",
        html,
        &[
            ("row", "{{title}}{{given}}{{city}}"),
            ("layout", "{{> @partial-block}}"),
        ],
    );
    let name = |shown: &String| shown.split(' ').next().unwrap_or_default().to_owned();
    all.iter().map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn variables_are_found_with_their_places() {
    assert_eq!(
        found(
            "Hi {{name}}",
            "<p>\n {{city}}</p>{{> footer}}",
            &[("footer", "{{upper city}}{{unsubscribe_url}}")]
        ),
        [
            "city @ template main (html):2:2 template footer (html):1:1",
            "name @ the subject:1:4",
        ]
    );
}

#[test]
fn conditions_and_defaults_make_a_variable_optional_unless_it_is_needed_elsewhere() {
    for (html, shown) in [
        ("{{default city nick \"x\"}}{{default a b}}", "a? b city? nick?"),
        (
            "{{#if city}}{{zip}}{{else if vip}}x{{/if}}{{#unless a}}{{/unless}}",
            "a? city? vip? zip",
        ),
        ("{{#if city}}{{upper city}}{{/if}}", "city?"),
        ("{{#if city}}{{zip}}{{else}}{{city}}{{/if}}", "city zip"),
        ("{{#if (and city (gt zip 1))}}{{city}}{{zip}}{{/if}}", "city? zip"),
        ("{{#if city}}x{{/if}}{{city}}", "city"),
        ("{{#if address}}{{address.town}}{{/if}}", "address? address.town"),
        ("{{#if (or (not a) (eq b c))}}{{/if}}", "a? b c"),
        (
            "{{upper (default city \"x\")}}{{default (upper a) \"x\"}}",
            "a city?",
        ),
        ("{{#each a}}{{/each}}{{#each b}}{{else}}{{/each}}", "a b?"),
        (
            "{{{city}}}{{&zip}}{{title}}{{number n digits=d}}",
            "city d n title zip",
        ),
        (
            "{{campaign.name}}{{list.name}}{{email}}{{unsubscribe_url}}{{attributes.email}}",
            "attributes.email",
        ),
    ] {
        assert_eq!(names(html), shown, "{html}");
    }
}

#[test]
fn names_inside_lists_are_those_of_the_entries() {
    for (html, shown) in [
        (
            "{{#each items}}{{title}}{{this}}{{@index}}{{../city}}{{@root.zip}}{{/each}}",
            "city items zip",
        ),
        (
            "{{#each items as |item n|}}{{item.title}}{{n}}{{/each}}{{item}}",
            "item items",
        ),
        (
            "{{#with address}}{{town}}{{#if ../vip}}{{/if}}{{/with}}{{address.town}}",
            "address address.town vip?",
        ),
        ("{{> row given=name}}", "city name title"),
        ("{{#each items}}{{> row given=1}}{{/each}}", "items"),
        ("{{#> layout}}{{city}}{{/layout}}", "city"),
    ] {
        assert_eq!(names(html), shown, "{html}");
    }
}

#[test]
fn what_a_recipient_lacks_is_told_from_what_is_empty() {
    let Value::Object(attributes) =
        json!({"city": " ", "zip": null, "n": 0, "address": {"town": "Ulm"}, "list": [1]})
    else {
        unreachable!()
    };
    let recipient = Recipient {
        id: RecipientId(1),
        address: EmailAddress::parse("ann@example.org").unwrap(),
        name: String::new(),
        attributes,
    };
    let of = |path: &[&str]| {
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        Variable {
            path,
            places: Vec::new(),
            optional: false,
        }
        .of(&recipient)
    };
    for (path, presence) in [
        (&["name"][..], Presence::Empty),
        (&["city"], Presence::Empty),
        (&["zip"], Presence::Empty),
        (&["n"], Presence::There),
        (&["address", "town"], Presence::There),
        (&["attributes", "address", "town"], Presence::There),
        (&["address", "street"], Presence::Absent),
        (&["attributes", "list", "0"], Presence::There),
        (&["street"], Presence::Absent),
    ] {
        assert_eq!(of(path), presence, "{path:?}");
    }
}

#[test]
fn a_text_of_its_own_has_places_too() {
    let content = Content {
        subject: "x".to_owned(),
        template: source("main", "{{city}}", Some("a\n{{city}}")),
        partials: Vec::new(),
    };
    let variables = Templates::compile(&content).unwrap().variables(&content);
    assert_eq!(
        variables[0].places,
        ["template main (html):1:1", "template main (text):2:1"]
    );
}

#[test]
fn places_are_those_of_the_source_also_where_it_was_made_ready() {
    for html in [
        "<style>p{color:red}</style>\n<p>a</p><p>{{city}}</p>",
        "<mjml><mj-body><mj-section><mj-column>\n<mj-text>  {{city}}</mj-text></mj-column></mj-section></mj-body></mjml>",
    ] {
        let content = Content {
            subject: "x".to_owned(),
            template: source("main", html, None),
            partials: Vec::new(),
        };
        let variables = Templates::compile(&content).unwrap().variables(&content);
        assert_eq!(variables[0].places, ["template main (html):2:12"], "{html}");
    }
}

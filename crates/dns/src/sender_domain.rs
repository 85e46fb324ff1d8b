//! What a domain must publish before mail is sent in its name.

use crate::{Mx, NoAnswer, Resolver};

/// What a domain is to our mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// It stands in From: readers see it and answer to it.
    pub is_from: bool,
    /// It stands in return paths: SPF is asked of it, and bounces go there.
    pub is_return_path: bool,
}

/// What is wrong with the records of a domain, a sentence for each fault that says what to do.
pub async fn look_at(resolver: &Resolver, domain: &str, role: Role) -> Result<Vec<String>, NoAnswer> {
    let mx = resolver.mx(domain).await?;
    let has_address = mx.is_empty() && resolver.has_address(domain).await?;
    let mut faults = Vec::from_iter(mail_fault(domain, &mx, has_address));
    if role.is_return_path {
        faults.extend(look_at_spf(resolver, domain).await?);
    }
    if role.is_from {
        faults.extend(look_at_dmarc(resolver, domain).await?);
    }
    Ok(faults)
}

fn mail_fault(domain: &str, mx: &[Mx], has_address: bool) -> Option<String> {
    if !mx.is_empty() && mx.iter().all(|mx| mx.host.is_empty()) {
        return Some(format!(
            "{domain} takes no mail, its null MX says (RFC 7505): answers and bounces cannot arrive, and many refuse \
             mail from such a domain; publish an MX record with the host that takes its mail"
        ));
    }
    (mx.is_empty() && !has_address).then(|| {
        format!(
            "{domain} has neither an MX record nor an address: answers and bounces cannot arrive; publish an MX record \
             with the host that takes its mail"
        )
    })
}

async fn look_at_spf(resolver: &Resolver, domain: &str) -> Result<Option<String>, NoAnswer> {
    let texts = resolver.txt(domain).await?;
    let record = match spf_record(domain, &texts) {
        Ok(record) => record.to_owned(),
        Err(fault) => return Ok(Some(fault)),
    };
    let mut costs = 0;
    let mut unread = vec![record];
    // Whoever checks the record gives up after ten, and so may we.
    while costs <= MOST_LOOK_UPS
        && let Some(record) = unread.pop()
    {
        let terms = spf_terms(&record);
        costs += terms.look_ups;
        for name in terms.further {
            let texts = resolver.txt(&name).await?;
            unread.extend(spf_record(&name, &texts).ok().map(str::to_owned));
        }
    }
    Ok((costs > MOST_LOOK_UPS).then(|| {
        format!(
            "the SPF record of {domain} needs more than {MOST_LOOK_UPS} look-ups, and receivers then do not heed it \
             (RFC 7208): take out an include, or name addresses with ip4 and ip6"
        )
    }))
}

/// RFC 7208 section 4.6.4.
const MOST_LOOK_UPS: usize = 10;

/// The one SPF record among the texts of a domain.
fn spf_record<'t>(domain: &str, texts: &'t [String]) -> Result<&'t str, String> {
    let is_spf = |text: &&String| {
        text.split(' ')
            .next()
            .is_some_and(|first| first.eq_ignore_ascii_case("v=spf1"))
    };
    let found: Vec<&String> = texts.iter().filter(is_spf).collect();
    match found[..] {
        [record] => Ok(record),
        [] => Err(format!(
            "{domain} has no SPF record, so receivers cannot tell our mail from forged mail: publish one TXT record \
             there, such as \"v=spf1 include:spf.example.net -all\" with what the operator of your relay names"
        )),
        _ => Err(format!(
            "{domain} has {} SPF records, and receivers then heed none of them (RFC 7208): put their terms into one",
            found.len()
        )),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct SpfTerms {
    /// Terms for which a receiver asks the DNS.
    look_ups: usize,
    /// Records that are read as part of this one.
    further: Vec<String>,
}

fn spf_terms(record: &str) -> SpfTerms {
    let mut terms = SpfTerms {
        look_ups: 0,
        further: Vec::new(),
    };
    for term in record.split_ascii_whitespace().skip(1) {
        let term = term.trim_start_matches(['+', '-', '~', '?']).to_ascii_lowercase();
        let (name, value) = match term.find([':', '=', '/']) {
            Some(at) => (&term[..at], &term[at + 1..]),
            None => (&*term, ""),
        };
        if !["include", "a", "mx", "ptr", "exists", "redirect"].contains(&name) {
            continue;
        }
        terms.look_ups += 1;
        // What a macro stands for is known only with a message.
        if matches!(name, "include" | "redirect") && !value.contains('%') {
            terms.further.push(value.to_owned());
        }
    }
    terms
}

/// Looks at the domain itself, then up the tree, as receivers do (RFC 9989).
async fn look_at_dmarc(resolver: &Resolver, domain: &str) -> Result<Option<String>, NoAnswer> {
    for above in dmarc_path(domain) {
        let name = format!("_dmarc.{above}");
        if let Some(verdict) = dmarc_verdict(&name, &resolver.txt(&name).await?) {
            return Ok(verdict.err());
        }
    }
    Ok(Some(format!(
        "{domain} has no DMARC record, which large providers ask of bulk senders: publish a TXT record at \
         _dmarc.{domain}, at least \"v=DMARC1; p=none\""
    )))
}

/// The domain and those above it, with at most eight questions.
fn dmarc_path(domain: &str) -> Vec<&str> {
    let labels: Vec<&str> = domain.split('.').collect();
    let starts = std::iter::successors(Some(domain), |rest| rest.split_once('.').map(|(_, above)| above));
    let mut path: Vec<&str> = starts.collect();
    if labels.len() > 8 {
        path.drain(1..=labels.len() - 8);
    }
    path
}

/// What the texts at a `_dmarc` name are worth. `None`: there is no record among them.
fn dmarc_verdict(name: &str, texts: &[String]) -> Option<Result<(), String>> {
    let tags = |text: &str| -> Vec<(String, String)> {
        let tag = |tag: &str| {
            let (key, value) = tag.split_once('=')?;
            Some((key.trim().to_ascii_lowercase(), value.trim().to_owned()))
        };
        text.split(';').filter_map(tag).collect()
    };
    let records: Vec<_> = texts
        .iter()
        .map(|text| tags(text))
        .filter(|tags| {
            tags.first()
                .is_some_and(|(key, value)| key == "v" && value == "DMARC1")
        })
        .collect();
    let [record] = &records[..] else {
        return (!records.is_empty()).then(|| {
            Err(format!(
                "there are {} DMARC records at {name}, and receivers then heed none of them (RFC 9989): leave one",
                records.len()
            ))
        });
    };
    let policy = record.iter().find(|(key, _)| key == "p");
    let is_policy = |value: &str| {
        ["none", "quarantine", "reject"]
            .iter()
            .any(|policy| value.eq_ignore_ascii_case(policy))
    };
    Some(match policy {
        Some((_, value)) if is_policy(value) => Ok(()),
        _ => Err(format!(
            "the DMARC record at {name} says no policy: write p=none, p=quarantine or p=reject into it"
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn there_is_to_be_exactly_one_spf_record() {
        let one = texts(&["v=spf1 mx -all", "v=spf10 mx", "something else"]);
        assert_eq!(spf_record("example.org", &one).unwrap(), "v=spf1 mx -all");
        assert_eq!(spf_record("example.org", &texts(&["V=SPF1"])).unwrap(), "V=SPF1");
        let none = spf_record("example.org", &[]).unwrap_err();
        assert!(none.contains("v=spf1 include:"), "{none}");
        let two = spf_record("example.org", &texts(&["v=spf1 mx", "v=spf1 a"])).unwrap_err();
        assert!(two.contains("2 SPF records"), "{two}");
    }

    #[test]
    fn terms_that_need_a_look_up_are_counted() {
        let record = "v=spf1 ip4:192.0.2.0/24 a mx/24 +a:a.example.org ~include:b.example.org exists:%{i}.c.example.org \
             redirect=d.example.org -all";
        let terms = spf_terms(record);
        assert_eq!(terms.look_ups, 6);
        assert_eq!(terms.further, ["b.example.org", "d.example.org"]);
    }

    #[test]
    fn a_dmarc_record_has_a_policy_and_no_rival() {
        let verdict = |records: &[&str]| dmarc_verdict("_dmarc.example.org", &texts(records));
        assert_eq!(verdict(&["v=DMARC1; p=none"]), Some(Ok(())));
        assert_eq!(
            verdict(&["v=DMARC1;p=Reject;rua=mailto:a@example.org"]),
            Some(Ok(()))
        );
        assert_eq!(verdict(&["something else", "p=none; v=DMARC1"]), None);
        let unsaid = verdict(&["v=DMARC1; sp=none"]).unwrap().unwrap_err();
        assert!(unsaid.contains("p=none"), "{unsaid}");
        let two = verdict(&["v=DMARC1; p=none", "v=DMARC1; p=none"])
            .unwrap()
            .unwrap_err();
        assert!(two.contains("2 DMARC records"), "{two}");
    }

    #[test]
    fn the_way_up_the_tree_has_at_most_eight_steps() {
        assert_eq!(
            dmarc_path("news.example.org"),
            ["news.example.org", "example.org", "org"]
        );
        let path = dmarc_path("a.b.c.d.e.f.g.h.i.example.org");
        assert_eq!(path.len(), 8);
        assert_eq!(
            path[..2],
            ["a.b.c.d.e.f.g.h.i.example.org", "e.f.g.h.i.example.org"]
        );
        assert_eq!(dmarc_path("a.b.c.d.e.f.example.org").len(), 8);
    }

    #[test]
    fn a_domain_takes_mail_at_its_mx_or_its_address() {
        let mx = |host: &str| Mx {
            preference: 0,
            host: host.to_owned(),
        };
        assert_eq!(mail_fault("example.org", &[mx("mx.example.org")], false), None);
        assert_eq!(mail_fault("example.org", &[], true), None);
        let null = mail_fault("example.org", &[mx("")], true).unwrap();
        assert!(null.contains("RFC 7505"), "{null}");
        assert!(mail_fault("example.org", &[], false).is_some());
    }
}

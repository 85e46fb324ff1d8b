//! Whether SPF can speak for the domain that readers see: DMARC wants the domain of the return path to belong to that of From (RFC
//! 9989). Where it does not, only a DKIM signature of From's domain can.

use super::{Check, Finding, Sender};

pub(super) fn check(sender: &Sender) -> Finding {
    let (from, path) = (&sender.from_domain, &sender.return_path_domain);
    if belong_together(from, path) {
        return Finding::ok(
            Check::Alignment,
            format!(
                "From and the return path belong to the same domain, {}.",
                common(from, path)
            ),
        );
    }
    Finding::amber(
        Check::Alignment,
        format!(
            "Bounces go to {path}, which is not part of the domain of From, {from}: SPF cannot speak for it."
        ),
        format!(
            "let the relay sign with DKIM for {from}, or set return_path_domain in section [mail] to a name below it"
        ),
    )
}

/// Without a list of public suffixes, two names that are below one another count as one organisation's, and so do those with the
/// same last two labels, or three where the second is as short as in `co.uk`.
fn belong_together(a: &str, b: &str) -> bool {
    let is_below = |lower: &str, upper: &str| {
        lower
            .strip_suffix(upper)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    is_below(a, b) || is_below(b, a) || organisation(a) == organisation(b)
}

fn organisation(domain: &str) -> &str {
    let at_label = |n: usize| {
        domain
            .rmatch_indices('.')
            .nth(n - 1)
            .map_or(domain, |(at, _)| &domain[at + 1..])
    };
    let two = at_label(2);
    match two.split_once('.') {
        Some((second, top)) if second.len() <= 3 && top.len() == 2 => at_label(3),
        _ => two,
    }
}

fn common<'a>(a: &'a str, b: &'a str) -> &'a str {
    if a.len() <= b.len() { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_organisation_belong_together() {
        for (from, path, together) in [
            ("example.org", "example.org", true),
            ("news.example.org", "bounces.example.org", true),
            ("example.org", "bounces.example.org", true),
            ("example.org", "example.net", false),
            ("example.org", "notexample.org", false),
            ("a.co.uk", "b.co.uk", false),
            ("news.a.co.uk", "bounces.a.co.uk", true),
        ] {
            assert_eq!(belong_together(from, path), together, "{from} {path}");
        }
    }
}

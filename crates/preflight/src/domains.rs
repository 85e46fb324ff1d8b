//! What the DNS says of the sender's domains.

use tidings_campaign::preflight::Asked;
use tidings_dns::{DnsSettings, NoAnswer, Resolver, Role, look_at, may_be_asked};

const DISABLED: &str = "enabled in section [dns] is false";

/// What is wrong with the records of the domain of From and of that of return paths.
pub(crate) async fn look(from: &str, return_path: &str, dns: Option<&DnsSettings>) -> Asked<Vec<String>> {
    let is_one = from == return_path;
    let mut asked = vec![(
        from,
        Role {
            is_from: true,
            is_return_path: is_one,
        },
    )];
    if !is_one {
        asked.push((
            return_path,
            Role {
                is_from: false,
                is_return_path: true,
            },
        ));
    }
    asked.retain(|(domain, _)| may_be_asked(domain));
    if asked.is_empty() {
        return Asked::NotAsked(format!("{from} is a name for use at home"));
    }
    let Some(settings) = dns else {
        return Asked::NotAsked(DISABLED.to_owned());
    };
    let looked = async {
        let resolver = Resolver::new(settings)?;
        let mut faults = Vec::new();
        for (domain, role) in asked {
            faults.extend(look_at(&resolver, domain, role).await?);
        }
        Ok::<_, NoAnswer>(faults)
    };
    match looked.await {
        Ok(faults) => Asked::Found(faults),
        Err(no_answer) => Asked::NoAnswer(no_answer.to_string()),
    }
}

/// Whether the public key is there that signatures of the domain name (RFC 6376 section 3.6).
pub(crate) async fn look_at_key(
    from: &str,
    selector: Option<&str>,
    dns: Option<&DnsSettings>,
) -> Asked<Result<String, String>> {
    let Some(selector) = selector else {
        return Asked::NotAsked(
            "your relay signs, and dkim_selector in section [preflight] does not say which key it uses"
                .to_owned(),
        );
    };
    if !may_be_asked(from) {
        return Asked::NotAsked(format!("{from} is a name for use at home"));
    }
    let Some(settings) = dns else {
        return Asked::NotAsked(DISABLED.to_owned());
    };
    let name = format!("{selector}._domainkey.{from}");
    let texts = async { Resolver::new(settings)?.txt(&name).await };
    match texts.await {
        Ok(texts) if texts.iter().any(|text| has_key(text)) => Asked::Found(Ok(name)),
        Ok(_) => Asked::Found(Err(format!(
            "There is no public key at {name}, so receivers cannot check signatures of {from}: publish the TXT record that your \
             relay's operator names, or correct dkim_selector"
        ))),
        Err(no_answer) => Asked::NoAnswer(no_answer.to_string()),
    }
}

/// A key that was withdrawn has an empty `p`.
fn has_key(text: &str) -> bool {
    text.split(';')
        .filter_map(|tag| tag.split_once('='))
        .any(|(name, value)| name.trim() == "p" && !value.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withdrawn_key_is_none() {
        assert!(has_key("v=DKIM1; k=rsa; p=MIIB"));
        assert!(!has_key("v=DKIM1; p="));
        assert!(!has_key("v=spf1 -all"));
    }
}

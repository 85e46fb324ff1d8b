//! What the DNS said of domains.

use super::*;
use tidings_store::domain_providers::DomainProvider;
use tidings_tests::store_on_both_engines;

fn found(domain: &str, provider: &str, seconds: u64) -> DomainProvider {
    DomainProvider {
        domain: domain.to_owned(),
        provider: provider.to_owned(),
        looked_up_at: at(seconds),
    }
}

store_on_both_engines!(what_the_dns_said_is_remembered_the_newest_first, |store| {
    let first = [
        found("example.org", "gmail", 1),
        found("example.net", "other", 2),
        found("example.com", "microsoft", 3),
    ];
    store.put_domain_providers(&first).await.unwrap();
    let later = [found("example.org", "gmail", 4), found("example.org", "other", 5)];
    store.put_domain_providers(&later).await.unwrap();
    store.put_domain_providers(&[]).await.unwrap();
    let known = store.domain_providers(at(0), 10).await.unwrap();
    assert_eq!(known, [later[1].clone(), first[2].clone(), first[1].clone()]);
    assert_eq!(store.domain_providers(at(3), 10).await.unwrap().len(), 2);
    assert_eq!(
        store.domain_providers(at(0), 1).await.unwrap(),
        [later[1].clone()]
    );

    assert_eq!(store.forget_domain_providers(at(3)).await.unwrap(), 1);
    assert_eq!(store.domain_providers(at(0), 10).await.unwrap().len(), 2);
});

store_on_both_engines!(more_domains_may_be_found_than_one_statement_takes, |store| {
    let many: Vec<_> = (0..1_200)
        .map(|n| found(&format!("{n}.example.org"), "gmail", n))
        .collect();
    store.put_domain_providers(&many).await.unwrap();
    assert_eq!(store.domain_providers(at(0), 2_000).await.unwrap().len(), 1_200);
});

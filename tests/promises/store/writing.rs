//! What the store promises to those who write campaigns.

use super::*;
use tidings_campaign::language::Language;
use tidings_campaign::lifecycle::{Action, CampaignState};
use tidings_campaign::suppression::AddressHash;
use tidings_campaign::tracking::Tracking;
use tidings_store::StoreError;
use tidings_store::campaigns::NewCampaign;
use tidings_store::deliveries::Frozen;
use tidings_store::letters::{NewTest, TESTS_PER_HOUR, TestQueued};
use tidings_store::own_content::{self, OwnContent};
use tidings_store::writing::Writing;
use tidings_tests::store_on_both_engines;

fn own(language: Option<&str>, subject: Option<&str>, html: &str) -> OwnContent {
    OwnContent {
        language: language.map(|tag| Language::parse(tag).unwrap()),
        subject: subject.map(str::to_owned),
        preheader: None,
        html: html.to_owned(),
        text: None,
    }
}

fn writing(lists: Vec<ListId>) -> Writing {
    Writing {
        name: "Spring".to_owned(),
        lists,
        template: String::new(),
        subject: "Hello".to_owned(),
        preheader: Some("Soon & <now>".to_owned()),
        sender: "news@example.com".to_owned(),
        reply_to: Some("Ann <ann@example.com>".to_owned()),
        tracking: Some(Tracking::Off),
        own: vec![
            own(None, None, "<body><p>Hello</p></body>"),
            own(
                Some("de"),
                Some("Hallo"),
                "<body>{{#preheader}}Bald{{/preheader}}<p>Hallo</p></body>",
            ),
        ],
    }
}

store_on_both_engines!(a_campaign_says_what_was_written_in_all_languages, |store| {
    let readers = list(store, "readers").await;
    let by = By::command_line();
    let new = NewCampaign::from(writing(vec![readers]));
    let id = store.create_campaign_by(&new, &by, START).await.unwrap();
    assert_eq!(store.own_content(id).await.unwrap(), new.own);
    let campaign = store.get_campaign(id).await.unwrap();
    assert!(campaign.may_be_written());
    assert_eq!(
        (campaign.revision, campaign.preheader.as_deref()),
        (1, Some("Soon & <now>"))
    );
    let newsletter = store.newsletter_of(&campaign).await.unwrap();
    assert_eq!(newsletter.fallback.template.name, own_content::own_name(id));
    assert_eq!(
        newsletter.fallback.template.html,
        "<body>{{#preheader}}Soon &amp; &lt;now&gt;{{/preheader}}<p>Hello</p></body>"
    );
    // In German it has a preheader already.
    let german = &newsletter.translations[0].content;
    assert_eq!(german.subject, "Hallo");
    assert!(german.template.html.contains("Bald"), "{}", german.template.html);
    // What is not kept yet is loaded in the same way.
    let changed = Writing {
        own: Vec::new(),
        template: "nowhere".to_owned(),
        ..writing(vec![readers])
    };
    let unsaved = store
        .newsletter_written(&changed.over(Some(campaign)), &changed.own)
        .await;
    assert!(matches!(unsaved, Err(StoreError::NotFound { .. })), "{unsaved:?}");
});

store_on_both_engines!(a_campaign_is_written_by_one_at_a_time_until_it_starts, |store| {
    let (readers, others) = (list(store, "readers").await, list(store, "others").await);
    let by = By::command_line();
    let id = draft(store, &["readers"]).await;
    let write =
        async |writing: Writing, revision| store.write_campaign(id, &writing, revision, &by, START).await;
    write(writing(vec![others]), 1).await.unwrap();
    let refused = write(writing(vec![readers]), 1).await.unwrap_err();
    assert!(matches!(refused, StoreError::WrittenMeanwhile(_)) && refused.is_refusal());
    assert_eq!(store.lists_of(id).await.unwrap()[0].0, others);
    let log = store.audit_log(None, 10).await.unwrap();
    assert_eq!(log.len(), 1);
    for change in [
        "preheader: none → Soon & <now>",
        "lists: readers → others",
        "tracking: as its lists say → off",
    ] {
        assert!(log[0].detail.contains(change), "{change}: {}", log[0].detail);
    }
    // What was made ready of an older version is not what starts.
    let frozen = |revision| Frozen {
        revision: Some(revision),
        ..Frozen::from("{}")
    };
    let refused = store.start_campaign(id, frozen(1), START).await.unwrap_err();
    assert!(matches!(refused, StoreError::WrittenMeanwhile(_)), "{refused}");
    assert_eq!(store.start_campaign(id, frozen(2), START).await.unwrap(), 0);
    let refused = write(writing(vec![readers]), 2).await.unwrap_err();
    assert!(matches!(refused, StoreError::WritingIsFixed { .. }), "{refused}");
});

store_on_both_engines!(
    a_campaign_is_repeated_and_a_draft_removed_with_all_it_has,
    |store| {
        let readers = list(store, "readers").await;
        let by = By::command_line();
        let new = NewCampaign::from(writing(vec![readers]));
        let first = store.create_campaign_by(&new, &by, START).await.unwrap();
        let second = store.repeat_campaign(first, "Summer", &by, START).await.unwrap();
        let repeated = store.get_campaign(second).await.unwrap();
        assert_eq!(
            (repeated.name.as_str(), repeated.state),
            ("Summer", CampaignState::Draft)
        );
        assert_eq!(store.own_content(second).await.unwrap(), new.own);
        store.remove_draft(second, &by, START).await.unwrap();
        assert!(store.get_campaign(second).await.is_err());
        assert!(store.own_content(second).await.unwrap().is_empty());
        store.move_campaign(first, Action::Cancel, None).await.unwrap();
        let refused = store.remove_draft(first, &by, START).await.unwrap_err();
        assert!(matches!(refused, StoreError::NoDraft { .. }), "{refused}");
    }
);

store_on_both_engines!(tests_of_a_campaign_are_few_and_all_or_none, |store| {
    let campaign = draft(store, &["readers"]).await;
    let by = By::command_line();
    let queue = async |to: &[String], once: &str| {
        let letters: Vec<_> = to
            .iter()
            .map(|to| (address(to), b"Subject: x\r\n\r\nx\r\n".to_vec()))
            .collect();
        let test = NewTest {
            campaign,
            sender_domain: "example.com",
            letters: &letters,
            once,
        };
        store.queue_test(test, &by, START).await.unwrap()
    };
    let to = |n: u32| {
        (0..n)
            .map(|n| format!("tester{n}@example.org"))
            .collect::<Vec<_>>()
    };
    suppress(store, "gone@example.org").await;
    let with_one_gone = [to(1), vec!["gone@example.org".to_owned()]].concat();
    let gone = TestQueued::Suppressed(address("gone@example.org"), "complaint".to_owned());
    assert_eq!(queue(&with_one_gone, "a").await, gone);
    assert_eq!(queue(&to(TESTS_PER_HOUR + 1), "b").await, TestQueued::TooMany);
    assert!(store.tests_of(campaign, 10).await.unwrap().is_empty());
    assert_eq!(queue(&to(2), "c").await, TestQueued::Yes);
    assert_eq!(queue(&to(2), "c").await, TestQueued::Yes);
    let tests = store.tests_of(campaign, 10).await.unwrap();
    assert_eq!(tests.len(), 2);
    assert_eq!(
        (tests[0].kind.as_str(), tests[0].state.as_str()),
        ("test", "queued")
    );
    assert_eq!(queue(&to(TESTS_PER_HOUR - 1), "d").await, TestQueued::TooMany);
    // Sent again with more addresses, it goes to those that it has not gone to.
    let others = ["first@example.org", "tester0@example.org", "last@example.org"].map(str::to_owned);
    assert_eq!(queue(&others, "c").await, TestQueued::Yes);
    assert_eq!(store.tests_of(campaign, 10).await.unwrap().len(), 4);
    let kept = store.audit_log(None, 10).await.unwrap();
    let tests: Vec<_> = kept
        .iter()
        .filter(|entry| entry.what == "sent a test")
        .map(|entry| entry.detail.as_str())
        .collect();
    assert_eq!(tests, ["to 2 addresses", "to 2 addresses"]);
    // Whose address is known by its hash alone, or was erased, gets none either.
    let hash = AddressHash::of_key(&address("hashed@example.org").key());
    store
        .suppress_hashes(&[hash], "complaint", "a list", START)
        .await
        .unwrap();
    store
        .erase_address(&address("erased@example.org"), START)
        .await
        .unwrap();
    for who in ["hashed@example.org", "erased@example.org"] {
        let refused = queue(&[who.to_owned()], who).await;
        assert!(
            matches!(refused, TestQueued::Suppressed(..)),
            "{who}: {refused:?}"
        );
    }
});

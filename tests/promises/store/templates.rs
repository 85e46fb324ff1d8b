//! Templates and what they refer to.

use super::*;
use tidings_campaign::template::Source;
use tidings_store::StoreError;
use tidings_store::audit::By;
use tidings_store::templates::{StoredTemplate, TemplateSummary};
use tidings_tests::store_on_both_engines;

fn source(name: &str, html: &str, text: Option<&str>) -> Source {
    Source {
        name: name.to_owned(),
        html: html.to_owned(),
        text: text.map(str::to_owned),
    }
}

fn by() -> By {
    By {
        who: "ann@example.com".to_owned(),
        network: String::new(),
    }
}

async fn put(store: &Store, source: &Source) {
    store.put_template(source, None, &by(), START).await.unwrap();
}

store_on_both_engines!(a_template_is_kept_until_it_is_replaced, |store| {
    assert_eq!(store.find_template("spring").await.unwrap(), None);
    let old = source("spring", "<p>Grüße, {{name}}</p>", Some("Grüße, {{name}}"));
    store
        .put_template(&old, Some("Spring"), &by(), START)
        .await
        .unwrap();
    let stored = |source, subject: Option<&str>, updated_at| StoredTemplate {
        source,
        subject: subject.map(str::to_owned),
        updated_at,
    };
    let found = store.find_template("spring").await.unwrap();
    assert_eq!(found, Some(stored(old, Some("Spring"), START)));
    let new = source("spring", "<p>Hello</p>", None);
    store.put_template(&new, None, &by(), at(1)).await.unwrap();
    let found = store.find_template("spring").await.unwrap();
    assert_eq!(found, Some(stored(new, None, at(1))));
});

store_on_both_engines!(templates_are_listed_by_name, |store| {
    assert!(store.list_templates().await.unwrap().is_empty());
    put(store, &source("spring", "<p></p>", None)).await;
    store
        .put_template(
            &source("autumn", "", Some("leaves")),
            Some("Autumn"),
            &by(),
            at(1),
        )
        .await
        .unwrap();
    let summary = |name: &str, subject: Option<&str>, has_text, updated_at| TemplateSummary {
        name: name.to_owned(),
        subject: subject.map(str::to_owned),
        has_text,
        languages: Vec::new(),
        updated_at,
    };
    let expected = [
        summary("autumn", Some("Autumn"), true, at(1)),
        summary("spring", None, false, START),
    ];
    assert_eq!(store.list_templates().await.unwrap(), expected);
});

store_on_both_engines!(a_newsletter_is_loaded_with_all_it_refers_to, |store| {
    let spring = source("spring", "{{> head}}<p>Hello</p>{{> gone}}", Some("{{> foot}}"));
    let head = source("head", "<h1>{{> logo}}</h1>", None);
    let logo = source("logo", "<img src=\"logo.png\">{{> head}}", None);
    let foot = source("foot", "<hr>", Some("--"));
    for template in [&spring, &head, &logo, &foot, &source("other", "", None)] {
        put(store, template).await;
    }
    let content = store.load_content("spring", "Hello {{name}}").await.unwrap();
    assert_eq!(content.subject, "Hello {{name}}");
    assert_eq!(content.template, spring);
    let expected = [foot, head, logo];
    assert_eq!(
        content.partials, expected,
        "each once, by name, without what does not exist"
    );
    // The same for one that is not stored.
    let draft = Source {
        name: "draft".to_owned(),
        ..spring
    };
    let content = store.load_partials(draft.clone(), "Hello").await.unwrap();
    assert_eq!((content.template, content.partials), (draft, expected.into()));
});

store_on_both_engines!(a_template_that_does_not_exist_is_not_found, |store| {
    match store.load_content("spring", "Hello").await {
        Err(StoreError::NotFound { what, name }) => {
            assert_eq!((what, name.as_str()), ("template", "spring"));
        }
        other => panic!("{other:?}"),
    }
});

store_on_both_engines!(every_save_is_a_version_and_the_oldest_go, |store| {
    let (itself, german) = (
        source("spring", "<p>1</p>", None),
        source("spring", "<p>eins</p>", None),
    );
    let de = tidings_campaign::language::Language::parse("de").unwrap();
    store
        .put_template(&itself, Some("One"), &by(), START)
        .await
        .unwrap();
    store
        .put_translation(&german, &de, None, &by(), START)
        .await
        .unwrap();
    for n in 2..60 {
        let next = source("spring", &format!("<p>{n}</p>"), Some("text"));
        let saved = store
            .save_template((&next, None), None, None, &by(), at(n))
            .await
            .unwrap();
        assert_eq!(saved, Ok(()));
    }
    let versions = store.template_versions("spring", None).await.unwrap();
    assert_eq!(versions.len() as i64, tidings_store::versions::VERSIONS_KEPT);
    assert_eq!(
        (versions[0].n, versions[0].saved_by.as_str()),
        (59, "ann@example.com")
    );
    let oldest = store.template_version("spring", None, 9).await.unwrap().unwrap();
    assert_eq!((oldest.html.as_str(), oldest.saved_at), ("<p>9</p>", at(9).0));
    assert_eq!(store.template_version("spring", None, 8).await.unwrap(), None);
    assert_eq!(
        store.template_versions("spring", Some(&de)).await.unwrap().len(),
        1
    );
    let log = store.audit_log(None, 1).await.unwrap();
    assert_eq!(
        (log[0].what.as_str(), log[0].about.as_str()),
        ("saved a template", "template spring")
    );
});

store_on_both_engines!(
    what_refers_to_a_template_and_what_is_made_with_it_is_known,
    |store| {
        for template in [source("spring", "{{> head}}", None), source("head", "<h1>", None)] {
            put(store, &template).await;
        }
        let other = store.template_that_refers_to("head").await.unwrap();
        assert_eq!(other.as_deref(), Some("spring"));
        assert_eq!(store.template_that_refers_to("spring").await.unwrap(), None);
        assert_eq!(store.template_uses().await.unwrap(), []);
        assert_eq!(store.campaigns_with_template("spring", 5).await.unwrap(), []);
        let itself = source("spring", "{{> spring}}", None);
        let refused = store
            .save_template((&itself, None), None, None, &by(), START)
            .await
            .unwrap();
        assert!(refused.is_err(), "it contains itself");
    }
);

store_on_both_engines!(nobody_saves_over_what_they_have_not_seen, |store| {
    let (mine, theirs) = (
        source("spring", "<p>mine</p>", None),
        source("spring", "<p>theirs</p>", None),
    );
    let de = tidings_campaign::language::Language::parse("de").unwrap();
    put(store, &theirs).await;
    for (language, newest) in [(None, 1), (Some(&de), 0)] {
        let save = async |source, seen| {
            store
                .save_template((source, language), None, Some(seen), &by(), at(1))
                .await
        };
        save(&theirs, newest).await.unwrap().unwrap();
        let refused = save(&mine, newest).await;
        assert!(
            matches!(refused, Err(StoreError::TemplateSavedMeanwhile(_))),
            "{refused:?}"
        );
        let kept = match language {
            None => store.find_template("spring").await.unwrap(),
            Some(language) => store.find_translation("spring", language).await.unwrap(),
        };
        assert_eq!(kept.unwrap().source, theirs);
        save(&mine, newest + 1).await.unwrap().unwrap();
    }
});

store_on_both_engines!(a_template_is_added_with_its_translations_or_not_at_all, |store| {
    let stored = |source| StoredTemplate {
        source,
        subject: None,
        updated_at: START,
    };
    let de = tidings_campaign::language::Language::parse("de").unwrap();
    let itself = stored(source("spring", "<p>one</p>", None));
    let german = [(de.clone(), stored(source("spring", "<p>eins</p>", None)))];
    assert!(store.add_template(&itself, &german, &by(), START).await.unwrap());
    assert_eq!(
        store.find_translation("spring", &de).await.unwrap().as_ref(),
        Some(&german[0].1)
    );
    let other = stored(source("spring", "<p>other</p>", None));
    assert!(!store.add_template(&other, &[], &by(), START).await.unwrap());
    assert_eq!(store.find_template("spring").await.unwrap(), Some(itself));
    // A translation of another template, which is not there, undoes it all.
    let astray = [(de, stored(source("autumn", "<p></p>", None)))];
    let winter = stored(source("winter", "<p></p>", None));
    assert!(store.add_template(&winter, &astray, &by(), START).await.is_err());
    assert_eq!(store.find_template("winter").await.unwrap(), None);
});

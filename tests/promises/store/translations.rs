//! Templates in several languages.

use super::*;
use tidings_campaign::language::Language;
use tidings_campaign::lifecycle::Action;
use tidings_campaign::template::Source;
use tidings_store::StoreError;
use tidings_tests::store_on_both_engines;

fn by() -> By {
    By::command_line()
}

fn source(name: &str, html: &str) -> Source {
    Source {
        name: name.to_owned(),
        html: html.to_owned(),
        text: None,
    }
}

fn tag(text: &str) -> Language {
    Language::parse(text).unwrap()
}

async fn put(store: &Store, name: &str, language: Option<&str>, html: &str) {
    let source = source(name, html);
    match language {
        Some(language) => {
            store
                .put_translation(&source, &tag(language), None, &by(), START)
                .await
        }
        None => store.put_template(&source, None, &by(), START).await,
    }
    .unwrap();
}

store_on_both_engines!(a_translation_is_kept_beside_its_template, |store| {
    put(store, "spring", None, "<p>Hello</p>").await;
    put(store, "spring", Some("fr"), "<p>Salut</p>").await;
    let german = Source {
        text: Some("Grüße".to_owned()),
        ..source("spring", "<p>Grüße</p>")
    };
    let de = tag("de-AT");
    store
        .put_translation(&german, &de, Some("Frühling"), &by(), START)
        .await
        .unwrap();
    let found = store.find_translation("spring", &de).await.unwrap().unwrap();
    assert_eq!(
        (found.source, found.subject.as_deref()),
        (german, Some("Frühling"))
    );
    assert_eq!(found.updated_at, START);
    assert_eq!(
        store.languages_of("spring").await.unwrap(),
        [de.clone(), tag("fr")]
    );
    assert_eq!(
        store.list_templates().await.unwrap()[0].languages,
        [de.clone(), tag("fr")]
    );

    let new = source("spring", "<p>Servus</p>");
    store
        .put_translation(&new, &de, None, &by(), at(1))
        .await
        .unwrap();
    put(store, "spring", None, "<p>Hi</p>").await;
    let found = store.find_translation("spring", &de).await.unwrap().unwrap();
    assert_eq!(
        (found.source, found.subject, found.updated_at),
        (new, None, at(1))
    );
    assert_eq!(
        store.languages_of("spring").await.unwrap().len(),
        2,
        "a new fallback keeps them"
    );

    assert_eq!(store.find_translation("spring", &tag("de")).await.unwrap(), None);
    assert_eq!(store.find_translation("autumn", &de).await.unwrap(), None);
    assert!(store.languages_of("autumn").await.unwrap().is_empty());
    let nothing = store
        .put_translation(&source("autumn", ""), &de, None, &by(), START)
        .await;
    assert!(
        matches!(nothing, Err(StoreError::NotFound { what: "template", .. })),
        "{nothing:?}"
    );
});

store_on_both_engines!(the_nearest_language_is_found_or_the_fallback, |store| {
    put(store, "foot", None, "Bye").await;
    put(store, "foot", Some("de"), "Tschüss").await;
    for (wanted, html) in [("de", "Tschüss"), ("de-AT", "Tschüss"), ("fr", "Bye")] {
        let found = store
            .find_template_for("foot", &tag(wanted))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.source.html, html, "{wanted}");
    }
    assert_eq!(store.find_template_for("head", &tag("de")).await.unwrap(), None);
});

store_on_both_engines!(a_newsletter_is_loaded_in_all_its_languages, |store| {
    let html = "<p>x</p>{{> foot}}{{> logo}}";
    put(store, "spring", None, html).await;
    put(store, "spring", Some("de-AT"), html).await;
    let french = source("spring", "<p>Salut</p>{{> foot}}");
    store
        .put_translation(&french, &tag("fr"), Some("Printemps"), &by(), START)
        .await
        .unwrap();
    for (name, language, html) in [
        ("foot", None, "Bye"),
        ("foot", Some("de"), "Tschüss"),
        ("foot", Some("es"), "Adiós"),
        ("logo", None, "Logo"),
    ] {
        put(store, name, language, html).await;
    }
    let newsletter = store.load_newsletter("spring", "Spring").await.unwrap();
    assert_eq!(
        newsletter.fallback,
        store.load_content("spring", "Spring").await.unwrap()
    );
    let loaded: Vec<_> = newsletter
        .variants()
        .map(|(language, content)| {
            let partials: Vec<&str> = content.partials.iter().map(|partial| &*partial.html).collect();
            (language.map(Language::as_str), content.subject.as_str(), partials)
        })
        .collect();
    let expected = [
        (None, "Spring", vec!["Bye", "Logo"]),
        (Some("de-AT"), "Spring", vec!["Tschüss", "Logo"]),
        (Some("fr"), "Printemps", vec!["Bye"]),
    ];
    assert_eq!(loaded, expected);
    let german = store
        .load_partials_for(source("draft", "{{> foot}}"), "Spring", Some(&tag("de")))
        .await
        .unwrap();
    assert_eq!(german.partials[0].html, "Tschüss");
    assert!(store.load_newsletter("autumn", "Autumn").await.is_err());
});

store_on_both_engines!(templates_and_translations_are_removed, |store| {
    put(store, "spring", None, "<p>Hello</p>").await;
    put(store, "spring", Some("de"), "<p>Hallo</p>").await;
    put(store, "spring", Some("fr"), "<p>Salut</p>").await;
    put(store, "autumn", None, "<p>Hello</p>").await;
    put(store, "autumn", Some("de"), "<p>Hallo</p>").await;
    assert!(
        store
            .remove_translation("spring", &tag("de"), &by(), at(9))
            .await
            .unwrap()
    );
    assert!(
        !store
            .remove_translation("spring", &tag("de"), &by(), at(9))
            .await
            .unwrap()
    );
    assert_eq!(store.languages_of("spring").await.unwrap(), [tag("fr")]);
    assert!(store.remove_template("spring", &by(), at(9)).await.unwrap());
    assert!(!store.remove_template("spring", &by(), at(9)).await.unwrap());
    assert_eq!(store.find_template("spring").await.unwrap(), None);
    put(store, "spring", None, "<p>Hello</p>").await;
    assert!(
        store.languages_of("spring").await.unwrap().is_empty(),
        "they went with it"
    );
    assert_eq!(store.languages_of("autumn").await.unwrap(), [tag("de")]);
});

store_on_both_engines!(a_template_that_a_campaign_is_to_send_stays, |store| {
    put(store, "spring", None, "<p>Hello</p>").await;
    let (first, second) = (draft(store, &["readers"]).await, draft(store, &["readers"]).await);
    store.move_campaign(first, Action::Cancel, None).await.unwrap();
    match store.remove_template("spring", &by(), at(9)).await {
        Err(StoreError::TemplateInUse { name, campaign }) => {
            assert_eq!((name.as_str(), campaign), ("spring", second));
        }
        other => panic!("{other:?}"),
    }
    assert!(store.find_template("spring").await.unwrap().is_some());
    store.start_campaign(second, "{}", START).await.unwrap();
    assert!(
        store.remove_template("spring", &by(), at(9)).await.unwrap(),
        "what is sent is frozen"
    );
});

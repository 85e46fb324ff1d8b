//! The number of a list's confirmed recipients is counted where standings change. Whatever changes them, it is what the rows say.

use super::imports_cut_off::released;
use super::*;
use std::hash::{BuildHasher, Hasher, RandomState};
use tidings_campaign::ids::SignUpId;
use tidings_campaign::leaving::{Said, Scope};
use tidings_campaign::letter::{LetterCaps, LetterKind};
use tidings_store::StoreError;
use tidings_store::imports::Undo;
use tidings_store::letters::NewLetter;
use tidings_store::one_clicks::OneClick;
use tidings_store::preferences::ListsWish;
use tidings_store::sign_ups::{NewSignUp, ShownBy, Visitor};
use tidings_store::unsubscribes::Unsubscribe;
use tidings_tests::{FreshStore, store_on_both_engines};

const LISTS: [&str; 3] = ["news", "offers", "readers"];
const PEOPLE: u64 = 40;

/// Numbers that follow from a seed (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn person(&mut self) -> String {
        reader(usize::try_from(self.below(PEOPLE)).unwrap())
    }

    fn list(&mut self) -> &'static str {
        LISTS[usize::try_from(self.below(3)).unwrap()]
    }
}

/// Something that may change standings, done by chance. What is refused because another was quicker is as if it had not been
/// tried.
async fn do_something(store: &Store, numbers: &mut Numbers, second: u64) -> Result<(), StoreError> {
    let person = numbers.person();
    let list_name = numbers.list();
    let on = list(store, list_name).await;
    let now = at(second);
    let found = store
        .find_recipient(&address(&person))
        .await?
        .map(|found| found.id);
    let campaign = CampaignId(1 + i64::try_from(numbers.below(2)).unwrap());
    match (numbers.below(9), found) {
        (0, _) => {
            let rows: Vec<Row> = (0..7)
                .map(|_| {
                    row(
                        &numbers.person(),
                        Some(if second.is_multiple_of(2) { "A" } else { "B" }),
                        "{}",
                    )
                })
                .collect();
            let mut import = Import::begin(store, &NewImport::of(list_name, "readers.csv"), now).await?;
            import.write(ImportBatch::of(&rows), now).await?;
            let id = import.id();
            import.finish(now).await?;
            if numbers.below(3) == 0 {
                released(store, id).await;
                let mut undo = Undo::begin(store, id, &By::command_line(), now)
                    .await?
                    .expect("nobody else takes it back");
                while undo.step(now).await?.is_some() {}
                undo.finish(now).await?;
            }
        }
        (1, Some(who)) => {
            let scope = if numbers.below(4) == 0 {
                Scope::All
            } else {
                Scope::Lists
            };
            let wish = Unsubscribe {
                how: "link",
                scope,
                said: Said::default(),
            };
            store.unsubscribe_as(campaign, who, &wish, now).await?;
        }
        (2, _) => {
            let mut clicks = Vec::new();
            for _ in 0..5 {
                if let Some(found) = store.find_recipient(&address(&numbers.person())).await? {
                    clicks.push(OneClick {
                        campaign,
                        recipient: found.id,
                        at: now,
                    });
                }
            }
            store.one_clicks(&clicks).await?;
        }
        (3, Some(who)) => drop(store.come_back(campaign, who, now).await?),
        (4 | 5, Some(who)) => {
            let joins = numbers.below(2) == 0;
            let wish = ListsWish {
                join: if joins { vec![on] } else { Vec::new() },
                leave: if joins { Vec::new() } else { vec![on] },
                text: "we will send it".to_owned(),
                network: None,
            };
            store.choose_lists((campaign, who), &wish, now).await?;
        }
        (6 | 7, _) => sign_up(store, on, &person, numbers.below(2) == 0, now).await?,
        (8, Some(_)) => drop(store.erase_address(&address(&person), now).await?),
        _ => {}
    }
    Ok(())
}

/// Somebody signs up, and perhaps confirms it.
async fn sign_up(
    store: &Store,
    on: ListId,
    person: &str,
    confirms: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = SignUpId(store.allocate_ids("sign_ups", 1).await?);
    let visitor = Visitor {
        network: None,
        user_agent: "A browser".to_owned(),
    };
    let new = NewSignUp {
        id,
        list: on,
        address: address(person),
        name: String::new(),
        attributes: serde_json::Map::new(),
        form: "footer".to_owned(),
        language: "en".to_owned(),
        text: "I agree.".to_owned(),
        text_shown_by: ShownBy::Form,
        visitor: visitor.clone(),
        expires_at: at(100_000),
    };
    let letter = NewLetter {
        campaign: None,
        kind: LetterKind::OptIn,
        to: &new.address,
        sender_domain: "example.com",
        message: b"Subject: x\r\n\r\n",
        list: Some(on),
        network: None,
        once: None,
        expires_at: at(100_000),
    };
    store.sign_up(&new, &letter, LetterCaps::NONE, now).await?;
    if confirms {
        store
            .confirm_sign_up(id, &visitor, LANGUAGE_ATTRIBUTE, now)
            .await?;
    }
    Ok(())
}

/// Of each list, what is counted and what is there.
async fn counts(store: &FreshStore) -> [Vec<String>; 2] {
    let there = store.texts(
        "SELECT l.name || ' ' || (SELECT COUNT(*) FROM subscriptions s WHERE s.list_id = l.id AND s.state = 'confirmed') \
         FROM lists l ORDER BY l.name",
    );
    let there = there.await;
    let lists = store.lists().await.unwrap();
    let counted = lists
        .iter()
        .map(|list| format!("{} {}", list.name, list.confirmed));
    [counted.collect(), there]
}

store_on_both_engines!(
    a_lists_confirmed_recipients_are_counted_whatever_changes_them,
    |store| {
        let seed = RandomState::new().build_hasher().finish() | 1;
        let mut numbers = Numbers(seed);
        for name in LISTS {
            import(store, name, &readers(20)).await;
        }
        draft(store, &["news", "offers"]).await;
        draft(store, &["readers"]).await;
        for second in 0..400 {
            do_something(store, &mut numbers, second).await.unwrap();
            let [counted, there] = counts(store).await;
            assert_eq!(counted, there, "seed {seed}, second {second}");
        }
        // And whoever does so at the same time.
        let mut tasks = tokio::task::JoinSet::new();
        for task in 1..=4 {
            let (store, mut numbers) = (Store::clone(store), Numbers(seed.rotate_left(task) | 1));
            tasks.spawn(async move {
                for second in 400..450 {
                    if let Err(error) = do_something(&store, &mut numbers, second).await {
                        assert!(error.to_string().contains("deadlock"), "{error}");
                    }
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let [counted, there] = counts(store).await;
        assert_eq!(counted, there, "seed {seed}, at the same time");
    }
);

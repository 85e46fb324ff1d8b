//! Second factors, recovery codes, and sign-ins that wait for a code.

use tidings_campaign::time::Timestamp;
use tidings_store::audit::By;
use tidings_store::people::{CODE_AWAITED_FOR, Chosen, Role, SECOND_FACTOR_AWAITED_FOR};
use tidings_tests::store_on_both_engines;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

store_on_both_engines!(
    a_second_factor_is_on_after_its_first_code_and_forgets_none,
    |store| {
        let by = By::command_line();
        store
            .invite(("ann@example.com", "Ann", Role::Viewer), [1; 32], &by, NOW)
            .await
            .unwrap();
        let ann = store.find_person("ann@example.com").await.unwrap().unwrap().id;
        assert_eq!(store.second_factor(ann, NOW).await.unwrap(), None);
        assert!(store.begin_second_factor(ann, &[1; 20], NOW).await.unwrap());
        assert!(
            store.begin_second_factor(ann, &[2; 20], NOW).await.unwrap(),
            "begun again"
        );
        let begun = store.second_factor(ann, NOW).await.unwrap().unwrap();
        assert_eq!((begun.key, begun.is_on, begun.last_step), (vec![2; 20], false, 0));
        let key = &[2; 20][..];
        let first = (key, 7, &[[3; 32], [4; 32]][..]);
        let of_another = (&[1; 20][..], 7, first.2);
        assert!(
            !store
                .confirm_second_factor(ann, of_another, &by, NOW)
                .await
                .unwrap()
        );
        let too_late = NOW.plus(SECOND_FACTOR_AWAITED_FOR);
        assert_eq!(store.second_factor(ann, too_late).await.unwrap(), None);
        assert!(
            !store
                .confirm_second_factor(ann, first, &by, too_late)
                .await
                .unwrap()
        );
        assert!(store.confirm_second_factor(ann, first, &by, NOW).await.unwrap());
        assert!(store.second_factor(ann, too_late).await.unwrap().is_some());
        assert!(!store.confirm_second_factor(ann, first, &by, NOW).await.unwrap());
        assert!(
            !store.begin_second_factor(ann, &[5; 20], NOW).await.unwrap(),
            "it is on"
        );
        let on = store.second_factor(ann, NOW).await.unwrap().unwrap();
        assert_eq!((on.is_on, on.last_step, on.codes_left), (true, 7, 2));
        for (step, is_new) in [(7, false), (6, false), (8, true), (8, false)] {
            assert_eq!(store.use_step(ann, step).await.unwrap(), is_new, "{step}");
        }
        for is_new in [true, false] {
            assert_eq!(
                store.use_recovery_code(ann, [3; 32], &by, NOW).await.unwrap(),
                is_new
            );
        }
        store.remove_second_factor(ann, &by, NOW).await.unwrap();
        assert_eq!(store.second_factor(ann, NOW).await.unwrap(), None);
        assert!(!store.use_recovery_code(ann, [4; 32], &by, NOW).await.unwrap());
    }
);

store_on_both_engines!(a_right_password_waits_for_a_code_once_and_not_for_ever, |store| {
    let by = By::command_line();
    let new = ("ann@example.com", "Ann", Role::Viewer);
    store.invite(new, [1; 32], &by, NOW).await.unwrap();
    let chosen = Chosen {
        email: "",
        name: "Ann",
        password_hash: "hash",
    };
    let ann = store.enter([1; 32], &chosen, "", NOW).await.unwrap().unwrap();
    let person = store.find_person("ann@example.com").await.unwrap().unwrap();
    store.begin_half_sign_in(&person, [2; 32], NOW).await.unwrap();
    let waits = async |at| store.half_sign_in([2; 32], at).await.unwrap().is_some();
    assert!(waits(NOW).await);
    assert!(!waits(NOW.plus(CODE_AWAITED_FOR)).await);
    assert!(store.end_half_sign_in([2; 32]).await.unwrap());
    assert!(!store.end_half_sign_in([2; 32]).await.unwrap());
    store.begin_half_sign_in(&person, [2; 32], NOW).await.unwrap();
    assert!(
        store
            .change_person(ann, (Role::Viewer, true), &by, NOW)
            .await
            .unwrap()
    );
    assert!(!waits(NOW).await, "they are kept out");
});

//! Whoever wants it is asked for a code of their device besides the password, and no code works twice.

use crate::dashboard::{Served, serve};
use crate::sign_in::{Answer, PASSWORD, administrator, csrf, post, sign_in, try_password};
use tidings_campaign::time::Clock;
use tidings_tests::{App, on_both_engines};

/// A device with a key.
pub(crate) struct Device(ring::hmac::Key);

impl Device {
    /// Reads the key that a page shows.
    pub(crate) fn of(page: &str) -> Device {
        let (_, rest) = page.split_once("type this key: <code>").expect(page);
        let key = rest.split('<').next().unwrap().replace(' ', "");
        let key = data_encoding::BASE32_NOPAD.decode(key.as_bytes()).unwrap();
        Device(ring::hmac::Key::new(
            ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            &key,
        ))
    }

    /// What it shows in a step of thirty seconds (RFC 6238).
    pub(crate) fn shows(&self, step: u64) -> String {
        let tag = ring::hmac::sign(&self.0, &step.to_be_bytes());
        let at = usize::from(tag.as_ref()[19] & 15);
        let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

pub(crate) fn step_now() -> u64 {
    u64::try_from(Clock::System.now().0 / 30_000_000).unwrap()
}

fn value<'a>(page: &'a str, field: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!("name=\"{field}\" value=\""))
        .expect(page);
    rest.split('"').next().unwrap()
}

/// Somebody whose password was right; the page that asks for the code.
fn half_way(served: &Served, email: &str) -> String {
    let asked = try_password(served, email, PASSWORD);
    assert_eq!((asked.status, asked.cookie), (200, None), "{}", asked.body);
    value(&asked.body, "secret").to_owned()
}

fn bring(served: &Served, secret: &str, code: &str) -> Answer {
    let fields = [("secret", secret), ("code", code), ("next", "/campaigns")];
    post(&format!("{}/sign-in/code", served.url), None, &fields)
}

/// Has the second factor asked for; the device, the step of the code that was shown, and the recovery codes.
fn turn_on(served: &Served, cookie: &str) -> (Device, u64, Vec<String>) {
    let token = csrf(served, cookie);
    let url = format!("{}/account/second-factor", served.url);
    let change = |at: &str, field: (&str, &str)| {
        let fields = [field, ("csrf", token.as_str())];
        post(&format!("{url}{at}"), Some(cookie), &fields)
    };
    assert_eq!(change("", ("password", "wrong horse battery")).status, 422);
    let shown = change("", ("password", PASSWORD));
    assert!(shown.body.contains("<svg"), "{}", shown.body);
    let device = Device::of(&shown.body);
    let wrong = change("/confirm", ("code", "12345"));
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("not the code of now"), "{}", wrong.body);
    let step = step_now();
    let on = change("/confirm", ("code", &device.shows(step)));
    assert_eq!(on.status, 200, "{}", on.body);
    let codes = on.body.split("<li><code>").skip(1);
    let codes: Vec<String> = codes
        .map(|rest| rest.split('<').next().unwrap().to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    (device, step, codes)
}

/// Somebody with a second factor.
fn with_a_device(app: &App, served: &Served) -> (String, Device, u64, Vec<String>) {
    let email = administrator(app, served);
    let cookie = sign_in(served, &email);
    let (device, step, codes) = turn_on(served, &cookie);
    (email, device, step, codes)
}

on_both_engines!(a_password_alone_is_not_enough_and_no_code_works_twice, |app| {
    let served = serve(app);
    let (email, device, step, codes) = with_a_device(app, &served);
    let secret = half_way(&served, &email);
    let replayed = bring(&served, &secret, &device.shows(step));
    assert_eq!((replayed.status, replayed.cookie), (401, None));
    let next = device.shows(step + 1);
    let entered = bring(&served, &secret, &format!("{} {}", &next[..3], &next[3..]));
    assert_eq!((entered.status, entered.location.as_str()), (303, "/campaigns"));
    assert!(entered.cookie.is_some());
    assert_eq!(
        bring(&served, &secret, &device.shows(step + 1)).status,
        403,
        "it was used"
    );
    let again = half_way(&served, &email);
    assert_eq!(bring(&served, &again, &next).status, 401);
    let typed = codes[0].to_lowercase().replace('-', " ");
    assert_eq!(bring(&served, &again, &typed).status, 303);
    let third = half_way(&served, &email);
    assert_eq!(bring(&served, &third, &codes[0]).status, 401);
    assert_eq!(bring(&served, &third, &codes[1]).status, 303);
});

on_both_engines!(wrong_codes_are_slowed_down_wherever_they_come_from, |app| {
    let served = serve(app);
    let (email, device, step, _) = with_a_device(app, &served);
    let secret = half_way(&served, &email);
    for _ in 0..5 {
        assert_eq!(bring(&served, &secret, "12345").status, 401);
    }
    let slowed = bring(&served, &half_way(&served, &email), &device.shows(step + 1));
    assert_eq!((slowed.status, slowed.cookie), (429, None), "{}", slowed.body);
});

on_both_engines!(a_code_is_awaited_for_ten_minutes_and_not_after_a_reset, |app| {
    let served = serve(app);
    let (email, _, _, codes) = with_a_device(app, &served);
    let late = half_way(&served, &email);
    app.database
        .execute("UPDATE half_sign_ins SET expires_at = expires_at - 600000000");
    assert_eq!(bring(&served, &late, &codes[0]).status, 403);
    let early = half_way(&served, &email);
    app.run(["user", "reset", &email]).succeeded();
    assert_eq!(bring(&served, &early, &codes[0]).status, 403);
    assert_eq!(app.database.number("SELECT COUNT(*) FROM second_factors"), 0);
    assert_eq!(app.database.number("SELECT COUNT(*) FROM recovery_codes"), 0);
});

on_both_engines!(
    whoever_knows_the_password_can_turn_their_second_factor_off,
    |app| {
        let served = serve(app);
        let email = administrator(app, &served);
        let cookie = sign_in(&served, &email);
        turn_on(&served, &cookie);
        let token = csrf(&served, &cookie);
        let url = format!("{}/account/second-factor/remove", served.url);
        let remove = |password| {
            let fields = [("password", password), ("csrf", token.as_str())];
            post(&url, Some(&cookie), &fields).status
        };
        assert_eq!(remove("wrong horse battery"), 422);
        half_way(&served, &email);
        assert_eq!(remove(PASSWORD), 303);
        sign_in(&served, &email);
        let kept = "SELECT COUNT(*) FROM audit_log WHERE what LIKE 'turned their second factor %'";
        assert_eq!(app.database.number(kept), 2);
    }
);

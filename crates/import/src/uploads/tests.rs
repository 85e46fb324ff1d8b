use super::incoming::WAITING;
use super::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

fn uploads(largest: u64) -> (tempfile::TempDir, Uploads) {
    let data = tempfile::tempdir().unwrap();
    let uploads = Uploads::in_folder(data.path(), largest);
    (data, uploads)
}

fn upload(uploads: &Uploads, content: &str) -> Upload {
    let mut incoming = uploads.begin("ada", Purpose::Import).unwrap();
    incoming.write(content.as_bytes()).unwrap();
    let names = ("ada", "C:\\lists\\people.csv");
    uploads.finish(incoming, names, ("readers", None), NOW).unwrap()
}

#[test]
fn an_upload_is_its_owners_alone_and_goes_after_a_day() {
    let (_data, uploads) = uploads(1 << 20);
    let one = upload(&uploads, "email,city\na@example.com,Bern\n");
    assert_eq!(one.name, "people.csv");
    assert!(uploads.find(&one.id, "ada").is_some() && uploads.find(&one.id, "bob").is_none());
    let day = |days: i64| Timestamp(NOW.0 + days * 86_400_000_000);
    uploads.expire(day(1));
    assert_eq!(uploads.of("ada").len(), 1);
    uploads.expire(day(2));
    assert!(uploads.of("ada").is_empty() && uploads.files().next().is_none());
}

#[test]
fn what_is_too_large_or_empty_leaves_nothing_behind() {
    let (_data, uploads) = uploads(10);
    let mut incoming = uploads.begin("ada", Purpose::Import).unwrap();
    incoming.write(b"0123456789").unwrap();
    assert!(matches!(incoming.write(b"x"), Err(UploadFault::TooLarge(10))));
    drop(incoming);
    let incoming = uploads.begin("ada", Purpose::Import).unwrap();
    let kept = uploads.finish(incoming, ("ada", "x"), ("readers", None), NOW);
    assert!(matches!(kept, Err(UploadFault::Empty)));
    assert!(uploads.files().next().is_none());
}

#[test]
fn a_full_disk_is_said_in_a_sentence() {
    let fault = UploadFault::from(std::io::Error::from(ErrorKind::StorageFull));
    assert!(fault.to_string().starts_with("The disk of the server is full"));
}

#[test]
fn what_was_said_about_a_file_is_looked_at_again() {
    let (_data, uploads) = uploads(1 << 20);
    let mut one = upload(&uploads, "who;where\nx;a@example.com\ny;b@example.com\n");
    let look = one.look.clone().unwrap();
    assert_eq!(look.delimiter.as_deref(), Some("semicolon"));
    assert_eq!(look.columns[1].field.as_deref(), Some("email"));
    one.wishes.header = Some(false);
    uploads.look(&mut one, NOW).unwrap();
    assert_eq!(one.look.unwrap().columns[0].values, ["who", "x", "y"]);
    let two = upload(&uploads, "a,b\n1,2\n");
    assert!(two.fault.unwrap().starts_with("No column looks like"));
    assert_eq!(two.look.unwrap().columns.len(), 2);
}

#[test]
fn files_that_come_in_are_counted_and_suppressions_have_places_of_their_own() {
    let (_data, uploads) = uploads(1 << 20);
    for _ in 0..WAITING - 1 {
        upload(&uploads, "email\na@example.com\n");
    }
    let coming = uploads.begin("ada", Purpose::Import).unwrap();
    let one_more = |purpose| uploads.clone().begin("ada", purpose).map(drop);
    assert!(matches!(one_more(Purpose::Import), Err(UploadFault::TooMany)));
    assert!(uploads.begin("bob", Purpose::Import).is_ok());
    let suppressions: Vec<_> = (0..WAITING)
        .map(|_| uploads.begin("ada", Purpose::Suppressions).unwrap())
        .collect();
    assert!(matches!(
        one_more(Purpose::Suppressions),
        Err(UploadFault::TooMany)
    ));
    drop((coming, suppressions));
    assert!(one_more(Purpose::Import).is_ok() && one_more(Purpose::Suppressions).is_ok());
}

//! Exports of other tools: their headers as the tools write them.

use super::*;

fn read(text: &str, rules: &[&str]) -> (Option<&'static str>, Vec<String>) {
    let mut file = open_with(text.as_bytes(), &options(rules)).unwrap();
    (file.tool(), shown_items(items(&mut file)))
}

const MAILCHIMP: &str = "\"Email Address\",\"First Name\",\"Last Name\",City,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,\
    LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED";

#[test]
fn an_audience_of_mailchimp_is_read_by_its_status() {
    let middle = ",Bern,2,\"2024-01-02 03:04:05\",192.0.2.7,\"2024-01-02 03:05:00\",192.0.2.7,,,,,,ch,be,\"2024-02-02 03:04:05\"";
    let (tool, rows) = read(
        &format!(
            "{MAILCHIMP},LEID,EUID,NOTES,TAGS\nann@example.org,Ann,Lee{middle},1,e1,,\"\"\"vip\"\"\"\nbob@example.org,,Ray{middle},2,e2,,\n"
        ),
        &[],
    );
    assert_eq!(tool, Some("Mailchimp"));
    assert_eq!(
        rows,
        [
            "ann@example.org|Ann Lee|{\"CC\":\"ch\",\"City\":\"Bern\",\"First Name\":\"Ann\",\"Last Name\":\"Lee\",\"NOTES\":\"\",\
             \"OPTIN_TIME\":\"2024-01-02 03:04:05\",\"REGION\":\"be\",\"TAGS\":\"\\\"vip\\\"\"}",
            "bob@example.org|Ray|{\"CC\":\"ch\",\"City\":\"Bern\",\"First Name\":\"\",\"Last Name\":\"Ray\",\"NOTES\":\"\",\
             \"OPTIN_TIME\":\"2024-01-02 03:04:05\",\"REGION\":\"be\",\"TAGS\":\"\"}",
        ]
    );
    let unsubscribed = format!(
        "{MAILCHIMP},UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER,LEID,EUID,NOTES,TAGS\n\
         ann@example.org,Ann,Lee{middle},\"2024-05-01 10:00:00\",Spring,c1,\"No longer interested\",,1,e1,,\n\
         bob@example.org,Bob,Ray{middle},,,,\"Spam\",,1,e1,,\n"
    );
    assert_eq!(
        read(&unsubscribed, &[]).1,
        [
            "ann@example.org: unsubscribe (export of Mailchimp, column UNSUB_TIME: 2024-05-01 10:00:00)",
            "bob@example.org: unsubscribe (export of Mailchimp, column UNSUB_REASON: Spam)",
        ]
    );
    let cleaned = format!(
        "{MAILCHIMP},CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,LEID,EUID,NOTES,TAGS\n\
         ann@example.org,Ann,Lee{middle},\"2024-05-01 10:00:00\",Spring,c1,1,e1,,\nnobody,Ann,Lee{middle},\"2024-05-01 10:00:00\",Spring,c1,1,e1,,\n"
    );
    let rows = read(&cleaned, &[]).1;
    assert_eq!(
        rows[0],
        "ann@example.org: address (export of Mailchimp, column CLEAN_TIME: 2024-05-01 10:00:00)"
    );
    assert!(
        rows[1].starts_with("3: column `Email Address`: the address has no @ sign"),
        "{rows:?}"
    );
}

#[test]
fn subscribers_of_listmonk_keep_the_types_of_their_attributes() {
    let (tool, rows) = read(
        "uuid,email,name,attributes,status,created_at,updated_at\n\
         u1,ann@example.org,Ann Lee,\"{\"\"city\"\":\"\"Bern\"\",\"\"age\"\":41,\"\"tags\"\":[\"\"a\"\"],\"\"vip\"\":true}\",enabled,t,t\n\
         u2,bob@example.org,Bob,{},blocklisted,t,t\n\
         u3,carl@example.org,Carl,{},Disabled,t,t\n\
         u4,dora@example.org,Dora,\"[1]\",enabled,t,t\n\
         u5,emil@example.org,Emil,{},asleep,t,t\n",
        &[],
    );
    assert_eq!(tool, Some("listmonk"));
    assert_eq!(
        rows[0],
        r#"ann@example.org|Ann Lee|{"age":41,"city":"Bern","tags":["a"],"vip":true}"#
    );
    assert_eq!(
        rows[1],
        "bob@example.org: blocklisted (export of listmonk, column status: blocklisted)"
    );
    assert_eq!(
        rows[2],
        "carl@example.org: disabled (export of listmonk, column status: Disabled)"
    );
    assert!(
        rows[3].starts_with("5: column `attributes`: is no JSON object of attributes"),
        "{}",
        rows[3]
    );
    assert!(
        rows[4].starts_with("6: column `status`: `asleep` is not a status that is known"),
        "{}",
        rows[4]
    );
}

#[test]
fn contacts_of_brevo_are_read_by_their_block_list() {
    let (tool, rows) = read(
        "CONTACT ID;EMAIL;FIRSTNAME;LASTNAME;SMS;LANDLINE_NUMBER;WHATSAPP;INTERESTS;EMAIL_BLACKLISTED;ADDED_TIME\n\
         1;ann@example.org;Ann;Lee;41790000000;;;\"['tea']\";no;2024-01-02\n2;bob@example.org;Bob;Ray;;;;;Yes;2024-01-02\n",
        &[],
    );
    assert_eq!(tool, Some("Brevo"));
    assert_eq!(
        rows,
        [
            "ann@example.org|Ann Lee|{\"FIRSTNAME\":\"Ann\",\"INTERESTS\":\"['tea']\",\"LANDLINE_NUMBER\":\"\",\"LASTNAME\":\"Lee\",\
             \"SMS\":\"41790000000\",\"WHATSAPP\":\"\"}",
            "bob@example.org: blocklisted (export of Brevo, column EMAIL_BLACKLISTED: Yes)",
        ]
    );
}

#[test]
fn contacts_of_google_are_read_in_the_old_form_and_in_the_new() {
    let (tool, rows) = read(
        "Name,Given Name,Additional Name,Family Name,Yomi Name,Notes,Group Membership,E-mail 1 - Type,E-mail 1 - Value\n\
         Ann Lee,Ann,,Lee,,,* myContacts,* Work,ann@example.org ::: ann@example.net\n",
        &[],
    );
    assert_eq!(tool, Some("Google Contacts"));
    assert_eq!(
        rows,
        [
            "ann@example.org|Ann Lee|{\"Additional Name\":\"\",\"Family Name\":\"Lee\",\"Given Name\":\"Ann\",\
          \"Group Membership\":\"* myContacts\",\"Notes\":\"\"}"
        ]
    );
    let (tool, rows) = read(
        "First Name,Middle Name,Last Name,File As,Labels,E-mail 1 - Label,E-mail 1 - Value,Phone 1 - Value\n\
         Bob,M.,Ray,,* myContacts,,bob@example.org,555-0100\n",
        &[],
    );
    assert_eq!(tool, Some("Google Contacts"));
    assert!(rows[0].starts_with("bob@example.org|Bob M. Ray|{"), "{rows:?}");
    assert!(!rows[0].contains("File As"), "{rows:?}");
}

#[test]
fn what_the_user_says_of_a_column_goes_before_what_the_tool_does() {
    let text = "uuid,email,name,attributes,status,created_at,updated_at\nu1,ann@example.org,Ann,{},blocklisted,t,t\n";
    let (tool, rows) = read(text, &["uuid=id", "status=was", "name=ignore"]);
    assert_eq!(tool, Some("listmonk"));
    assert_eq!(rows, [r#"ann@example.org||{"id":"u1","was":"blocklisted"}"#]);
    let (_, rows) = read(
        "Email Address,First Name,Last Name,Other,LEID,EUID,OPTIN_TIME\na@example.org,Ann,Lee,b@example.org,1,2,\n",
        &["Other=email", "First Name=name", "OPTIN_TIME=ignore"],
    );
    assert_eq!(
        rows,
        [r#"b@example.org|Ann|{"Email Address":"a@example.org","Last Name":"Lee"}"#]
    );
}

#[test]
fn a_file_that_is_nobodys_export_is_nobodys() {
    for header in [
        "email,name,status",
        "Email Address,First Name,Last Name",
        "email,firstname,lastname",
    ] {
        let file = format!("{header}\nann@example.org,,\n");
        let file = open_with(file.as_bytes(), &Options::default()).unwrap();
        assert_eq!(file.tool(), None, "{header}");
    }
}

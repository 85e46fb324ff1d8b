//! What is sent to the link: by a mail program (one-click, RFC 8058), or by our own form.

use crate::routes::body::{self, BodyFault, FORM, essence};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::web;
use tidings_campaign::leaving::{Choice, Said, Scope};

const MULTIPART: &str = "multipart/form-data";

/// What is wished.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wished {
    /// To leave the campaign's lists, by a mail program or a form that says nothing more.
    OneClick,
    /// What was chosen in our form.
    Chosen(Choice, Said),
}

/// Why a body cannot be taken.
#[derive(Debug)]
pub(in crate::routes) enum Refused {
    /// It is of another type.
    NotAForm,
    /// It broke off or is too long.
    Unusable(StatusCode),
    /// It did not come in time.
    TooLate,
}

impl From<BodyFault> for Refused {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::Unusable(status) => Refused::Unusable(status),
            BodyFault::TooLate => Refused::TooLate,
        }
    }
}

impl Wished {
    /// Reads a body to its end, whatever it says: the token alone makes it an unsubscribe.
    pub(super) async fn read(headers: &HeaderMap, body: web::Payload) -> Result<Wished, Refused> {
        let essence = essence(headers);
        if ![FORM, MULTIPART]
            .iter()
            .any(|form| essence.eq_ignore_ascii_case(form))
        {
            return Err(Refused::NotAForm);
        }
        let octets = body::whole(body).await?;
        // Ours are never multipart.
        match essence.eq_ignore_ascii_case(FORM) {
            true => Ok(Wished::of(&octets)),
            false => Ok(Wished::OneClick),
        }
    }

    fn of(form: &[u8]) -> Wished {
        let (mut choice, mut reason, mut comment) = (None, String::new(), String::new());
        for (name, value) in url::form_urlencoded::parse(form) {
            match &*name {
                "List-Unsubscribe" => return Wished::OneClick,
                "choice" => choice = Choice::parse(&value),
                "reason" => reason = value.into_owned(),
                "comment" => comment = value.into_owned(),
                _ => {}
            }
        }
        match choice {
            Some(choice) => Wished::Chosen(choice, Said::new(&reason, &comment)),
            None => Wished::OneClick,
        }
    }

    /// What would be chosen.
    pub(super) fn choice(&self) -> Choice {
        match self {
            Wished::OneClick => Choice::Leave(Scope::Lists),
            Wished::Chosen(choice, _) => *choice,
        }
    }

    /// As the fields of a form that wishes the same.
    pub(super) fn fields(&self) -> Vec<(String, String)> {
        let mut fields = vec![("choice", self.choice().as_str())];
        if let Wished::Chosen(_, said) = self {
            fields.extend(said.reason().map(|reason| ("reason", reason.as_str())));
            fields.extend(said.comment().map(|comment| ("comment", comment)));
        }
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        fields.into_iter().map(owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_campaign::leaving::PauseLength;

    #[test]
    fn a_body_that_says_nothing_we_know_is_a_one_click() {
        for body in [
            "",
            "List-Unsubscribe=One-Click",
            "choice=&reason=other",
            "choice=nonsense",
            "%ff&=&&choice",
            "choice=back&List-Unsubscribe=One-Click",
        ] {
            assert_eq!(Wished::of(body.as_bytes()), Wished::OneClick, "{body}");
        }
    }

    #[test]
    fn what_is_chosen_comes_back_as_the_same_fields() {
        let body = b"choice=pause_8&reason=too_many&comment=twice+a+%3Cday%3E";
        let wished = Wished::of(body);
        let said = Said::new("too_many", "twice a <day>");
        assert_eq!(
            wished,
            Wished::Chosen(Choice::Pause(PauseLength::EightWeeks), said)
        );
        let fields = wished.fields();
        let again = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        assert_eq!(Wished::of(again.as_bytes()), wished);
    }
}

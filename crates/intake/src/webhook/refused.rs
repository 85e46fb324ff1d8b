//! Why a post is not taken, and what is answered.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

/// Why a post is not taken. The text is the answer, so nothing secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// There is no hook of that name.
    #[error("There is no webhook of this name.")]
    Unknown,
    /// User and password are wanted.
    #[error("User and password are missing or wrong.")]
    Credentials,
    /// Something secret that is no password is missing or wrong.
    #[error("{0}")]
    Forbidden(&'static str),
    /// It is signed by nobody, or by somebody else.
    #[error("The signature is missing or does not fit: {0}.")]
    Forged(&'static str),
    /// Nothing secret is wrong, but it is too old, or used up.
    #[error("{0}")]
    Replayed(&'static str),
    /// It is too long.
    #[error("The post is longer than this webhook takes.")]
    TooLong,
    /// It did not come to its end.
    #[error("The post broke off.")]
    Broken,
    /// It should come again.
    #[error("{0}")]
    Later(String),
}

impl Refused {
    pub(super) fn answer(&self) -> HttpResponse {
        let status = match self {
            Refused::Unknown => StatusCode::NOT_FOUND,
            Refused::Credentials => StatusCode::UNAUTHORIZED,
            Refused::Forbidden(_) | Refused::Forged(_) | Refused::Replayed(_) => StatusCode::FORBIDDEN,
            Refused::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Refused::Broken => StatusCode::BAD_REQUEST,
            Refused::Later(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut answer = HttpResponse::build(status);
        if *self == Refused::Credentials {
            // SNS gives user and password of its URL only when it is asked for them.
            answer.insert_header(("WWW-Authenticate", "Basic realm=\"tidings\", charset=\"UTF-8\""));
        }
        answer
            .insert_header(("Cache-Control", "no-store"))
            .content_type("text/plain; charset=utf-8")
            .body(format!("{self}\n"))
    }
}

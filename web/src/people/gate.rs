//! The gate before the dashboard.

use super::csrf::Origin;
use super::permission::{is_change, least_role};
use super::{Visitor, csrf, visitor};
use crate::routes::problem;
use crate::site::Site;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{ACCEPT, LOCATION, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, web};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Lets in who may come in, with what they may do; handlers get them as [`Visitor`].
pub(crate) async fn let_in(
    site: web::Data<Site>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let found = visitor::of(&site, request.request()).await;
    let refusal = match found {
        Err(trouble) => problem::failed(&site, &trouble),
        Ok(None) => ask_to_sign_in(&request),
        Ok(Some(visitor)) => match refuse(&site, &visitor, &mut request).await {
            Some(refusal) => refusal,
            None => {
                request.extensions_mut().insert(visitor);
                return Ok(next.call(request).await?.map_into_boxed_body());
            }
        },
    };
    Ok(request.into_response(refusal))
}

async fn refuse(site: &Site, visitor: &Visitor, request: &mut ServiceRequest) -> Option<HttpResponse> {
    // The path as routes are matched with it. As it was sent, `/%73ettings` would be another one.
    if visitor.role < least_role(request.method(), request.match_info().as_str()) {
        return Some(problem::not_allowed(site, visitor));
    }
    if !is_change(request.method()) {
        return None;
    }
    match csrf::origin(visitor, request).await {
        Origin::Ours => None,
        Origin::Others => Some(problem::not_from_us(site, visitor)),
        Origin::TooLong => Some(problem::too_long(site, visitor)),
    }
}

/// People are led to the sign-in page, programs are told.
fn ask_to_sign_in(request: &ServiceRequest) -> HttpResponse {
    let accepts = request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok());
    let is_person = !is_change(request.method()) && accepts.is_some_and(|text| text.contains("text/html"));
    if !is_person {
        return HttpResponse::Unauthorized()
            .insert_header((WWW_AUTHENTICATE, "Bearer"))
            .content_type("text/plain; charset=utf-8")
            .body("Sign in first, or bring a token: `tidings token create`.\n");
    }
    let wanted = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let next = utf8_percent_encode(wanted, NON_ALPHANUMERIC);
    HttpResponse::SeeOther()
        .insert_header((LOCATION, format!("/sign-in?next={next}")))
        .finish()
}

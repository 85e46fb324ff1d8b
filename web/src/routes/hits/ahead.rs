//! Hits are answered ahead of the routes and of all that is wrapped around those, because they are many and need none of it.

use crate::hits::{Hits, Waiters};
use crate::site::Site;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, web};
use futures_util::future::{Either, LocalBoxFuture, Ready, ready};
use std::rc::Rc;

/// To be wrapped around everything else.
#[derive(Clone)]
pub(crate) struct HitsAhead {
    pub(crate) site: web::Data<Site>,
    pub(crate) hits: web::Data<Hits>,
}

/// The same in a worker, before what answers all other requests.
pub(crate) struct AheadOf<S> {
    rest: S,
    shared: Rc<Worker>,
}

/// What the requests of a worker share: one count for each worker, not one for all of them.
pub(super) struct Worker {
    pub(super) site: web::Data<Site>,
    pub(super) hits: web::Data<Hits>,
    pub(super) waiters: Waiters,
}

impl<S> Transform<S, ServiceRequest> for HitsAhead
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Transform = AheadOf<S>;
    type InitError = ();
    type Future = Ready<Result<AheadOf<S>, ()>>;

    fn new_transform(&self, rest: S) -> Self::Future {
        let shared = Rc::new(Worker {
            site: self.site.clone(),
            hits: self.hits.clone(),
            waiters: self.hits.waiters(),
        });
        ready(Ok(AheadOf { rest, shared }))
    }
}

impl<S> Service<ServiceRequest> for AheadOf<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = Either<LocalBoxFuture<'static, Result<ServiceResponse, Error>>, S::Future>;

    forward_ready!(rest);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let Some(asked) = super::asked(&request) else {
            return Either::Right(self.rest.call(request));
        };
        let shared = Rc::clone(&self.shared);
        Either::Left(Box::pin(async move {
            let (request, _) = request.into_parts();
            let answer = super::answer(&shared, &request, asked).await;
            Ok(ServiceResponse::new(request, answer))
        }))
    }
}

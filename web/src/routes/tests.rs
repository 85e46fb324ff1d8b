//! What the pages answer, asked of the routes themselves.

mod dashboard;
mod recipients_choice;

use super::*;
use crate::live::{Poller, ThresholdsNow};
use crate::public::brand::{Brand, Colour, Logo};
use crate::site::{Outside, Site};
use actix_web::App;
use actix_web::body::to_bytes;
use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, init_service};
use std::time::Duration;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::csv_import::Row;
use tidings_campaign::eligibility::{Refusal, may_mail};
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::lifecycle::UnknownPolicy;
use tidings_campaign::time::Clock;
use tidings_campaign::token::UnsubscribeToken;
use tidings_import::Importer;
use tidings_store::Store;
use tidings_store::campaigns::{LANGUAGE_ATTRIBUTE, NewCampaign};
use tidings_store::imports::{Import, ImportBatch, NewImport};
use tidings_store::leases::{Claim, Lease};
use tidings_store::people::Role;

/// A database with one recipient, Ann, and a started campaign to her list.
struct Instance {
    store: Store,
    site: web::Data<Site>,
    campaign: CampaignId,
    _folder: tempfile::TempDir,
}

const CLOCK: Clock = Clock::System;

impl Instance {
    async fn new() -> Self {
        Self::branded(Brand::default()).await
    }

    async fn branded(brand: Brand) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}/t.db", folder.path().display()), "node")
            .await
            .unwrap();
        let campaign = campaign_to_ann(&store).await;
        Self::over(store, brand, campaign, folder).await
    }

    /// Over a database that is there already.
    async fn over(store: Store, brand: Brand, campaign: CampaignId, folder: tempfile::TempDir) -> Self {
        let keys = store.key_ring(CLOCK.now()).await.unwrap();
        let (_poller, live) = Poller::start(store.clone(), CLOCK, ThresholdsNow::default())
            .await
            .unwrap();
        let outside = Outside {
            public_url: "https://news.example.com".to_owned(),
            brand,
            trusted_proxies: Vec::new(),
            guests: Some(Role::Administrator),
            operator: None,
            importer: Importer::new(
                store.clone(),
                CLOCK,
                None,
                folder.path(),
                1 << 20,
                tidings_store::at_work::AtWork::default(),
                tokio_util::sync::CancellationToken::new(),
            )
            .unwrap(),
        };
        let site = web::Data::new(Site::new(store.clone(), keys, CLOCK, live, outside).unwrap());
        Instance {
            store,
            site,
            campaign,
            _folder: folder,
        }
    }

    fn token(&self, recipient: i64) -> String {
        UnsubscribeToken {
            campaign: self.campaign,
            recipient: RecipientId(recipient),
        }
        .sign(&self.site.keys)
    }

    async fn ask_of(&self, routes: fn(&mut web::ServiceConfig), request: TestRequest) -> Answer {
        let app = init_service(App::new().app_data(self.site.clone()).configure(routes)).await;
        let response = actix_web::test::call_service(&app, request.to_request()).await;
        Answer::read(response).await
    }

    async fn ask(&self, method: Method, path: &str) -> Answer {
        let request = TestRequest::default()
            .method(method)
            .uri(path)
            .insert_header(("Host", "localhost:8080"));
        self.ask_of(everything, request).await
    }

    async fn post(&self, path: &str, content_type: &str, body: impl Into<web::Bytes>) -> Answer {
        let request = TestRequest::post()
            .uri(path)
            .insert_header(("Host", "news.example.com"))
            .insert_header(("Content-Type", content_type))
            .set_payload(body);
        self.ask_of(everything, request).await
    }

    async fn lease(&self) -> Lease {
        let now = CLOCK.now();
        let claim = Claim {
            owner: "test",
            size: 10,
            now,
            expires_at: now.plus(Duration::from_secs(60)),
        };
        self.store.claim(self.campaign, claim).await.unwrap().unwrap()
    }

    /// What the sender would decide about Ann now.
    async fn may_mail_ann(&self, lease: &Lease) -> Result<(), Refusal> {
        let ann = self.store.load(lease).await.unwrap().remove(0);
        may_mail(ann.recipient.unwrap(), &ann.standing, CLOCK.now()).map(drop)
    }

    async fn unsubscribes(&self) -> i64 {
        let counts = self.store.counts_since(0).await.unwrap();
        counts
            .iter()
            .filter(|row| row.outcome == "unsubscribed")
            .map(|row| row.n)
            .sum()
    }
}

async fn campaign_to_ann(store: &Store) -> CampaignId {
    let now = CLOCK.now();
    let ann = Row {
        line: 1,
        address: EmailAddress::parse("ann@example.org").unwrap(),
        name: Some("Ann".into()),
        attributes: "{}".into(),
    };
    let new = NewImport::of("Readers & friends", "a.csv");
    let mut import = Import::begin(store, &new, now).await.unwrap();
    import.write(ImportBatch::of(&[ann]), now).await.unwrap();
    let list = store.find_list("Readers & friends").await.unwrap().unwrap();
    let new = NewCampaign {
        preheader: None,
        own: Vec::new(),
        name: "<Spring>".into(),
        lists: vec![list],
        template: "t".into(),
        subject: "s".into(),
        sender: "news@example.com".into(),
        reply_to: None,
        rate: None,
        unknown_policy: UnknownPolicy::Hold,
        greatest_lateness: Duration::from_secs(60),
        pool: None,
        max_sessions: None,
        parent: None,
        files: Vec::new(),
        attach_from: None,
        language_attribute: LANGUAGE_ATTRIBUTE.to_owned(),
        thresholds: Default::default(),
        tracking: None,
        utm: tidings_campaign::tracking::Utm::default(),
        archive_hidden: false,
    };
    let campaign = store.create_campaign(&new, now).await.unwrap();
    assert_eq!(store.start_campaign(campaign, "{}", now).await.unwrap(), 1);
    campaign
}

struct Answer {
    status: StatusCode,
    head: String,
    body: String,
}

impl Answer {
    async fn read(response: ServiceResponse<impl actix_web::body::MessageBody>) -> Answer {
        let status = response.status();
        let head = format!("{:?}", response.headers());
        let body = to_bytes(response.into_body()).await.ok().unwrap_or_default();
        Answer {
            status,
            head,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

//! Which address leads where.

mod account;
mod archive;
pub(crate) mod body;
mod bounces;
mod calendar;
mod campaign;
mod campaigns;
mod click_map;
mod deliveries;
mod health;
pub(crate) mod hits;
mod imports;
mod lists;
mod nodes;
pub(crate) mod now;
mod opt_in;
mod preferences;
mod preview;
pub(crate) mod problem;
mod recipient;
mod settings;
mod sign_in;
mod sign_up;
mod suppressions;
mod templates;
mod unsubscribe;
mod uploading;
mod view;
mod writing;

use crate::access::{archive_headers, dashboard_headers, known_host_only, public_headers};
use crate::assets;
use crate::people::gate::let_in;
use account::second_factor;
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, Route, guard, web};
use body::{LONGEST_CONTENT, LONGEST_FORM, forms};

/// The dashboard and the public pages.
pub(crate) fn everything(config: &mut web::ServiceConfig) {
    public(config);
    config.service(
        web::scope("")
            .wrap(from_fn(known_host_only))
            .wrap(dashboard_headers())
            .configure(ways_in)
            .service(web::scope("").wrap(from_fn(let_in)).configure(inside)),
    );
}

/// What of the dashboard is there for people who have not come in yet.
fn ways_in(config: &mut web::ServiceConfig) {
    config
        .route("/assets/{name}", page().to(assets::asset))
        .service(
            web::resource("/sign-in")
                .route(page().to(sign_in::ask))
                .route(web::post().to(sign_in::sign_in)),
        )
        .route("/sign-in/code", web::post().to(sign_in::code::bring))
        .service(
            web::resource("/enter/{secret}")
                .route(page().to(sign_in::ask_to_choose))
                .route(web::post().to(sign_in::choose)),
        );
}

/// What is behind the gate. What each address needs, `people/permission.rs` says.
fn inside(config: &mut web::ServiceConfig) {
    config
        .app_data(forms(LONGEST_FORM))
        .route("/", page().to(now::now))
        .route("/events", web::get().to(now::events))
        .route("/campaigns", page().to(campaigns::campaigns))
        // Before the pages of campaigns, so that `new` is no number.
        .configure(writing_pages)
        .route("/campaigns/{id}", page().to(campaign::campaign))
        .configure(steering)
        .configure(click_maps)
        .configure(scheduling)
        .configure(preflight)
        .configure(configuration)
        .configure(steering_nodes)
        .route("/campaigns/{id}/deliveries", page().to(deliveries::deliveries))
        .route(
            "/campaigns/{id}/deliveries.{ending}",
            page().to(deliveries::export::export),
        )
        .configure(writing_templates)
        .route("/bounces", page().to(bounces::bounces))
        .configure(keeping_lists)
        .route("/suppressions", page().to(suppressions::suppressions))
        .route("/suppressions", web::post().to(suppressions::add))
        .route("/suppressions/lift", web::post().to(suppressions::lift))
        .route(
            "/suppressions/import",
            web::post().to(suppressions::import::import),
        )
        .route(
            "/suppressions/import/{number}",
            page().to(suppressions::import::show),
        )
        .route("/suppressions/export.csv", web::get().to(suppressions::export))
        .configure(importing)
        .route("/recipients", page().to(recipient::recipient))
        .route("/account", page().to(account::account))
        .route("/account/password", web::post().to(account::change_password))
        .route(
            "/account/sign-out-everywhere",
            web::post().to(account::sign_out_everywhere),
        )
        .route("/account/second-factor", web::post().to(second_factor::add))
        .route(
            "/account/second-factor/confirm",
            web::post().to(second_factor::confirm),
        )
        .route(
            "/account/second-factor/remove",
            web::post().to(second_factor::remove),
        )
        .route("/sign-out", web::post().to(sign_in::sign_out))
        .route("/settings/people", page().to(settings::people::people))
        .route("/settings/people", web::post().to(settings::people::invite))
        .route("/settings/people/{id}", web::post().to(settings::people::change))
        .route(
            "/settings/people/{id}/reset",
            web::post().to(settings::people::reset),
        )
        .route("/settings/tokens", page().to(settings::tokens::tokens))
        .route("/settings/tokens", web::post().to(settings::tokens::make))
        .route(
            "/settings/tokens/{id}/revoke",
            web::post().to(settings::tokens::revoke),
        )
        .route("/settings/audit", page().to(settings::audit::audit))
        .default_service(web::to(problem::not_found));
}

/// Imports: those there are, and the way from a file to one.
fn importing(config: &mut web::ServiceConfig) {
    use imports::{steer, trial, upload, wizard};
    config
        .route("/imports", page().to(imports::imports))
        .route("/imports/new", page().to(upload::new))
        .route("/imports/uploads", web::post().to(upload::upload))
        .service(
            web::resource("/imports/uploads/{id}")
                // Some fields for each column.
                .app_data(forms(wizard::LONGEST_FORM))
                .route(page().to(wizard::columns))
                .route(web::post().to(wizard::correct)),
        )
        .route("/imports/uploads/{id}/remove", web::post().to(wizard::remove))
        .route("/imports/uploads/{id}/trial", page().to(trial::trial))
        .route("/imports/uploads/{id}/import", web::post().to(trial::import))
        .route("/imports/{id}", page().to(imports::import))
        .route("/imports/{id}/stop", web::post().to(steer::stop))
        .route("/imports/{id}/go-on", web::post().to(steer::go_on))
        .route("/imports/{id}/undo", web::post().to(steer::undo))
        .route("/imports/{id}/rejects.csv", web::get().to(imports::rejects))
        .route("/imports/{id}/kept.csv", web::get().to(imports::kept));
}

/// Lists, and what holds for each.
fn keeping_lists(config: &mut web::ServiceConfig) {
    config
        .route("/lists", page().to(lists::lists))
        .route("/lists", web::post().to(lists::make))
        .route("/lists/{id}", page().to(lists::page::show))
        .route("/lists/{id}/name", web::post().to(lists::page::rename))
        .route("/lists/{id}/links", web::post().to(lists::page::links))
        .route("/lists/{id}/archive", web::post().to(lists::page::archive))
        .route("/lists/{id}/sign-up", web::post().to(lists::page::sign_up));
}

/// What an editor does with a campaign.
fn steering(config: &mut web::ServiceConfig) {
    use campaign::steer;
    config
        .route("/campaigns/{id}/pause", web::post().to(steer::pause))
        .route("/campaigns/{id}/resume", web::post().to(steer::resume))
        .route("/campaigns/{id}/cancel", web::post().to(steer::cancel))
        .route("/campaigns/{id}/again", web::post().to(steer::again))
        .route(
            "/campaigns/{id}/resend-unknown",
            web::post().to(steer::resend_unknown),
        )
        .route(
            "/campaigns/{id}/leave-unknown",
            web::post().to(steer::leave_unknown),
        );
}

/// When campaigns start.
fn scheduling(config: &mut web::ServiceConfig) {
    use campaign::schedule;
    config
        .route("/calendar", page().to(calendar::calendar))
        .service(
            web::resource("/campaigns/{id}/schedule")
                .route(page().to(schedule::ask))
                .route(web::post().to(schedule::schedule)),
        )
        .route(
            "/campaigns/{id}/unschedule",
            web::post().to(campaign::steer::unschedule),
        );
}

/// What is looked at before a campaign goes out.
fn preflight(config: &mut web::ServiceConfig) {
    use campaign::preflight;
    config
        .route("/campaigns/{id}/pre-flight", page().to(preflight::show))
        .route("/campaigns/{id}/pre-flight", web::post().to(preflight::ask))
        .route(
            "/campaigns/{id}/pre-flight/override",
            web::post().to(preflight::override_one),
        );
}

/// The processes that work on the database.
fn steering_nodes(config: &mut web::ServiceConfig) {
    config
        .route("/nodes", page().to(nodes::nodes))
        .route("/nodes/drain", web::post().to(nodes::drain))
        .route("/nodes/resume", web::post().to(nodes::resume));
}

/// The settings that stand in the configuration.
fn configuration(config: &mut web::ServiceConfig) {
    use settings::{change, domains, parts, relays};
    config
        .route("/settings", page().to(settings::first))
        .route(relays::PATH, page().to(relays::relays))
        .route("/settings/relays/new", page().to(relays::new))
        .route("/settings/relays/edit", page().to(relays::edit))
        .route("/settings/relays/test", web::post().to(relays::test))
        .route(parts::LIMITS, page().to(parts::limits))
        .route(parts::TRACKING, page().to(parts::tracking))
        .route(parts::THRESHOLDS, page().to(parts::thresholds))
        .route(domains::PATH, page().to(domains::domains))
        .route("/settings/domains/look", web::post().to(domains::ask))
        .route("/settings/change", web::post().to(change::change))
        .route("/settings/read-again", web::post().to(change::read_again));
}

/// What is written, and how it looks.
fn writing_templates(config: &mut web::ServiceConfig) {
    use templates::{editor, versions};
    config
        .route("/preview", web::post().to(preview::preview))
        .route("/templates", page().to(templates::templates))
        .route("/templates", web::post().to(templates::add))
        .service(
            web::resource("/templates/{name}")
                .app_data(forms(LONGEST_CONTENT))
                .route(page().to(editor::template))
                .route(web::post().to(editor::save)),
        )
        .route("/templates/{name}/duplicate", web::post().to(editor::duplicate))
        .route("/templates/{name}/remove", web::post().to(editor::remove))
        .route("/templates/{name}/versions/{n}", page().to(versions::version))
        .route(
            "/templates/{name}/versions/{n}",
            web::post().to(versions::bring_back),
        );
}

/// What was followed in a campaign's newsletter.
fn click_maps(config: &mut web::ServiceConfig) {
    config
        .route("/campaigns/{id}/click-map", page().to(click_map::click_map))
        .route(
            "/campaigns/{id}/click-map/newsletter",
            page().to(click_map::newsletter),
        )
        .route(
            "/campaigns/{id}/click-map/images/{name}",
            page().to(click_map::image),
        );
}

/// Writing campaigns, and trying them.
fn writing_pages(config: &mut web::ServiceConfig) {
    use campaign::steer;
    use writing::try_out;
    let long = || web::PayloadConfig::new(LONGEST_CONTENT);
    config
        .service(
            web::resource("/campaigns/new")
                .app_data(long())
                .route(page().to(writing::begin))
                .route(web::post().to(writing::create)),
        )
        .service(
            web::resource("/campaigns/{id}/edit")
                .app_data(long())
                .route(page().to(writing::edit))
                .route(web::post().to(writing::save)),
        )
        .route("/campaigns/{id}/test", page().to(try_out::ask))
        .route("/campaigns/{id}/test", web::post().to(try_out::send))
        .route("/campaigns/{id}/repeat", web::post().to(steer::repeat))
        .route("/campaigns/{id}/remove", web::post().to(steer::remove));
}

/// Only what recipients and load balancers need.
pub(crate) fn public_only(config: &mut web::ServiceConfig) {
    public(config);
    config.default_service(web::to(|| async { HttpResponse::NotFound().body("not found\n") }));
}

/// What can be read can be asked for by HEAD too (RFC 9110 section 9.1).
fn page() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn public(config: &mut web::ServiceConfig) {
    newsletters(config);
    sign_ups(config);
    // Browsers ask for it by themselves; the pages of recipients have no icon.
    config.route(
        "/favicon.ico",
        page().to(|| async { HttpResponse::NoContent().finish() }),
    );
    preference_pages(config);
    config.route("/health", page().to(health::health)).service(
        web::scope("/u")
            .wrap(public_headers())
            .route("/style.css", page().to(unsubscribe::style))
            .route("/logo.img", page().to(unsubscribe::logo))
            .service(
                web::resource("/{token}")
                    .route(web::get().to(unsubscribe::ask))
                    .route(web::head().to(unsubscribe::ask))
                    .route(web::post().to(unsubscribe::choose))
                    .default_service(web::to(unsubscribe::other_method)),
            ),
    );
}

/// Signing up: the form of a list, and the link of the letter that asks whether it was meant.
fn sign_ups(config: &mut web::ServiceConfig) {
    config
        .service(
            web::scope("/s").wrap(public_headers()).service(
                web::resource("/{list}")
                    .route(web::get().to(sign_up::form))
                    .route(web::head().to(sign_up::form))
                    .route(web::post().to(sign_up::sign_up))
                    .default_service(web::to(sign_up::other_method)),
            ),
        )
        .service(
            web::scope("/opt-in").wrap(public_headers()).service(
                web::resource("/{token}")
                    .route(web::get().to(opt_in::ask))
                    .route(web::head().to(opt_in::ask))
                    .route(web::post().to(opt_in::confirm))
                    .default_service(web::to(unsubscribe::other_method)),
            ),
        );
}

/// What recipients see and change of themselves.
fn preference_pages(config: &mut web::ServiceConfig) {
    config
        .service(
            web::scope("/p").wrap(public_headers()).service(
                web::resource("/{token}")
                    .route(page().to(preferences::show))
                    .route(web::post().to(preferences::change))
                    .default_service(web::to(unsubscribe::other_method)),
            ),
        )
        .service(
            web::scope("/a").wrap(public_headers()).service(
                web::resource("/{token}")
                    .route(page().to(preferences::ask_address))
                    .route(web::post().to(preferences::confirm_address))
                    .default_service(web::to(unsubscribe::other_method)),
            ),
        );
}

/// Newsletters in a browser: by the link of a recipient, and those that anybody may read.
fn newsletters(config: &mut web::ServiceConfig) {
    let read = |path: &str, route: Route| {
        web::resource(path.to_owned())
            .route(route)
            .default_service(web::to(view::other_method))
    };
    config
        .service(
            web::scope("/v")
                .wrap(public_headers())
                .service(read("/{token}", page().to(view::newsletter)))
                .service(read("/{token}/{name}", page().to(view::image))),
        )
        .service(
            web::scope("/archive")
                .wrap(archive_headers())
                .service(read("/{list}", page().to(archive::index)))
                .service(read("/{list}/feed.xml", page().to(archive::feed)))
                .service(read("/{list}/{campaign}", page().to(archive::issue)))
                .service(read("/{list}/{campaign}/{name}", page().to(archive::image))),
        );
}

#[cfg(test)]
mod tests;

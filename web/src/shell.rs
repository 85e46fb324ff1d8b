//! The frame around every page of the dashboard: the sections that can be gone to, and how a page is made an answer.

use crate::site::Site;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;

/// A section of the dashboard.
#[derive(Debug, Serialize)]
struct Section {
    name: &'static str,
    path: &'static str,
    /// The `d` of an SVG path in a box of 24 by 24, drawn as lines.
    icon: &'static str,
}

/// The sections, in their order. A page that is written is one line here.
const SECTIONS: [Section; 3] = [
    Section {
        name: "Now",
        path: "/",
        icon: "M3 12h4l3-8 4 16 3-8h4",
    },
    Section {
        name: "Campaigns",
        path: "/campaigns",
        icon: "M21 4 10.5 14.500M21 4l-6.500 17-4-6.500L4 10.500z",
    },
    Section {
        name: "Recipients",
        path: "/recipients",
        icon: "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM2 21v-1a6 6 0 0 1 6-6h2a6 6 0 0 1 6 6v1M16 3.500a4 4 0 0 1 0 7M18 14.500a6 6 0 0 1 4 5.500v1",
    },
];

/// A page of the dashboard: a template of `assets/pages`, its title, and where it belongs.
pub(crate) struct Page<'a> {
    template: &'static str,
    title: &'a str,
    section: &'static str,
    is_live: bool,
}

/// What the layout is given besides what the page shows.
#[derive(Serialize)]
struct Framed<'a, T> {
    title: &'a str,
    sections: Vec<Entry>,
    is_live: bool,
    #[serde(flatten)]
    page: &'a T,
}

#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    section: &'static Section,
    is_here: bool,
}

impl<'a> Page<'a> {
    /// `template`: its name in `assets.rs`.
    pub(crate) fn new(template: &'static str, title: &'a str) -> Page<'a> {
        Page {
            template,
            title,
            section: "",
            is_live: false,
        }
    }

    /// It belongs to the section of this path.
    pub(crate) fn under(mut self, section: &'static str) -> Page<'a> {
        self.section = section;
        self
    }

    /// It follows the live events, and is loaded again every five seconds where there is no script.
    pub(crate) fn live(mut self) -> Page<'a> {
        self.is_live = true;
        self
    }

    /// The page as an answer.
    pub(crate) fn answer(self, site: &Site, status: StatusCode, page: &impl Serialize) -> HttpResponse {
        let sections = SECTIONS.iter().map(|section| Entry {
            section,
            is_here: section.path == self.section,
        });
        let framed = Framed {
            title: self.title,
            sections: sections.collect(),
            is_live: self.is_live,
            page,
        };
        site.page(status, self.template, &framed)
    }
}

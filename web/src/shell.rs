//! The frame around every page of the dashboard: the sections that can be gone to, and how a page is made an answer.

use crate::people::Visitor;
use crate::site::Site;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use tidings_store::people::Role;

/// A section of the dashboard.
#[derive(Debug, Serialize)]
struct Section {
    name: &'static str,
    path: &'static str,
    /// The `d` of an SVG path in a box of 24 by 24, drawn as lines.
    icon: &'static str,
    /// Who gets to see it.
    #[serde(skip)]
    least: Role,
}

/// The sections, in their order. A page that is written is one line here.
const SECTIONS: [Section; 9] = [
    Section {
        name: "Now",
        path: "/",
        icon: "M3 12h4l3-8 4 16 3-8h4",
        least: Role::Viewer,
    },
    Section {
        name: "Campaigns",
        path: "/campaigns",
        icon: "M21 4 10.5 14.500M21 4l-6.500 17-4-6.500L4 10.500z",
        least: Role::Viewer,
    },
    Section {
        name: "Calendar",
        path: "/calendar",
        icon: "M4 6h16v14H4zM4 10.500h16M8 3v5M16 3v5",
        least: Role::Viewer,
    },
    Section {
        name: "Templates",
        path: "/templates",
        icon: "M5 3h10l4 4v14H5zM15 3v4h4M9 12h6M9 16h6",
        least: Role::Viewer,
    },
    Section {
        name: "Recipients",
        path: "/recipients",
        icon: "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM2 21v-1a6 6 0 0 1 6-6h2a6 6 0 0 1 6 6v1M16 3.500a4 4 0 0 1 0 7M18 14.500a6 6 0 0 1 4 5.500v1",
        least: Role::Viewer,
    },
    Section {
        name: "Lists",
        path: "/lists",
        icon: "M9 6h12M9 12h12M9 18h12M4 6h0M4 12h0M4 18h0",
        least: Role::Viewer,
    },
    Section {
        name: "Bounces",
        path: "/bounces",
        icon: "M4 12a8 8 0 1 0 3-6.200M4 4v5h5M12 8v5M12 16.500h0",
        least: Role::Viewer,
    },
    Section {
        name: "Imports",
        path: "/imports",
        icon: "M12 3v12M7 10l5 5 5-5M4 17v4h16v-4",
        least: Role::Viewer,
    },
    Section {
        name: "Settings",
        path: "/settings/people",
        icon: "M4 6h10M18 6h2M4 12h4M12 12h8M4 18h12M20 18h0M16 4v4M10 10v4M18 16v4",
        least: Role::Administrator,
    },
];

/// A page of the dashboard: a template of `assets/pages`, its title, and where it belongs.
pub(crate) struct Page<'a> {
    template: &'static str,
    title: &'a str,
    section: &'static str,
    is_live: bool,
    visitor: Option<&'a Visitor>,
}

/// Who looks, as the layout shows them.
#[derive(Serialize)]
struct PersonView<'a> {
    name: &'a str,
    role: &'static str,
    /// Whether they can go, and have an account.
    is_person: bool,
}

/// What the layout is given besides what the page shows.
#[derive(Serialize)]
struct Framed<'a, T> {
    title: &'a str,
    sections: Vec<Entry>,
    is_live: bool,
    person: Option<PersonView<'a>>,
    csrf: Option<&'a str>,
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
            visitor: None,
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

    /// It has the frame of whoever looks. A page for nobody has no sections.
    pub(crate) fn shown_to(mut self, visitor: &'a Visitor) -> Page<'a> {
        self.visitor = Some(visitor);
        self
    }

    /// The page as an answer.
    pub(crate) fn answer(self, site: &Site, status: StatusCode, page: &impl Serialize) -> HttpResponse {
        let role = self.visitor.map(|visitor| visitor.role);
        let sections = SECTIONS
            .iter()
            .filter(|section| role.is_some_and(|role| role >= section.least))
            .map(|section| Entry {
                section,
                is_here: section.path == self.section,
            });
        let framed = Framed {
            title: self.title,
            sections: sections.collect(),
            is_live: self.is_live,
            person: self.visitor.map(|visitor| PersonView {
                name: &visitor.name,
                role: visitor.role.as_str(),
                is_person: visitor.person.is_some(),
            }),
            csrf: self.visitor.and_then(|visitor| visitor.csrf.as_deref()),
            page,
        };
        site.page(status, self.template, &framed)
    }
}

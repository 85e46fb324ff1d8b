//! The dashboard's style, scripts and pictures, embedded in the program. Each is served under a name that has a part of its
//! content's SHA-256 in it, so that browsers may keep it for ever, and another version has another name.

use actix_web::http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::sync::LazyLock;

/// One idea a file; later ones build upon earlier ones.
const STYLE: [&str; 11] = [
    include_str!("../assets/vendor/uplot-1.6.32/uPlot.min.css"),
    include_str!("../assets/style/tokens.css"),
    include_str!("../assets/style/base.css"),
    include_str!("../assets/style/layout.css"),
    include_str!("../assets/style/components.css"),
    include_str!("../assets/style/settings.css"),
    include_str!("../assets/style/charts.css"),
    include_str!("../assets/style/preflight.css"),
    include_str!("../assets/style/campaign_form.css"),
    include_str!("../assets/style/writing.css"),
    include_str!("../assets/style/print.css"),
];

/// What pages load on which a newsletter is written, and no other.
const EDITOR: &str = "editor.js";

/// Name, media type, parts.
const FILES: [(&str, &str, &[&str]); 6] = [
    ("style.css", "text/css; charset=utf-8", &STYLE),
    (
        "tidings.js",
        "text/javascript; charset=utf-8",
        &[
            include_str!("../assets/script/charts.js"),
            include_str!("../assets/script/live.js"),
            include_str!("../assets/script/upload.js"),
        ],
    ),
    (
        "htmx.js",
        "text/javascript; charset=utf-8",
        &[include_str!("../assets/vendor/htmx-2.0.11/htmx.min.js")],
    ),
    (
        "uplot.js",
        "text/javascript; charset=utf-8",
        &[include_str!("../assets/vendor/uplot-1.6.32/uPlot.iife.min.js")],
    ),
    (
        EDITOR,
        "text/javascript; charset=utf-8",
        &[
            // Else it would look through the page for what it could colour.
            "window.Prism = { manual: true };",
            include_str!("../assets/vendor/prism-1.30.0/prism-core.min.js"),
            include_str!("../assets/vendor/prism-1.30.0/prism-markup.min.js"),
            include_str!("../assets/vendor/prism-1.30.0/prism-css.min.js"),
            include_str!("../assets/vendor/prism-1.30.0/prism-markup-templating.min.js"),
            include_str!("../assets/vendor/prism-1.30.0/prism-handlebars.min.js"),
            include_str!("../assets/script/editor.js"),
            include_str!("../assets/script/preview.js"),
        ],
    ),
    ("icon.svg", "image/svg+xml", &[include_str!("../assets/icon.svg")]),
];

/// A file as it is served.
struct Asset {
    /// As pages name it: `style.css`.
    name: &'static str,
    /// As it is asked for: `style-0123456789abcdef.css`.
    hashed_name: String,
    media_type: &'static str,
    etag: String,
    plain: Bytes,
    gzip: Bytes,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|(name, media_type, parts)| Asset::new(name, media_type, parts))
        .collect()
});

impl Asset {
    fn new(name: &'static str, media_type: &'static str, parts: &[&str]) -> Asset {
        let plain = parts.join("\n");
        let digest = Sha256::digest(plain.as_bytes());
        let hash: String = digest[..8].iter().map(|octet| format!("{octet:02x}")).collect();
        let (stem, extension) = name.rsplit_once('.').expect("every file has an extension");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(plain.as_bytes())
            .expect("writing to memory cannot fail");
        Asset {
            name,
            hashed_name: format!("{stem}-{hash}.{extension}"),
            media_type,
            etag: format!("\"{hash}\""),
            gzip: gzip.finish().expect("writing to memory cannot fail").into(),
            plain: plain.into(),
        }
    }
}

/// Where the file of this name is; none if there is no such file.
pub(crate) fn path(name: &str) -> Option<String> {
    let asset = ASSETS.iter().find(|asset| asset.name == name)?;
    Some(format!("/assets/{}", asset.hashed_name))
}

/// `GET /assets/{name}`
pub(crate) async fn asset(name: web::Path<String>, request: HttpRequest) -> HttpResponse {
    let Some(asset) = ASSETS.iter().find(|asset| asset.hashed_name == *name) else {
        return HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("There is no such file; the page that asked for it is of another version.\n");
    };
    let says = |field, word: &str| {
        let values = request.headers().get_all(field);
        let mut values = values.filter_map(|value| value.to_str().ok());
        values.any(|value| value.contains(word))
    };
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header(("Cache-Control", "public, max-age=31536000, immutable"))
        .insert_header(("ETag", asset.etag.as_str()))
        .insert_header(("Vary", "Accept-Encoding"))
        .content_type(asset.media_type);
    if says(IF_NONE_MATCH, &asset.etag) {
        return answer.status(actix_web::http::StatusCode::NOT_MODIFIED).finish();
    }
    if says(ACCEPT_ENCODING, "gzip") {
        answer.insert_header(("Content-Encoding", "gzip"));
        return answer.body(asset.gzip.clone());
    }
    answer.body(asset.plain.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_name_of_its_content() {
        let path = path("style.css").unwrap();
        assert!(
            path.starts_with("/assets/style-") && path.ends_with(".css"),
            "{path}"
        );
        assert_eq!(path.len(), "/assets/style-.css".len() + 16);
        assert_eq!(super::path("nothing.css"), None);
    }

    #[test]
    fn the_whole_is_small() {
        let octets: usize = ASSETS
            .iter()
            .filter(|asset| asset.name != EDITOR)
            .map(|asset| asset.gzip.len())
            .sum();
        assert!(octets < 60_000, "{octets} octets are to be loaded first");
    }

    #[test]
    fn no_style_asks_for_anything_elsewhere() {
        for part in STYLE {
            assert!(!part.contains("url(") && !part.contains("@import"));
        }
    }
}

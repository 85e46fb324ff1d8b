//! A server whose only handler does nothing, with as many workers as ours: what `cargo xtask bench hits` compares with.

use actix_web::{App, HttpResponse, HttpServer, web};
use std::io::Write;

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let server = HttpServer::new(|| {
        App::new().route(
            "/o/{token}",
            web::get().to(|| async { HttpResponse::Ok().finish() }),
        )
    })
    .workers(2)
    .bind(("127.0.0.1", 0))?;
    let mut out = std::io::stdout();
    for address in server.addrs() {
        writeln!(out, "{address}")?;
    }
    out.flush()?;
    server.run().await
}

//! What a JSON route costs without anything of ours: the baseline of `cargo xtask bench b1`. Says its address on standard output and serves until it is killed.

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

/// The same four fields as a secret's.
#[derive(Serialize)]
struct View {
    id: &'static str,
    name: String,
    create_time_ms: i64,
    update_time_ms: i64,
}

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let show = |Path(name): Path<String>| async {
            Json(View { id: "sec_0VEm7ikVv5xWnDQ9eX2bB", name, create_time_ms: 1_790_000_000_000, update_time_ms: 1_790_000_000_000 })
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        say(&listener.local_addr()?.to_string());
        axum::serve(listener, Router::new().route("/v1/secrets/{name}", get(show))).await
    })
}

#[expect(clippy::print_stdout, reason = "whoever started this reads its address there")]
fn say(line: &str) {
    println!("{line}");
}

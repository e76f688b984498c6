//! The baseline of `cargo xtask bench b1`: one axum route that answers with JSON of a secret's shape, and nothing else. Says its address and serves until killed.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of the benchmarks")]

use axum::extract::Path;
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde::Serialize;

#[derive(Serialize)]
struct View {
    id: &'static str,
    name: String,
    create_time_ms: i64,
    update_time_ms: i64,
}

async fn view(Path(name): Path<String>) -> Json<View> {
    Json(View { id: "sec_00000000000000000000A", name, create_time_ms: 1_790_000_000_000, update_time_ms: 1_790_000_000_000 })
}

fn main() {
    // As many threads as the api has.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("http://{}", listener.local_addr().unwrap());
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        axum::serve(listener, Router::new().route("/v1/secrets/{name}", get(view))).await.unwrap();
    });
}

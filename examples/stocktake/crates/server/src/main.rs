//! `stock-server`: records movements and answers stock levels over HTTP.
//!
//! It listens on `LISTEN` (127.0.0.1:8080 unless set). Built with the `postgres` feature it keeps its levels in
//! the database that `DATABASE_URL` names; otherwise, or without that variable, in memory.

mod api;
mod store;

use std::{env, error::Error, process::ExitCode, sync::Arc};

use store::Store;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stock-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let store = Arc::new(Store::open(env::var("DATABASE_URL").ok()).await?);
    let listener = TcpListener::bind(&address).await.map_err(|error| format!("{address}: {error}"))?;
    let mut terminate = signal(SignalKind::terminate())?;
    println!("listening on http://{}, levels in {}", listener.local_addr()?, store.describe());
    axum::serve(listener, api::router(store))
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await?;
    Ok(())
}

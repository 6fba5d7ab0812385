//! The HTTP interface: what each route takes and answers.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use stock_ledger::{Movement, Refusal};

use crate::store::{Store, StoreError};

pub fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/levels", get(levels))
        .route("/movements", post(record))
        .with_state(store)
}

async fn health() -> &'static str {
    "ok\n"
}

async fn levels(State(store): State<Arc<Store>>) -> Response {
    match store.levels().await {
        Ok(levels) => Json(levels).into_response(),
        Err(error) => problem(&error),
    }
}

async fn record(
    State(store): State<Arc<Store>>,
    movement: Result<Json<Movement>, JsonRejection>,
) -> Response {
    let Json(movement) = match movement {
        Ok(movement) => movement,
        Err(rejection) => return answer(rejection.status(), &rejection.body_text()),
    };
    match store.record(&movement).await {
        Ok(level) => (StatusCode::CREATED, Json(level)).into_response(),
        Err(error) => problem(&error),
    }
}

fn problem(error: &StoreError) -> Response {
    let status = match error {
        StoreError::Refused(Refusal::NotInStock { .. }) => StatusCode::CONFLICT,
        StoreError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        #[cfg(feature = "postgres")]
        StoreError::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer(status, &error.to_string())
}

fn answer(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        http::{Request, header::CONTENT_TYPE},
    };
    use tower::ServiceExt as _;

    use super::*;

    async fn record(router: &Router, movement: &'static str) -> (StatusCode, String) {
        let request = Request::post("/movements")
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(movement))
            .unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn in_memory() -> Router {
        router(Arc::new(Store::open(None).await.unwrap()))
    }

    #[tokio::test]
    async fn a_recorded_movement_is_answered_with_the_level() {
        let answer = record(&in_memory().await, r#"{"item": "egg", "quantity": 1, "unit": "dozen"}"#).await;
        assert_eq!(answer, (StatusCode::CREATED, r#"{"item":"egg","pieces":12}"#.into()));
    }

    #[tokio::test]
    async fn refusals_have_their_own_status() {
        let router = in_memory().await;
        for (movement, status) in [
            (r#"{"item": "egg", "quantity": -1}"#, StatusCode::CONFLICT),
            (r#"{"item": "egg", "quantity": 1, "unit": "barrel"}"#, StatusCode::UNPROCESSABLE_ENTITY),
            (r#"{"item": "egg"}"#, StatusCode::UNPROCESSABLE_ENTITY),
            ("egg", StatusCode::BAD_REQUEST),
        ] {
            assert_eq!(record(&router, movement).await.0, status, "{movement}");
        }
    }
}

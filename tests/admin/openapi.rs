//! The API's description: checked in, and true.

use axum::body::Body;
use serde_json::Value;

use crate::client::TestBox;

/// Set to write `web/openapi.json` anew.
const UPDATE: &str = "SEMOIR_UPDATE_OPENAPI";

/// Routes that answer without a session.
const OPEN: [&str; 4] = [
    "get /api/v1/box",
    "post /api/v1/box/code",
    "post /api/v1/box/claim",
    "post /api/v1/session",
];

#[test]
fn the_document_in_the_repository_is_the_one_the_code_makes() {
    let made = semoir::admin::openapi().to_pretty_json().unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/web/openapi.json");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == made,
        "web/openapi.json is not what the code makes: run this test with {UPDATE}=1, and build the page"
    );
}

#[tokio::test]
async fn the_document_is_served() {
    let the_box = TestBox::new();
    let served = the_box.browser().get("/api/v1/openapi.json").await.json();
    assert_eq!(served["openapi"], "3.1.0");
    let made: Value = serde_json::to_value(semoir::admin::openapi()).unwrap();
    assert_eq!(served, made);
}

/// A route of the document, with everything in its path filled in.
struct Route {
    method: String,
    /// As the document has it.
    name: String,
    path: String,
    operation: Value,
}

/// Every route of the document.
fn routes() -> Vec<Route> {
    let document = serde_json::to_value(semoir::admin::openapi()).unwrap();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let filled = path.replace("{id}", "1").replace("{index}", "0");
            let filled = filled.replace("{start}", "last");
            assert!(!filled.contains('{'), "{filled}");
            routes.push(Route {
                method: method.to_uppercase(),
                name: format!("{method} {path}"),
                path: filled,
                operation: operation.clone(),
            });
        }
    }
    assert!(routes.len() >= 35, "{} routes", routes.len());
    routes
}

/// The scope that the document says a token must have; none when no token is good enough.
fn scope_of(route: &Route) -> Option<&str> {
    let security = route.operation["security"].as_array().unwrap();
    let token = security.iter().find_map(|one| one.get("token"));
    token.map(|scopes| scopes[0].as_str().unwrap())
}

#[tokio::test]
async fn no_route_but_the_open_ones_answers_without_a_session() {
    let (the_box, _) = TestBox::owned().await;
    let stranger = the_box.browser();
    for route in routes() {
        let open = OPEN.contains(&route.name.as_str());
        assert_eq!(
            route.operation.get("security").is_none(),
            open,
            "{}",
            route.name
        );
        if open {
            continue;
        }
        let answer = stranger.call(&route.method, &route.path).await;
        assert_eq!(answer.status, 401, "{}: {answer:?}", route.name);
        answer.problem(401);
    }
    assert_eq!(*the_box.orders.lock(), []);
}

#[tokio::test]
async fn no_route_answers_a_token_without_its_scope() {
    const SCOPES: [&str; 3] = ["metrics", "read", "manage"];
    let (the_box, owner) = TestBox::owned().await;
    let strength = |scope: &str| SCOPES.iter().position(|one| *one == scope).unwrap();
    let mut refused = 0;
    for has in SCOPES {
        let program = the_box.program(&owner, has).await;
        for route in routes() {
            if OPEN.contains(&route.name.as_str()) || route.path.ends_with("/events") {
                continue;
            }
            let good = scope_of(&route).is_some_and(|needed| strength(has) >= strength(needed));
            let answer = program.call(&route.method, &route.path).await;
            let name = &route.name;
            assert_ne!(answer.status, 401, "{name} with {has}");
            if good {
                assert_ne!(answer.status, 403, "{name} with {has}");
            } else {
                assert_eq!(answer.status, 403, "{name} with {has}: {answer:?}");
                answer.problem(403);
                refused += 1;
            }
        }
    }
    assert!(refused > 40, "{refused} refusals");
    // Not one of them was carried out for the tokens that only read.
    let orders = the_box.orders.lock().len();
    assert!(orders <= 8, "{orders} orders");
}

#[test]
fn a_token_reads_with_read_and_nothing_of_the_account_is_for_any() {
    for route in routes() {
        let Some(Value::Array(_)) = route.operation.get("security") else {
            continue;
        };
        let expected = match (route.method.as_str(), route.path.as_str()) {
            (_, path) if path.starts_with("/api/v1/account") => None,
            (_, "/api/v1/session" | "/api/v1/box/restart" | "/api/v1/box/reset") => None,
            // What empties a drive, or takes one that was never meant for it.
            // What the machine itself is told, and tells.
            (
                _,
                "/api/v1/box/system"
                | "/api/v1/box/journals/last"
                | "/api/v1/box/update"
                | "/api/v1/box/update/install"
                | "/api/v1/box/power"
                | "/api/v1/box/wifi",
            ) => None,
            (_, path) if path.ends_with("/format") || path.ends_with("/approval") => None,
            ("GET", _) => Some("read"),
            _ => Some("manage"),
        };
        assert_eq!(scope_of(&route), expected, "{}", route.name);
    }
}

#[tokio::test]
async fn no_write_from_another_page_is_carried_out() {
    let (the_box, owner) = TestBox::owned().await;
    for route in routes().iter().filter(|route| route.method != "GET") {
        let request = owner.request(&route.method, &route.path);
        let mut request = request.body(Body::from("{}")).unwrap();
        let origin = "http://evil.example".parse().unwrap();
        request.headers_mut().insert("origin", origin);
        let answer = owner.send(request).await;
        assert_eq!(answer.status, 403, "{}: {answer:?}", route.name);
    }
    assert_eq!(*the_box.orders.lock(), []);
    assert_eq!(owner.get("/api/v1/overview").await.status, 200);
}

//! The figures for monitoring programs: who may read them, and that they are the picture's.

use std::sync::Arc;

use semoir::app::overview::{BoardView, StrainView};
use semoir::app::{LimitedBy, QuotaView};
use semoir::base::Timestamp;

use crate::client::{TestBox, picture, view};

#[tokio::test]
async fn programs_on_this_machine_and_the_owner_read_them_and_nobody_else() {
    let (the_box, owner) = TestBox::owned().await;
    let mut stranger = the_box.browser();
    stranger.get("/metrics").await.problem(401);
    assert_eq!(owner.get("/metrics").await.status, 200);
    for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        stranger.address = address.to_owned();
        assert_eq!(stranger.get("/metrics").await.status, 200, "{address}");
    }
    for header in ["forwarded", "x-forwarded-for", "x-real-ip"] {
        let asked = stranger.request("GET", "/metrics");
        let asked = asked.header(header, "192.0.2.7");
        let asked = asked.body(axum::body::Body::empty()).unwrap();
        stranger.send(asked).await.problem(401);
    }
    stranger.host = "evil.example".to_owned();
    stranger.get("/metrics").await.problem(403);
}

#[tokio::test]
async fn they_are_what_the_page_shows() {
    let (the_box, mut program) = TestBox::owned().await;
    program.address = "127.0.0.1".to_owned();
    let mut now = picture();
    now.upstream.cap = Some(4096);
    now.upstream.limit_rate = Some(2048);
    now.upstream.limited_by = LimitedBy::Guard;
    now.upstream.quota = Some(QuotaView {
        used: 30,
        of: 40,
        share: 0.75,
        resets_at: Timestamp(1_800_000_000),
    });
    now.upstream.rate = 1024;
    now.board = BoardView {
        strains: vec![StrainView {
            kind: "heat",
            reason: "the board is too hot, 86 °C".to_owned(),
        }],
        celsius: Some(86),
    };
    now.releases = vec![view(1, "A \"B\"\nC"), view(2, "D")];
    the_box.pictures.send_replace(Arc::new(now));
    let answer = program.get("/metrics").await;
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    for line in [
        "semoir_upstream_bytes_per_second 1024.0",
        r#"semoir_board_strained{by="heat"} 1.0"#,
        r#"semoir_board_strained{by="undervoltage"} 0.0"#,
        "semoir_board_temperature_celsius 86.0",
        "semoir_upstream_limit_bytes_per_second 2048.0",
        r#"semoir_upstream_limited_by{limit="guard"} 1.0"#,
        r#"semoir_upstream_limited_by{limit="rate"} 0.0"#,
        "semoir_quota_bytes 40.0",
        "semoir_quota_used_bytes 30.0",
        "semoir_quota_resets_timestamp_seconds 1800000000.0",
        r#"semoir_release_relays{release="1",level="claimed"} 7.0"#,
        r#"semoir_release_relays{release="1",level="full"} 2.0"#,
        r#"semoir_release_relays{release="1",level="proven"} 1.0"#,
        r#"semoir_release_stage{release="1",stage="spreading"} 1.0"#,
        r#"semoir_release_stage{release="1",stage="retired"} 0.0"#,
        r#"semoir_release_copies_spent{release="2"} 0.5"#,
        r#"semoir_release_wire_bytes_total{release="2"} 60.0"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
    assert!(
        text.contains(r#"{release="1",name="A \"B\"\nC",info_hash="abab"#),
        "{text}"
    );
}

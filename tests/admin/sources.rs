use semoir::app::handle::Order;

use crate::client::TestBox;

#[tokio::test]
async fn a_rescan_is_ordered() {
    let (the_box, browser) = TestBox::owned().await;
    assert_eq!(
        browser.call("POST", "/api/v1/sources/rescan").await.status,
        204
    );
    assert_eq!(*the_box.orders.lock(), [Order::Rescan]);
}

//! A box is switched on, claimed, and cut off: it is the same owner's afterwards.

use crate::common::http;
use crate::emulator::Acceleration;
use crate::guest::Guest;
use crate::lot::Lot;

/// What `systemd-analyze security` may find: 0 is locked up entirely, 10 is not at all.
const EXPOSURE: f64 = 2.0;

#[test]
#[ignore = "needs the guest that `make vm-test` makes"]
fn a_claimed_box_is_its_owners_after_a_power_cut() {
    let mut guest = Guest::start();
    let first = guest.page_time;
    let page = http::get(&format!("{}/", guest.admin)).expect("the page answers");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("<script"), "{}", page.text());
    let hardware = &guest.hardware;
    assert!(
        hardware.console().contains("setup code "),
        "whoever looks at the screen is told the code"
    );

    let found = guest
        .machine()
        .run("systemd-analyze security semoir.service --no-pager | tail -n 1");
    let exposure = found
        .split_whitespace()
        .find_map(|word| word.parse::<f64>().ok());
    assert!(exposure.is_some_and(|n| n <= EXPOSURE), "{found}");
    // Nothing in the guest reaches anything outside.
    let out = guest
        .machine()
        .run_any("timeout 5 bash -c 'exec 3<>/dev/tcp/10.0.2.2/22'");
    assert_ne!(out.status, 0, "{}", out.text);

    guest.cut_power(&mut Lot::new(1));
    guest.power_returns();
    assert_eq!(guest.said("setup code "), None, "a claimed box has no code");
    println!(
        "{:?}: page after {:.1} s at first, {:.1} s after a power cut; exposure {}",
        Acceleration::here(),
        first.as_secs_f64(),
        guest.page_time.as_secs_f64(),
        found.trim()
    );
    println!(
        "{}",
        guest
            .machine()
            .run("systemd-analyze; systemd-analyze blame | head -n 12; free -m")
    );
}

//! The box on its wire: who may speak to it, and who is told its name. The neighbour is a second network device on the same
//! Ethernet, in a network namespace of its own.

use crate::board::{BOX, Board, NEIGHBOUR};

/// The neighbour has an address of the home's, and one that is not. He is in a network namespace of his own.
const MEET: &str = "
set -e
ip netns add neighbour
ip link set $neighbour netns neighbour
ip -n neighbour link set lo up
ip -n neighbour link set $neighbour up
ip -n neighbour address add 192.168.77.2/24 dev $neighbour
ip -n neighbour address add 203.0.113.2/24 dev $neighbour
";
/// The box's addresses on that wire.
const ADDRESSES: &str = "
ip address replace 192.168.77.1/24 dev $home
ip address replace 203.0.113.1/24 dev $home
ip -4 -o address show dev $home";

/// Shell that knows the two devices by their hardware's addresses.
fn devices() -> String {
    let device = |name: &str, address: &str| {
        format!(
            "{name}=$(basename $(dirname $(grep -l {address} /sys/class/net/*/address)) 2>/dev/null) || true\n"
        )
    };
    device("home", BOX) + &device("neighbour", NEIGHBOUR)
}

/// Asks the wire for a name, as a computer of the home does (RFC 6762), from port 5353; prints the address that is answered.
const ASK: &str = r#"ip netns exec neighbour perl -MSocket -e '
    my ($name, $me) = @ARGV;
    socket(my $s, PF_INET, SOCK_DGRAM, getprotobyname("udp")) or die "$!";
    setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
    bind($s, sockaddr_in(5353, INADDR_ANY)) or die "$!";
    setsockopt($s, 0, 35, inet_aton("224.0.0.251") . inet_aton($me)) or die "$!";
    setsockopt($s, 0, 32, inet_aton($me)) or die "$!";
    setsockopt($s, 0, 33, pack("C", 255)) or die "$!";
    my $labels = join("", map { pack("C/a*", $_) } split(/\./, $name)) . "\0";
    my $query = pack("n6", 0, 0, 1, 0, 0, 0) . $labels . pack("nn", 1, 1);
    for (1..10) {
        send($s, $query, 0, sockaddr_in(5353, inet_aton("224.0.0.251"))) or die "$!";
        my $end = time + 2;
        while (time < $end) {
            my $r = ""; vec($r, fileno($s), 1) = 1;
            select($r, undef, undef, 0.5) or next;
            recv($s, my $got, 4096, 0);
            my (undef, $flags, $asked, $answers) = unpack("n4", $got);
            next unless $flags & 0x8000 && $answers;
            my $at = index($got, pack("nn", 1, 0x8001), 12 + length($labels) - 1);
            $at = index($got, pack("nn", 1, 1), 12 + length($labels) - 1) if $at < 0;
            next if $at < 0;
            print inet_ntoa(substr($got, $at + 10, 4)), "\n";
            exit 0;
        }
    }
    exit 1;
' "#;

/// Whether the neighbour reaches a port of the box, from one of his addresses.
fn reaches(board: &mut Board, from: &str, to: &str, port: u16) -> bool {
    let line = format!(
        "ip netns exec neighbour busybox timeout 5 perl -MIO::Socket::INET -e '
            IO::Socket::INET->new(LocalAddr => \"{from}\", PeerAddr => \"{to}\", PeerPort => {port}, Timeout => 4) or die \"$@\"'"
    );
    let ended = board.run_any(&line);
    println!(
        "{from} to {to}, port {port}: {} {}",
        ended.status,
        ended.text.trim()
    );
    ended.status == 0
}

#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn the_home_reaches_the_owners_page_and_the_name_and_the_world_what_is_public() {
    // The neighbour's device is the box's own until it is given away: it is to take no address, and to say nothing.
    let (mut board, _press, _dir) = Board::altered(|root| {
        let text = format!("[Match]\nMACAddress={NEIGHBOUR}\n[Link]\nUnmanaged=yes\n");
        let file = root.join("usr/lib/systemd/network/10-neighbour.network");
        std::fs::write(file, text).expect("a file can be written");
    });
    board.has_neighbour = true;
    board.boot();
    board.claim();
    println!("{}", board.run(&format!("{}{MEET}{ADDRESSES}", devices())));
    // It is nobody's own any more.
    board.run(&format!(
        "nft delete element inet semoir own '{{ {NEIGHBOUR} }}'"
    ));
    for (from, to, port, open) in [
        ("192.168.77.2", "192.168.77.1", 80, true),
        ("192.168.77.2", "192.168.77.1", 6880, true),
        ("203.0.113.2", "203.0.113.1", 80, false),
        ("203.0.113.2", "203.0.113.1", 6880, true),
        ("203.0.113.2", "203.0.113.1", 6881, true),
        ("192.168.77.2", "192.168.77.1", 22, false),
    ] {
        assert_eq!(
            reaches(&mut board, from, to, port),
            open,
            "{from} to {to}, port {port}"
        );
    }
    // It is the packet filter that keeps the world off the page, and nothing else.
    board.run("nft add rule inet semoir input ip saddr 203.0.113.2 tcp dport 80 accept");
    assert!(reaches(&mut board, "203.0.113.2", "203.0.113.1", 80));
    board.run("systemctl restart semoir-firewall.service");
    board.run(&format!("{}{ADDRESSES}", devices()));
    assert!(!reaches(&mut board, "203.0.113.2", "203.0.113.1", 80));

    let asked = board.run_any(&format!("{ASK} semoir.local 192.168.77.2"));
    if asked.status != 0 {
        let state = board.run_any("resolvectl status --no-pager; networkctl status --all --no-pager; journalctl -b -u systemd-resolved --no-pager");
        panic!("nobody is semoir.local: {}\n{}", asked.text, state.text);
    }
    let address = asked.text.trim().to_owned();
    let own = board.run("ip -4 -o address show | grep -o 'inet [0-9.]*'");
    assert!(own.contains(&address), "{address} is none of {own}");
    let nobody = board.run_any(&format!("{ASK} garage.local 192.168.77.2"));
    assert_ne!(nobody.status, 0, "{}", nobody.text);
    println!("semoir.local is {address}");
}

/// What resolved says when it leaves its name to another.
const LEFT: &str = "Hostname conflict, changing published hostname";

/// How often resolved is started with the filter: without it, the name was left at the first start or the second.
const STARTS: u32 = 6;

/// Shell that looks for a line of resolved's.
fn said(line: &str) -> String {
    format!("journalctl -b -u systemd-resolved --no-pager | grep -F \"{line}\"")
}

#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn a_box_that_is_on_its_wire_twice_keeps_its_name() {
    let (mut board, _press, _dir) = Board::of_image();
    board.has_neighbour = true;
    board.boot();
    board.claim();
    board.run(
        "mkdir -p /run/systemd/system/systemd-resolved.service.d\n\
         printf '[Service]\\nEnvironment=SYSTEMD_LOG_LEVEL=debug\\n' >/run/systemd/system/systemd-resolved.service.d/debug.conf\n\
         systemctl daemon-reload && systemctl restart systemd-resolved",
    );
    // Each has asked for the name by its own address, and nobody had it.
    let has_name = |device: &str| {
        format!(
            "{}address=$(ip -6 -o address show dev ${device} scope link | grep -o 'fe80::[0-9a-f:]*')\ntest -n \"$address\" && {}",
            devices(),
            said("Record semoir.local IN AAAA $address successfully probed")
        )
    };
    board.wait_for("the first device has the name", &has_name("home"));
    // As Wi-Fi does where the cable is plugged in already.
    board.run(&format!(
        "{}journalctl --rotate && journalctl --vacuum-time=1us\nnetworkctl down $neighbour && networkctl up $neighbour",
        devices()
    ));
    board.wait_for("the second device has it too", &has_name("neighbour"));
    let again = format!(
        "systemctl restart systemd-resolved; sleep 5; {}",
        said(LEFT)
    );
    for _ in 0..STARTS {
        let left = board.run_any(&again);
        assert_ne!(left.status, 0, "{}", left.text);
    }

    // It is the packet filter that keeps them from taking the name from each other, and nothing else. Without it they do so
    // not at each start, but soon.
    board.run("nft flush set inet semoir own");
    board.wait_for("the name is left to the other device", &again);
    // A filter that is loaded anew knows them again, and one that comes later too.
    board.run("systemctl restart semoir-firewall.service");
    let known = board.run("nft list set inet semoir own");
    assert!(known.contains(BOX) && known.contains(NEIGHBOUR), "{known}");
    let later = "52:54:00:5e:30:09";
    board.run(&format!("ip link add later address {later} type dummy"));
    let known = format!("nft list set inet semoir own | grep {later}");
    board.wait_for("the new device is known", &known);
}

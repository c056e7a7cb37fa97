use super::*;
use proptest::prelude::*;

const BLOCK: Block = Block {
    index: 7,
    begin: 1 << 14,
    length: 4,
};

fn one(bytes: &[u8]) -> Result<Option<(Heard, usize)>, WireError> {
    read_message(bytes, MAX_MESSAGE_LENGTH, None)
}

#[test]
fn reads_what_we_write() {
    let mut out = Vec::new();
    Said::Have(7).write(&mut out);
    assert_eq!(one(&out).unwrap(), Some((Heard::Have(7), out.len())));
    for (said, heard) in [
        (Said::KeepAlive, Heard::KeepAlive),
        (Said::Choke, Heard::Choke),
        (Said::Unchoke, Heard::Unchoke),
        (Said::Interested, Heard::Interested),
        (Said::NotInterested, Heard::NotInterested),
        (Said::Request(BLOCK), Heard::Request(BLOCK)),
        (Said::Cancel(BLOCK), Heard::Cancel(BLOCK)),
    ] {
        out.clear();
        said.write(&mut out);
        assert_eq!(one(&out).unwrap(), Some((heard, out.len())));
    }
    out.clear();
    let you = "192.0.2.9".parse().unwrap();
    Said::Hello {
        port: Some(6881),
        metadata_size: 99,
        you,
    }
    .write(&mut out);
    let Some((Heard::Hello(hello), _)) = one(&out).unwrap() else {
        panic!("no handshake");
    };
    assert_eq!(hello.port, Some(6881));
    assert_eq!(hello.you, Some(you));
    assert_eq!(hello.client, CLIENT);
    assert!(
        hello.metadata_id.is_some() && hello.pex_id.is_some() && hello.upload_only != Some(true)
    );
}

#[test]
fn only_the_block_that_was_asked_for_keeps_its_bytes() {
    let message = [&block_header(BLOCK)[..], b"data"].concat();
    let read = |asked| read_message(&message, MAX_MESSAGE_LENGTH, asked).unwrap();
    let bytes: Box<[u8]> = b"data".as_slice().into();
    let all = message.len();
    let expected = Heard::Piece(BLOCK, Some(bytes));
    assert_eq!(read(Some(BLOCK)), Some((expected, all)));
    let shorter = Block { length: 3, ..BLOCK };
    let later = Block { begin: 0, ..BLOCK };
    for other in [None, Some(shorter), Some(later)] {
        assert_eq!(read(other), Some((Heard::Piece(BLOCK, None), all)));
    }
    assert!(one(&[0, 0, 0, 5, 7, 0, 0, 0, 1]).is_err(), "no place");
}

#[test]
fn pex_carries_both_families_and_seed_flags() {
    let added = [
        ("192.0.2.1:1", true),
        ("[2001:db8::1]:2", false),
        ("192.0.2.2:3", false),
    ]
    .map(|(a, seed)| (a.parse::<SocketAddr>().unwrap(), seed));
    let mut out = Vec::new();
    let id = librqbit_peer_protocol::MY_EXTENDED_UT_PEX;
    Said::Peers {
        id,
        added: added.to_vec(),
        dropped: vec![added[2].0],
    }
    .write(&mut out);
    let Some((Heard::Peers(peers), _)) = one(&out).unwrap() else {
        panic!("no PEX");
    };
    assert_eq!(peers, [added[0], added[2], added[1]]);
    let text = String::from_utf8_lossy(&out);
    assert!(text.contains("7:added.f2:\u{2}\0"), "{text:?}");
}

#[test]
fn unknown_and_fast_messages_pass_and_long_ones_do_not() {
    let port = [0, 0, 0, 3, 9, 0x1a, 0xe1];
    assert_eq!(one(&port).unwrap(), Some((Heard::Ignored, 7)));
    let have_none = [0, 0, 0, 1, 15];
    assert_eq!(one(&have_none).unwrap(), Some((Heard::Ignored, 5)));
    assert!(matches!(
        one(&[0x7f, 0xff, 0xff, 0xff, 9]),
        Err(WireError::TooLong(_))
    ));
    assert!(matches!(
        one(&[0, 0, 0, 2, 4, 1]),
        Err(WireError::Malformed(_))
    ));
    assert!(one(&[0, 0, 0, 5, 4, 1]).unwrap().is_none());
    let garbage = [&[0, 0, 0, 6, 20, 0][..], b"xxxx"].concat();
    assert!(one(&garbage).is_err(), "a handshake must be bencode");
    let overflow = b"d1:v18446744073709551617:xe";
    let overflow = [&[0, 0, 0, overflow.len() as u8 + 2, 20, 0][..], overflow].concat();
    assert!(one(&overflow).is_err(), "a length beyond 64 bits");
    let other = [&[0, 0, 0, 6, 20, 77][..], b"xxxx"].concat();
    assert_eq!(one(&other).unwrap(), Some((Heard::Ignored, 10)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_read_beyond(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(Some((_, used))) = one(&bytes) {
            prop_assert!(used <= bytes.len());
        }
        let mut framed = (bytes.len() as u32).to_be_bytes().to_vec();
        framed.extend(&bytes);
        let _ = one(&framed);
    }
}

//! The bytes of a `.torrent` file (BEP 3, BEP 12), around an info dictionary that is given as it is.

/// What torrents of ours say they were created by.
pub const CREATED_BY: &str = concat!("Semoir ", env!("CARGO_PKG_VERSION"));

/// What goes into a `.torrent` besides the info dictionary.
#[derive(Debug, Clone, Copy, Default)]
pub struct TorrentFile<'a> {
    /// The bencoded info dictionary. Taken over byte for byte: its hash is the swarm's name.
    pub info: &'a [u8],
    /// Announce URLs, most wanted first; each is a tier of its own, so that a client tries them in this order.
    pub trackers: &'a [String],
    /// The program that made it.
    pub created_by: Option<&'a str>,
}

impl TorrentFile<'_> {
    /// The file's bytes. The same input gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.info.len() + 1024);
        out.push(b'd');
        // Keys in the order of their bytes, as bencode wants it.
        if let Some(first) = self.trackers.first() {
            string(&mut out, "announce");
            string(&mut out, first);
        }
        if self.trackers.len() > 1 {
            string(&mut out, "announce-list");
            out.push(b'l');
            for tracker in self.trackers {
                out.push(b'l');
                string(&mut out, tracker);
                out.push(b'e');
            }
            out.push(b'e');
        }
        if let Some(created_by) = self.created_by {
            string(&mut out, "created by");
            string(&mut out, created_by);
        }
        string(&mut out, "info");
        out.extend_from_slice(self.info);
        out.push(b'e');
        out
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_the_info_is_untouched() {
        let trackers = ["http://a/announce".to_owned(), "udp://é:1".to_owned()];
        let file = TorrentFile {
            info: b"d1:\xff1:\x00e",
            trackers: &trackers,
            created_by: Some("Semoir"),
        };
        assert_eq!(
            file.to_bytes(),
            b"d8:announce17:http://a/announce13:announce-listll17:http://a/announceel10:udp://\xc3\xa9:1ee\
              10:created by6:Semoir4:infod1:\xff1:\x00ee"
        );
        let bare = TorrentFile {
            info: b"de",
            ..TorrentFile::default()
        };
        assert_eq!(bare.to_bytes(), b"d4:infodee");
        let one = TorrentFile {
            trackers: &trackers[..1],
            ..bare
        };
        assert_eq!(one.to_bytes(), b"d8:announce17:http://a/announce4:infodee");
    }
}

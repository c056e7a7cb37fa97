//! Writes bencode (BEP 3): all a tracker's answers need. Keys are to be added in order, as the format demands.

/// A dictionary being written.
#[derive(Debug)]
pub struct Dict {
    out: Vec<u8>,
    last_key: Vec<u8>,
}

impl Default for Dict {
    fn default() -> Self {
        Self {
            out: vec![b'd'],
            last_key: Vec::new(),
        }
    }
}

impl Dict {
    fn key(&mut self, key: &[u8]) {
        debug_assert!(
            self.out.len() == 1 || *self.last_key < *key,
            "keys out of order"
        );
        self.last_key = key.to_vec();
        string(&mut self.out, key);
    }

    /// Adds a byte string.
    pub fn bytes(mut self, key: &str, value: &[u8]) -> Self {
        self.key(key.as_bytes());
        string(&mut self.out, value);
        self
    }

    /// Adds a number.
    pub fn number(mut self, key: &str, value: u64) -> Self {
        self.key(key.as_bytes());
        self.out.extend_from_slice(format!("i{value}e").as_bytes());
        self
    }

    /// Adds a dictionary under a key that need not be text.
    pub fn dict(mut self, key: &[u8], value: Dict) -> Self {
        self.key(key);
        self.out.extend_from_slice(&value.finish());
        self
    }

    /// Adds a list of dictionaries.
    pub fn dicts(mut self, key: &str, values: impl Iterator<Item = Dict>) -> Self {
        self.key(key.as_bytes());
        self.out.push(b'l');
        for value in values {
            self.out.extend_from_slice(&value.finish());
        }
        self.out.push(b'e');
        self
    }

    /// The bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.out.push(b'e');
        self.out
    }
}

fn string(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(value.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_the_format_says() {
        let inner = Dict::default().number("n", u64::MAX);
        let dict = Dict::default()
            .bytes("a", b"\xff\0")
            .dict(b"b\xfe", inner)
            .dicts("c", [Dict::default()].into_iter());
        let written = dict.finish();
        assert_eq!(
            written,
            b"d1:a2:\xff\x002:b\xfed1:ni18446744073709551615ee1:cldeee"
        );
    }
}

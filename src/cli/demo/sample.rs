//! What the demo shares: a text, and bytes that no client can guess or compress.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// The release's name.
const NAME: &str = "A demo release";
const TEXT_NAME: &str = "read me.txt";
const BYTES_NAME: &str = "noise.bin";
const TEXT: &str = "These files were made for a demonstration of Semoir. The other one holds nothing but noise, \
                    the same at each start.\n";
/// Bytes written at a time.
const CHUNK: usize = 1 << 20;
/// Where the noise begins; any number does.
const SEED: u64 = 0x5e30_14d0;

/// Makes the sample in `folder`: `size` bytes in two files, the same at each start.
pub(super) fn make(folder: &Path, size: u64) -> Result<(), (PathBuf, io::Error)> {
    let release = folder.join(NAME);
    let (text, bytes) = (release.join(TEXT_NAME), release.join(BYTES_NAME));
    fs::create_dir_all(&release).map_err(|error| (release, error))?;
    fs::write(&text, TEXT).map_err(|error| (text, error))?;
    let noise = size.saturating_sub(TEXT.len() as u64);
    write_noise(&bytes, noise).map_err(|error| (bytes, error))
}

fn write_noise(path: &Path, size: u64) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(CHUNK, File::create_new(path)?);
    let mut state = SEED;
    let mut left = size;
    while left > 0 {
        let bytes = next(&mut state).to_le_bytes();
        let part = left.min(bytes.len() as u64);
        file.write_all(&bytes[..part as usize])?;
        left -= part;
    }
    file.flush()
}

/// SplitMix64 (Steele, Lea, Flood 2014): eight bytes of noise.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_has_its_size_and_is_the_same_each_time() {
        let read = |size: u64| {
            let dir = tempfile::tempdir().unwrap();
            make(dir.path(), size).unwrap();
            let file = |name| fs::read(dir.path().join(NAME).join(name)).unwrap();
            (file(TEXT_NAME), file(BYTES_NAME))
        };
        let (text, noise) = read(100_003);
        assert_eq!(text.len() + noise.len(), 100_003);
        assert_eq!(read(100_003).1, noise);
        // The published first output of SplitMix64 for the state 0.
        assert_eq!(next(&mut 0), 0xe220_a839_7b1d_cdaf);
    }
}

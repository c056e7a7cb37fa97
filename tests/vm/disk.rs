//! A disk with a cache that loses power: of what was written and not flushed, a part chosen by lot is there afterwards and
//! the rest is not, as with an SD card that is cut off. QEMU reads and writes it over a socket, as a network block device.
//!
//! Killing QEMU alone would lose less: what the guest has written lies in the cache of this machine, flushed or not.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crate::lot::Lot;

// The protocol's numbers (the network block device's `proto.md`).
const MAGIC: &[u8] = b"NBDMAGIC";
const OPTION_MAGIC: &[u8] = b"IHAVEOPT";
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;
/// Fixed newstyle, and no padding after the greeting.
const GREETING: u16 = 0b11;
const OPTION_INFO: u32 = 6;
const OPTION_GO: u32 = 7;
const ACKNOWLEDGED: u32 = 1;
const INFORMATION: u32 = 3;
const UNSUPPORTED: u32 = (1 << 31) + 1;
/// It has flags, takes flushes, and writes that are to be on the disk at once.
const EXPORT: u16 = 0b1101;
const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;
const AT_ONCE: u16 = 1;
/// The longest request of QEMU's, in bytes.
const LONGEST: u32 = 32 << 20;
/// What a disk writes as a whole, in bytes.
const SECTOR: usize = 4096;

/// A write that was not flushed yet.
struct Cached {
    offset: u64,
    was: Vec<u8>,
    is: Vec<u8>,
    at_once: bool,
}

/// The disk while the machine is on.
pub struct Disk {
    socket: PathBuf,
    image: PathBuf,
    serving: Option<JoinHandle<Vec<Cached>>>,
}

/// What a power cut did to a disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lost {
    /// Writes that were in the cache.
    pub cached: usize,
    /// Sectors of them that did not reach the disk.
    pub sectors: usize,
}

impl Disk {
    /// Serves the image at `socket`, for one machine.
    pub fn switch_on(image: &Path, socket: &Path) -> Disk {
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).expect("a socket can be made");
        let file = File::options().read(true).write(true).open(image);
        let file = file.expect("the image opens");
        let serving = std::thread::spawn(move || {
            let mut cached = Vec::new();
            let (mut stream, _) = listener.accept().expect("QEMU connects");
            // It ends when QEMU does, in the middle of a request too.
            let _ = serve(&mut stream, &file, &mut cached);
            cached
        });
        Disk {
            socket: socket.to_owned(),
            image: image.to_owned(),
            serving: Some(serving),
        }
    }

    /// Where QEMU finds it.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ends with QEMU, in order: what it was given to write is there.
    pub fn switch_off(mut self) {
        let serving = self.serving.take().expect("ended once");
        serving.join().expect("the disk does not panic");
    }

    /// Loses power, after QEMU was killed: what was not flushed is undone, sector by sector and by lot.
    pub fn cut_power(mut self, lot: &mut Lot) -> Lost {
        let serving = self.serving.take().expect("cut once");
        let cached = serving.join().expect("the disk does not panic");
        let file = File::options().write(true).open(&self.image);
        let file = file.expect("the image opens");
        for write in cached.iter().rev() {
            let undone = file.write_all_at(&write.was, write.offset);
            undone.expect("the image can be written");
        }
        let mut sectors = 0;
        for write in &cached {
            for (number, sector) in write.is.chunks(SECTOR).enumerate() {
                if write.at_once || lot.below(2) == 0 {
                    let at = write.offset + (number * SECTOR) as u64;
                    let done = file.write_all_at(sector, at);
                    done.expect("the image can be written");
                } else {
                    sectors += 1;
                }
            }
        }
        Lost {
            cached: cached.len(),
            sectors,
        }
    }
}

fn serve(stream: &mut UnixStream, file: &File, cached: &mut Vec<Cached>) -> io::Result<()> {
    negotiate(stream, file.metadata()?.len())?;
    loop {
        if u32::from_be_bytes(take(stream)?) != REQUEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let flags = u16::from_be_bytes(take(stream)?);
        let kind = u16::from_be_bytes(take(stream)?);
        let cookie: [u8; 8] = take(stream)?;
        let offset = u64::from_be_bytes(take(stream)?);
        let length = u32::from_be_bytes(take(stream)?).min(LONGEST) as usize;
        let mut answer = [&REPLY.to_be_bytes()[..], &[0; 4], &cookie].concat();
        match kind {
            READ => {
                let from = answer.len();
                answer.resize(from + length, 0);
                file.read_exact_at(&mut answer[from..], offset)?;
            }
            WRITE => {
                let (mut was, mut is) = (vec![0; length], vec![0; length]);
                stream.read_exact(&mut is)?;
                file.read_exact_at(&mut was, offset)?;
                file.write_all_at(&is, offset)?;
                let at_once = flags & AT_ONCE != 0;
                cached.push(Cached {
                    offset,
                    was,
                    is,
                    at_once,
                });
            }
            FLUSH => cached.clear(),
            DISCONNECT => return Ok(()),
            _ => answer[7] = 22,
        }
        stream.write_all(&answer)?;
    }
}

/// Says how long the disk is and what it can do, whatever it is asked for by name.
fn negotiate(stream: &mut UnixStream, size: u64) -> io::Result<()> {
    stream.write_all(&[MAGIC, OPTION_MAGIC, &GREETING.to_be_bytes()].concat())?;
    let _: [u8; 4] = take(stream)?;
    loop {
        let _: [u8; 8] = take(stream)?;
        let option = u32::from_be_bytes(take(stream)?);
        let length = u32::from_be_bytes(take(stream)?).min(LONGEST);
        io::copy(&mut stream.take(length.into()), &mut io::sink())?;
        let reply = |kind: u32, body: &[u8]| {
            [
                &OPTION_REPLY.to_be_bytes()[..],
                &option.to_be_bytes(),
                &kind.to_be_bytes(),
                &(body.len() as u32).to_be_bytes(),
                body,
            ]
            .concat()
        };
        match option {
            OPTION_GO | OPTION_INFO => {
                let export = [&[0; 2][..], &size.to_be_bytes(), &EXPORT.to_be_bytes()].concat();
                stream.write_all(&reply(INFORMATION, &export))?;
                stream.write_all(&reply(ACKNOWLEDGED, &[]))?;
                if option == OPTION_GO {
                    return Ok(());
                }
            }
            _ => stream.write_all(&reply(UNSUPPORTED, &[]))?,
        }
    }
}

fn take<const N: usize>(stream: &mut UnixStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(stream: &mut UnixStream, flags: u16, kind: u16, offset: u64, body: &[u8], length: u32) {
        let request = [
            &REQUEST.to_be_bytes()[..],
            &flags.to_be_bytes(),
            &kind.to_be_bytes(),
            &[7; 8],
            &offset.to_be_bytes(),
            &length.to_be_bytes(),
            body,
        ];
        stream.write_all(&request.concat()).unwrap();
        let answer: [u8; 16] = take(stream).unwrap();
        assert_eq!(answer[4..8], [0; 4]);
    }

    fn connect(socket: &Path) -> UnixStream {
        let mut stream = UnixStream::connect(socket).unwrap();
        let _: [u8; 18] = take(&mut stream).unwrap();
        let go = [&[0; 4][..], OPTION_MAGIC, &OPTION_GO.to_be_bytes(), &[0; 4]];
        stream.write_all(&go.concat()).unwrap();
        let answers: [u8; 20 + 12 + 20] = take(&mut stream).unwrap();
        assert_eq!(answers[22..30], (1_u64 << 20).to_be_bytes());
        stream
    }

    #[test]
    fn what_was_flushed_stays_and_of_the_rest_a_part_by_lot() {
        let dir = tempfile::tempdir().unwrap();
        let (image, socket) = (dir.path().join("image"), dir.path().join("socket"));
        std::fs::write(&image, vec![0; 1 << 20]).unwrap();
        let disk = Disk::switch_on(&image, &socket);
        let mut stream = connect(&socket);
        let page = |byte: u8| vec![byte; 64 * SECTOR];
        let whole = 64 * SECTOR as u32;
        ask(&mut stream, 0, WRITE, 0, &page(1), whole);
        ask(&mut stream, 0, FLUSH, 0, &[], 0);
        ask(&mut stream, 0, WRITE, 0, &page(2), whole);
        ask(&mut stream, AT_ONCE, WRITE, 1 << 19, &page(3), whole);
        ask(&mut stream, 0, READ, 0, &[], SECTOR as u32);
        let read: [u8; SECTOR] = take(&mut stream).unwrap();
        assert_eq!(read, [2; SECTOR], "the machine sees what it wrote");
        drop(stream);

        let lost = disk.cut_power(&mut Lot::new(5));
        let bytes = std::fs::read(&image).unwrap();
        let first: Vec<u8> = bytes[..64 * SECTOR]
            .iter()
            .step_by(SECTOR)
            .copied()
            .collect();
        let old = first.iter().filter(|byte| **byte == 1).count();
        assert_eq!(old + first.iter().filter(|byte| **byte == 2).count(), 64);
        assert!((10..54).contains(&old), "{old} of 64 sectors are old");
        assert_eq!((lost.cached, lost.sectors), (2, old));
        assert!(
            bytes[1 << 19..][..64 * SECTOR]
                .iter()
                .all(|byte| *byte == 3)
        );
    }
}

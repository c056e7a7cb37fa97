//! The kernel's and udev's messages about devices (netlink, `NETLINK_KOBJECT_UEVENT`).
//!
//! The kernel speaks in group 1, udev in group 2 once it has looked at a device. A message only says "look again": what there
//! is, `/sys` and udev's database say. So one that is lost does no harm, as long as we know that some were; and a removal
//! is known from the kernel, however long udev is busy with something else.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType,
    bind, recvmsg, setsockopt, socket, sockopt,
};
use tokio::io::unix::AsyncFd;

use super::Properties;

/// The kernel's own messages.
const KERNEL: u32 = 1;
/// udev's, after it looked at the device.
const UDEV: u32 = 2;

/// The longest message that is read, in bytes; longer ones are cut off, and count for a change. udev's are 2,000 or so.
const MAX_MESSAGE: usize = 16 << 10;

/// Bytes that wait for us in the kernel at most: a hub with many drives sends some hundreds of messages at once.
const BUFFER: usize = 1 << 20;

/// Messages taken at once before somebody else has a turn.
const MAX_BATCH: usize = 1024;

/// What udev's messages begin with: a word, a magic number, and where the properties are.
const UDEV_PREFIX: &[u8] = b"libudev\0";
/// The magic number, the highest byte first.
const UDEV_MAGIC: [u8; 4] = 0xfeed_cafe_u32.to_be_bytes();

/// A socket that messages about devices come from.
#[derive(Debug)]
pub struct Monitor {
    socket: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
}

impl Monitor {
    /// Listens from now on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the kernel has no such messages for us.
    pub fn open() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkKObjectUEvent,
        )?;
        // The kernel gives as much of it as we are allowed.
        let _ = setsockopt(&socket, sockopt::RcvBuf, &BUFFER);
        setsockopt(&socket, sockopt::PassCred, &true)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL | UDEV))?;
        Ok(Self {
            // SAFETY: it has the descriptor to itself, and closes it when it is dropped.
            socket: unsafe { AsyncFd::register(socket)? },
            buffer: vec![0; MAX_MESSAGE],
        })
    }

    /// Waits until something may have changed about a disk or a partition.
    ///
    /// # Errors
    /// When the socket breaks down.
    pub async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable().await?;
            let mut changed = false;
            for _ in 0..MAX_BATCH {
                match receive(ready.get_inner(), &mut self.buffer) {
                    Ok(news) => changed |= news,
                    Err(Errno::EAGAIN) => {
                        ready.clear_ready();
                        break;
                    }
                    // Messages were lost.
                    Err(Errno::ENOBUFS) => changed = true,
                    Err(Errno::EINTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if changed {
                return Ok(());
            }
        }
    }
}

/// Takes one message; whether it is about a disk or a partition.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Result<bool, Errno> {
    let mut control = nix::cmsg_space!(libc::ucred);
    let mut parts = [IoSliceMut::new(buffer)];
    let received = recvmsg::<NetlinkAddr>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let from = received.address.map(|from| (from.pid(), from.groups()));
    let uid = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmCredentials(sender) => Some(sender.uid()),
        _ => None,
    });
    let length = received.bytes;
    let cut = received.flags.contains(MsgFlags::MSG_TRUNC);
    if !is_trusted(from, uid) {
        tracing::debug!(
            ?from,
            ?uid,
            "a message about devices from a stranger is passed over"
        );
        return Ok(false);
    }
    Ok(cut || is_about_a_block_device(buffer.get(..length).unwrap_or_default()))
}

/// Whether a message is from whom it should be: the kernel's own group from the kernel, udev's from root; and to all, for only
/// root may send that.
fn is_trusted(from: Option<(u32, u32)>, uid: Option<u32>) -> bool {
    matches!((from, uid), (Some((0, KERNEL) | (_, UDEV)), Some(0)))
}

/// Whether a message tells of a disk or a partition.
fn is_about_a_block_device(message: &[u8]) -> bool {
    let properties = match message.strip_prefix(UDEV_PREFIX) {
        Some(header) => udev_properties(message, header),
        // `add@/devices/…`, and properties.
        None => message
            .iter()
            .position(|&byte| byte == 0)
            .and_then(|end| message.get(end + 1..)),
    };
    let Some(properties) = properties else {
        return false;
    };
    let properties = Properties::collect(properties.split(|&byte| byte == 0));
    properties.get("SUBSYSTEM") == Some("block")
}

/// The properties in a message of udev. Behind the word come the magic number, the header's length, and the properties' place
/// and length, the latter three in this machine's order of bytes.
fn udev_properties<'a>(message: &'a [u8], header: &[u8]) -> Option<&'a [u8]> {
    let field = |at: usize| -> Option<[u8; 4]> { header.get(at * 4..at * 4 + 4)?.try_into().ok() };
    let number = |at| usize::try_from(u32::from_ne_bytes(field(at)?)).ok();
    if field(0)? != UDEV_MAGIC {
        return None;
    }
    let (place, length) = (number(2)?, number(3)?);
    message.get(place..place.checked_add(length)?)
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::{MsgFlags, sendto};
    use proptest::prelude::*;

    use super::*;

    /// A message as udev sends it.
    fn udev(properties: &[&str]) -> Vec<u8> {
        let body: Vec<u8> = properties
            .iter()
            .flat_map(|property| [property.as_bytes(), b"\0"].concat())
            .collect();
        let mut message = UDEV_PREFIX.to_vec();
        message.extend(UDEV_MAGIC);
        for number in [40_u32, 40, u32::try_from(body.len()).unwrap()] {
            message.extend(number.to_ne_bytes());
        }
        // Hashes for the kernel to filter by.
        message.extend([0; 16]);
        message.extend(body);
        message
    }

    const DISK: [&str; 4] = [
        "ACTION=add",
        "DEVPATH=/devices/a/block/sda",
        "SUBSYSTEM=block",
        "DEVNAME=/dev/sda",
    ];

    #[test]
    fn messages_about_disks_are_told_from_others() {
        assert!(is_about_a_block_device(&udev(&DISK)));
        assert!(!is_about_a_block_device(&udev(&[
            "ACTION=add",
            "SUBSYSTEM=net"
        ])));
        let kernel = b"add@/devices/a/block/sda\0ACTION=add\0DEVPATH=/devices/a/block/sda\0SUBSYSTEM=block\0MAJOR=8\0";
        assert!(is_about_a_block_device(kernel));
        assert!(!is_about_a_block_device(
            b"add@/devices/a\0ACTION=add\0SUBSYSTEM=usb\0"
        ));
        let mut other = udev(&DISK);
        other[8] = 0;
        assert!(!is_about_a_block_device(&other), "another magic number");
        for cut in 0..udev(&DISK).len() {
            let _ = is_about_a_block_device(&udev(&DISK)[..cut]);
        }
    }

    #[test]
    fn only_the_kernel_and_root_are_believed_and_only_to_all() {
        assert!(is_trusted(Some((0, KERNEL)), Some(0)));
        assert!(is_trusted(Some((4711, UDEV)), Some(0)));
        for (from, uid) in [
            (Some((4711, KERNEL)), Some(0)),
            (Some((4711, UDEV)), Some(1000)),
            (Some((4711, 0)), Some(0)),
            (Some((4711, UDEV)), None),
            (None, Some(0)),
            (Some((4711, KERNEL | UDEV)), Some(0)),
        ] {
            assert!(!is_trusted(from, uid), "{from:?} {uid:?}");
        }
    }

    fn sender() -> OwnedFd {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            flags,
            SockProtocol::NetlinkKObjectUEvent,
        );
        let socket = socket.unwrap();
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0)).unwrap();
        socket
    }

    #[tokio::test]
    async fn a_message_to_us_alone_is_no_news_whoever_sent_it() {
        let mut monitor = Monitor::open().unwrap();
        let ours =
            nix::sys::socket::getsockname::<NetlinkAddr>(monitor.socket.get_ref().as_raw_fd())
                .unwrap();
        let sender = sender();
        let to = NetlinkAddr::new(ours.pid(), 0);
        match sendto(sender.as_raw_fd(), &udev(&DISK), &to, MsgFlags::empty()) {
            Ok(_) => {
                let mut buffer = vec![0; MAX_MESSAGE];
                monitor.socket.readable().await.unwrap().retain_ready();
                // Other news of this machine may be before it.
                loop {
                    match receive(monitor.socket.get_ref(), &mut buffer) {
                        Ok(news) if buffer.starts_with(UDEV_PREFIX) => {
                            assert!(!news);
                            break;
                        }
                        Ok(_) => {}
                        Err(error) => panic!("the message did not come: {error}"),
                    }
                }
            }
            // The kernel lets only root send at all.
            Err(Errno::EPERM) => assert!(!nix::unistd::geteuid().is_root()),
            Err(error) => panic!("{error}"),
        }
        let _ = &mut monitor;
    }

    proptest! {
        #[test]
        fn any_message_is_read(body in prop::collection::vec(any::<u8>(), 0..200), place in any::<u32>(), length in any::<u32>()) {
            let _ = is_about_a_block_device(&body);
            let mut message = UDEV_PREFIX.to_vec();
            message.extend(UDEV_MAGIC);
            for number in [40, place, length] {
                message.extend(number.to_ne_bytes());
            }
            message.extend(body);
            let _ = is_about_a_block_device(&message);
        }
    }
}

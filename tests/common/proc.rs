//! What the kernel says of a process.

/// A number of KiB in `/proc/PID/status`, in bytes; none when the process has ended.
fn status_bytes(pid: u32, key: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

/// Resident memory now, in bytes.
pub fn rss(pid: u32) -> Option<u64> {
    status_bytes(pid, "VmRSS")
}

/// The most resident memory it ever had, in bytes.
pub fn peak_rss(pid: u32) -> Option<u64> {
    status_bytes(pid, "VmHWM")
}

/// Bytes the process has read from files and sockets through system calls, ever.
pub fn read_bytes(pid: u32) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines()
        .find_map(|line| line.strip_prefix("rchar: ")?.parse().ok())
}

/// Open file descriptors.
pub fn open_files(pid: u32) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// Raises this process's limit of open files (children inherit it) to at least `wanted`.
pub fn raise_open_files(wanted: u64) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit can be read");
    if soft >= wanted {
        return;
    }
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).unwrap_or_else(|error| {
        panic!("this test needs {wanted} open files, the limit is {hard}: {error}")
    });
}

/// Processor time it has taken, in both modes, all threads.
pub fn cpu(pid: u32) -> Option<std::time::Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything; what follows it are numbers.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    // `USER_HZ` is 100 on every Linux.
    Some(std::time::Duration::from_millis(ticks * 10))
}

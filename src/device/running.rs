//! Which system runs: its version and board, the slot it is in, and which start of the machine this is.

use std::fs;
use std::path::Path;

/// The running system, as far as it says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Running {
    /// The image's version; none where the system is no image of ours.
    pub version: Option<String>,
    /// The board that the image is for.
    pub board: Option<String>,
    /// The slot: `A` or `B`.
    pub slot: Option<char>,
    /// A number that the kernel gives each start.
    pub boot: String,
}

impl Running {
    /// As the kernel and the image tell.
    pub fn look() -> Self {
        Self::below(Path::new("/"))
    }

    /// As the files below `root` tell.
    pub fn below(root: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let release = read("etc/os-release");
        let ours = value(&release, "ID").as_deref() == Some("semoir");
        let said = |key: &str| value(&release, key).filter(|_| ours);
        Self {
            version: said("VERSION_ID"),
            board: said("VARIANT_ID"),
            slot: slot(&read("proc/cmdline")),
            boot: read("proc/sys/kernel/random/boot_id").trim().to_owned(),
        }
    }
}

/// The last word of the kernel's command line that says so counts, as `usr/lib/semoir/tryboot` has it.
fn slot(line: &str) -> Option<char> {
    let words = line.split_whitespace().rev();
    match words
        .filter_map(|word| word.strip_prefix("rauc.slot="))
        .next()?
    {
        "A" => Some('A'),
        "B" => Some('B'),
        _ => None,
    }
}

/// A value of os-release(5). Ours are written with quotes or without, and need no escapes.
fn value(text: &str, key: &str) -> Option<String> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    let bare = line.trim().trim_matches(['"', '\'']);
    (!bare.is_empty()).then(|| bare.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_what_it_is_and_another_system_nothing() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(Running::below(root.path()), Running::default());
        put(
            "etc/os-release",
            "NAME=Semoir\nID=semoir\nVERSION_ID=\"1.2.3\"\nVARIANT_ID=rpi4\n",
        );
        put(
            "proc/cmdline",
            "console=tty1 rauc.slot=A quiet rauc.slot=B\n",
        );
        put("proc/sys/kernel/random/boot_id", "0af1\n");
        let here = Running::below(root.path());
        assert_eq!(
            (here.version.as_deref(), here.board.as_deref()),
            (Some("1.2.3"), Some("rpi4"))
        );
        assert_eq!((here.slot, here.boot.as_str()), (Some('B'), "0af1"));
        put("etc/os-release", "ID=debian\nVERSION_ID=\"13\"\n");
        assert_eq!(Running::below(root.path()).version, None);
        put("proc/cmdline", "rauc.slot=C");
        assert_eq!(Running::below(root.path()).slot, None);
    }
}

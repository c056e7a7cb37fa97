//! Shows the setup code to whoever stands before the box: on its screen, on its serial console, and in a file on the card
//! that any computer reads. The daemon may do none of that; it leaves the code in a file of its own (`serve
//! --setup-code-file`), and this runs as root.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::device::boot_partition::{self, Writable};

/// The file on the boot partition.
const CARD: &str = "SETUP-CODE.txt";
/// The longest code that is taken for one; ours have nine characters.
const MAX_CODE: usize = 32;

/// Where everything is.
#[derive(Debug, Clone)]
pub struct Places {
    /// The daemon's file.
    pub code: PathBuf,
    /// The boot partition.
    pub boot: PathBuf,
    /// Where the kernel lists its consoles: `/sys/class/tty/console/active`.
    pub consoles: PathBuf,
    /// Where their devices are.
    pub dev: PathBuf,
}

/// Shows the code that the daemon left, or takes the last one away when there is none.
///
/// # Errors
/// When the card cannot be written to; consoles that do not take it are left out.
pub fn announce(places: &Places, host_name: &str) -> io::Result<()> {
    let code = code(&places.code)?;
    if let Some(code) = &code {
        let active = fs::read_to_string(&places.consoles).unwrap_or_default();
        for console in active.split_whitespace() {
            // A name, and no path.
            if console.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                let shown = show(&places.dev.join(console), code, host_name);
                if let Err(error) = shown {
                    tracing::debug!(%error, console, "a console does not show the setup code");
                }
            }
        }
    }
    let card = places.boot.join(CARD);
    let text = code.map(|code| text(&code, host_name));
    let is_right = match (File::open(&card), &text) {
        (Ok(file), Some(text)) => holds(file, text),
        (Err(error), None) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    };
    if is_right {
        return Ok(());
    }
    let _writable = Writable::make(&places.boot)?;
    match text {
        Some(text) => boot_partition::write(&card, text.as_bytes()),
        None => boot_partition::remove(&card),
    }
}

/// Whether that is what is in a file, which any computer may have written, and a worn card.
fn holds(file: File, text: &str) -> bool {
    let mut bytes = Vec::new();
    let most = text.len() as u64 + 1;
    file.take(most).read_to_end(&mut bytes).is_ok() && bytes == text.as_bytes()
}

/// The code; nothing when the box has an owner. The daemon's user wrote it, so that it is taken for no more than it should
/// be.
fn code(path: &Path) -> io::Result<Option<String>> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("the setup code is in no file"));
    }
    let mut text = String::new();
    file.take(MAX_CODE as u64 + 2).read_to_string(&mut text)?;
    let code = text.trim_end();
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=MAX_CODE).contains(&code.len()) && code.bytes().all(plain) {
        Ok(Some(code.to_owned()))
    } else {
        Err(io::Error::other("what should be the setup code is none"))
    }
}

/// Lines for a screen, in a frame that is found among what the kernel says.
fn show(console: &Path, code: &str, host_name: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // A serial line that nobody reads must not hold us up.
    options
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK);
    let mut console: File = options.open(console)?;
    let line = "-".repeat(60);
    let text = format!(
        "\r\n{line}\r\n  Semoir: http://{host_name}.local\r\n  Setup code / code d'installation: {code}\r\n{line}\r\n"
    );
    console.write_all(text.as_bytes())
}

/// The file's text, for computers of all kinds, in the page's two languages.
fn text(code: &str, host_name: &str) -> String {
    format!(
        "{code}\r\n\r\n\
         Open http://{host_name}.local and type this code. It is another after each start, until the box has an owner.\r\n\r\n\
         Ouvrez http://{host_name}.local et tapez ce code. Il change \u{e0} chaque d\u{e9}marrage, tant que la bo\u{ee}te n'a pas de propri\u{e9}taire.\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(folder: &Path) -> Places {
        let places = Places {
            code: folder.join("code"),
            boot: folder.join("boot"),
            consoles: folder.join("active"),
            dev: folder.join("dev"),
        };
        fs::create_dir(&places.boot).unwrap();
        fs::create_dir(&places.dev).unwrap();
        fs::write(&places.consoles, "ttyAMA0 tty1 ../card gone\n").unwrap();
        fs::write(places.dev.join("tty1"), "").unwrap();
        fs::write(places.dev.join("ttyAMA0"), "").unwrap();
        places
    }

    #[test]
    fn the_code_is_on_every_console_and_on_the_card_until_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        fs::write(&places.code, "AB2C-XY9Z\n").unwrap();
        announce(&places, "garage").unwrap();
        for console in ["tty1", "ttyAMA0"] {
            let shown = fs::read_to_string(places.dev.join(console)).unwrap();
            assert!(
                shown.contains("AB2C-XY9Z") && shown.contains("http://garage.local"),
                "{shown}"
            );
        }
        let card = places.boot.join(CARD);
        let text = fs::read_to_string(&card).unwrap();
        assert!(text.starts_with("AB2C-XY9Z\r\n"), "{text}");
        assert!(!folder.path().join("card").exists());
        fs::remove_file(&places.code).unwrap();
        announce(&places, "garage").unwrap();
        assert!(!card.exists());
        announce(&places, "garage").unwrap();
    }

    #[test]
    fn whatever_a_computer_made_of_the_file_is_replaced_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let card = places.boot.join(CARD);
        for made in [&b"AB2C-XY9Z bo\xeete"[..], b"", &[0; 4096]] {
            fs::write(&places.code, "AB2C-XY9Z\n").unwrap();
            fs::write(&card, made).unwrap();
            announce(&places, "garage").unwrap();
            assert_eq!(
                fs::read_to_string(&card).unwrap(),
                text("AB2C-XY9Z", "garage")
            );
            fs::write(&card, made).unwrap();
            fs::remove_file(&places.code).unwrap();
            announce(&places, "garage").unwrap();
            assert!(!card.exists());
        }
    }

    #[test]
    fn what_is_no_code_is_shown_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let secret = folder.path().join("shadow");
        fs::write(&secret, "ROOT").unwrap();
        std::os::unix::fs::symlink(&secret, &places.code).unwrap();
        assert!(announce(&places, "x").is_err());
        fs::remove_file(&places.code).unwrap();
        fs::create_dir(&places.code).unwrap();
        assert!(announce(&places, "x").is_err());
        fs::remove_dir(&places.code).unwrap();
        for bad in ["", "ab", "A\u{1b}[2J", "A\nB", &"A".repeat(40)] {
            fs::write(&places.code, bad).unwrap();
            assert!(announce(&places, "x").is_err(), "{bad:?}");
        }
        assert!(!places.boot.join(CARD).exists());
        assert_eq!(fs::read(places.dev.join("tty1")).unwrap(), b"");
    }
}

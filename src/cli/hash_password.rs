//! `semoir hash-password`: what `semoir.toml` takes in place of the password itself (`password-hash`).

use std::io::{self, BufRead, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use crate::admin::{self, AuthError};
use crate::base::Secret;

/// The longest line that is read. A password has 1024 bytes at most, and what is longer is refused for its own reason.
const MAX_LINE: u64 = 4096;

/// Why there is no hash.
#[derive(Debug, thiserror::Error)]
pub enum HashPasswordError {
    /// Reading it, or printing its hash.
    #[error("the password cannot be read: {0}")]
    Io(#[from] io::Error),
    /// What was typed cannot be a password.
    #[error(transparent)]
    Password(#[from] AuthError),
}

/// Reads a password, one line of the standard input, which a terminal does not show, and prints its hash (a PHC string).
///
/// # Errors
/// See [`HashPasswordError`].
pub fn run() -> Result<(), HashPasswordError> {
    let stdin = io::stdin();
    let unseen = Unseen::on(stdin.as_fd());
    if unseen.is_some() {
        // The hash alone goes where a file may wait for it.
        eprint!("Password: ");
    }
    let mut line = String::new();
    stdin.lock().take(MAX_LINE).read_line(&mut line)?;
    if unseen.is_some() {
        eprintln!();
    }
    drop(unseen);
    let password = Secret::new(line.trim_end_matches(['\n', '\r']));
    let hash = admin::hash_owner_password(password.reveal())?;
    writeln!(io::stdout(), "{hash}")?;
    Ok(())
}

/// A terminal that shows nothing of what is typed, until this goes.
struct Unseen<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Unseen<'a> {
    /// Nothing where the input comes from no terminal.
    fn on(terminal: BorrowedFd<'a>) -> Option<Self> {
        let before = tcgetattr(terminal).ok()?;
        let mut unseen = before.clone();
        unseen.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(terminal, SetArg::TCSAFLUSH, &unseen).ok()?;
        Some(Self { terminal, before })
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        // Who cannot be given his terminal back can do nothing about it either.
        let _ = tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

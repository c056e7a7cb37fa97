//! `semoir`: see [`semoir::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    semoir::cli::main()
}

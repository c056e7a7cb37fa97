//! The commands of the `semoir` binary, which put the rooms together.

use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::{Parser, Subcommand};

use crate::app::Ending;
use crate::device::supervisor;
use crate::{device, telemetry};

pub mod announce;
pub mod create;
pub mod demo;
pub mod first_boot;
pub mod hash_password;
pub mod mount_helper;
mod progress;
pub mod seed;
pub mod serve;
mod signals;

/// Gives files away over BitTorrent and spends your upstream only on the first copies
#[derive(Debug, Parser)]
#[command(name = "semoir", version, max_term_width = 100)]
struct Cli {
    /// No DHT, no local discovery, no port mapping; no tracker but loopback's and those given
    #[arg(long, global = true, env = "SEMOIR_OFFLINE", value_parser = FalseyValueParser::new())]
    offline: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the box: its pages, its tracker, and everything it shares
    Serve(serve::Args),
    /// Make a .torrent of a file or folder
    Create(create::Args),
    /// Seed one file or folder in the foreground
    Seed(seed::Args),
    /// See the whole life of a release in about a minute, on this computer alone
    Demo(demo::Args),
    /// Print the hash of a password, for `semoir.toml` on a card
    HashPassword,
    /// Mount drives and network shares for the box; systemd starts it as root when the box asks
    MountHelper(mount_helper::Args),
    /// Read what the owner wrote on the boot partition; systemd starts it as root
    FirstBoot(first_boot::Args),
    /// Show the setup code on consoles and on the boot partition; systemd starts it as root
    Announce(announce::Args),
}

/// Reads the command line, does what it says, and answers with the exit code: 0 done, 1 failed, 2 not understood,
/// [`supervisor::RESTART`] to be started again.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match &cli.command {
        // It tells in its own words what the log would.
        Command::Demo(_) => telemetry::start_quiet(),
        _ => telemetry::start(),
    }
    device::descriptors::raise_limit();
    device::heap::share_arenas();
    let result: Result<Ending, Box<dyn std::error::Error>> = match cli.command {
        Command::Serve(args) => block_on(serve::run(args, cli.offline)),
        Command::Create(args) => create::run(args).map(stopped).map_err(Into::into),
        Command::Seed(args) => block_on(seed::run(args, cli.offline)).map(stopped),
        Command::Demo(args) => {
            demo::forget_proxies();
            block_on(demo::run(args)).map(stopped)
        }
        Command::HashPassword => hash_password::run().map(stopped).map_err(Into::into),
        Command::MountHelper(args) => mount_helper::run(args).map(stopped).map_err(Into::into),
        Command::FirstBoot(args) => first_boot::run(args).map(stopped).map_err(Into::into),
        Command::Announce(args) => announce::run(args).map(stopped).map_err(Into::into),
    };
    match result {
        Ok(Ending::Stopped) => ExitCode::SUCCESS,
        Ok(Ending::Restart) => supervisor::RESTART.into(),
        Err(error) => {
            eprintln!("semoir: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How a command ends that is done.
fn stopped<T>(_: T) -> Ending {
    Ending::Stopped
}

/// Runs a command that waits for sockets.
fn block_on<T, E>(
    command: impl Future<Output = Result<T, E>>,
) -> Result<T, Box<dyn std::error::Error>>
where
    E: std::error::Error + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(command);
    // A read that hangs on a dead share must not keep the process from ending.
    runtime.shutdown_background();
    Ok(result?)
}

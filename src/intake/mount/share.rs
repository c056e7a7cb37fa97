//! Mounting a folder of another machine.

use super::helper::Helper;
use super::request::{Mounted, Reason, Refusal, ShareRequest};

/// Mounts it.
///
/// # Errors
/// When it cannot be.
pub fn mount(_helper: &Helper, _share: &ShareRequest) -> Result<Mounted, Refusal> {
    let why = "is on the network, and this version of Semoir uses drives only";
    Err(Refusal::new(Reason::Unsupported, why))
}

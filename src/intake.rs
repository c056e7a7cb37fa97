//! Where releases come from: folders and uploads.

pub mod folder;
pub mod uploads;

pub use uploads::{UploadError, Uploads};

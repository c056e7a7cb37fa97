//! Where releases come from: folders, drives, network shares and uploads.

pub mod drives;
pub mod folder;
pub mod mount;
pub mod place;
pub mod uploads;

pub use uploads::{UploadError, Uploads};

//! Where releases come from: folders and uploads.

pub mod uploads;

pub use uploads::{UploadError, Uploads};

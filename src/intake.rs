//! Where releases come from: folders and uploads.

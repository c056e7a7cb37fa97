//! The public, read-only pages and files.

//! The owner's API and page.

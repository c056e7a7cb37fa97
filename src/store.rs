//! SQLite: every table commented, one upgrade per version, one file per aggregate.

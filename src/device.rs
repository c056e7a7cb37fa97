//! Readings of the machine we run on.

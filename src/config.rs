//! What the daemon needs before its database is open: paths, ports, flags.

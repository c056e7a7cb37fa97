//! Logs to journald, or to stderr where there is none.

//! The admin API, in-process: one file per resource, as in `src/admin`.

mod account;
mod assets;
mod backup;
mod box_state;
mod claim;
mod client;
mod decisions;
mod events;
mod french;
mod guard;
mod kit;
mod logs;
mod metrics;
mod openapi;
mod overview;
mod release_settings;
mod releases;
mod session;
mod settings;
mod shares;
mod sources;
mod swarms;
mod system;
mod tokens;
mod uploads;

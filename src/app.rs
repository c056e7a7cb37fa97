//! The conductor: the one sentence of data flow, as code.

pub mod handle;
pub mod overview;

pub use crate::intake::uploads;
pub use handle::Handle;
pub use overview::{Overview, ReleaseView, SourceView, UpstreamView};

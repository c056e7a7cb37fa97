//! The public pages' HTML.

mod index;
mod share;
mod shell;

pub(super) use index::{Index, Leaf};
pub(super) use share::{Links, Share, Systems, summary};
pub(super) use shell::{CARD, ICON, Look, STYLE, Shell, card, message};

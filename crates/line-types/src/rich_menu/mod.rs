//! LINE's limits on rich menus: <https://developers.line.biz/en/reference/messaging-api/#rich-menu-structure>.
//!
//! [`check`] tells whether LINE would take a rich menu object, [`check_image`] whether it would take an image for it. The
//! shapes are in [`crate::api`].

mod check;
mod image;

pub use check::{MOST_MENUS, MOST_USERS, check};
pub use image::{ImageFault, ImageKind, MAX_IMAGE_BYTES, check_image};

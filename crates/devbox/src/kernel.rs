//! What only the kernel's raw interface can do. The one place of this crate with `unsafe`, a few lines at a time.

pub(crate) mod capabilities;
pub(crate) mod descriptors;
pub(crate) mod fork;
pub(crate) mod mount_attr;
pub(crate) mod signals;

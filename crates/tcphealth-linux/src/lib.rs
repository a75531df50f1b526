//! The only crate that talks to the kernel; it concludes nothing.

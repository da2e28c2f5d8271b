//! The content-addressed store of binaries and images, and how it is filled.

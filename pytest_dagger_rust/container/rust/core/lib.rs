//! What is worth compiling with optimisation: everything that looks at each byte of something large, or at each path.
pub mod search;
pub mod sha256;

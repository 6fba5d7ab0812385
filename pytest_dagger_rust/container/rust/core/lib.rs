//! What is worth compiling with optimisation: everything that looks at each byte of something large.

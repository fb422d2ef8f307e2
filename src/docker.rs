//! What to say to docker and how to read what it answers. Pure: bytes in, values out.
pub mod shell;

//! What is wrong right now, in the API's words.

pub use warren_api::notes::*;

#[cfg(test)]
mod tests;

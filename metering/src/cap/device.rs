//! Whom a cap is for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name under which an authority knows who uses something. Never empty: all that have no name would share one cap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId(String);

/// A name is empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the id of a device is empty")]
pub struct EmptyId;

impl DeviceId {
    /// A name.
    ///
    /// # Errors
    /// When it is empty, or only white space.
    pub fn new(name: impl Into<String>) -> Result<Self, EmptyId> {
        let name = name.into();
        if name.trim().is_empty() {
            Err(EmptyId)
        } else {
            Ok(Self(name))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DeviceId {
    type Error = EmptyId;

    fn try_from(name: String) -> Result<Self, EmptyId> {
        Self::new(name)
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

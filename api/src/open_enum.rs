//! Texts that are one of a few, and what becomes of one that this version does not know.

use std::fmt;

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IntoDeserializer, value::StrDeserializer},
};

/// A text that is one of a few: one that this version knows, or another one, of a daemon of another version. On the wire it is
/// the text in both cases.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OpenEnum<T> {
    /// It is known, and what it means.
    Known(T),
    /// It is not known here.
    Other(String),
}

impl<T: DeserializeOwned> OpenEnum<T> {
    /// The text, understood as far as it is known.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let said: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
        T::deserialize(said).map_or_else(|_unknown| Self::Other(text.to_owned()), Self::Known)
    }
}

impl<T: Serialize> OpenEnum<T> {
    /// The text itself.
    #[must_use]
    pub fn text(&self) -> String {
        let text = serde_json::to_value(self).ok();
        text.as_ref()
            .and_then(|text| text.as_str())
            .unwrap_or_default()
            .to_owned()
    }
}

impl<T: Copy> OpenEnum<T> {
    /// What it means, where that is known.
    #[must_use]
    pub fn known(&self) -> Option<T> {
        match self {
            Self::Known(known) => Some(*known),
            Self::Other(_) => None,
        }
    }
}

impl<T> From<T> for OpenEnum<T> {
    fn from(known: T) -> Self {
        Self::Known(known)
    }
}

/// No text at all, as a daemon answers that does not have the field.
impl<T> Default for OpenEnum<T> {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl<T: PartialEq> PartialEq<T> for OpenEnum<T> {
    fn eq(&self, other: &T) -> bool {
        matches!(self, Self::Known(known) if known == other)
    }
}

impl<T: fmt::Display> fmt::Display for OpenEnum<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(known) => known.fmt(f),
            Self::Other(text) => text.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use warren_state::{
        Backend, FaultClass, Phase, ReadProblem, RoleKind, ServiceKind, SessionCause, SessionStatus,
        standing::{BgpState, RouteRefusal},
    };

    use super::*;
    use crate::v3::{AddressSource, TunnelSource};

    /// Written and read, each is the text that it always was.
    fn hold<T: Serialize + DeserializeOwned + Copy + PartialEq + Debug>(all: &[T], texts: &[&str]) {
        assert_eq!(all.len(), texts.len());
        for (known, text) in all.iter().zip(texts) {
            let word: OpenEnum<T> = serde_json::from_value((*text).into()).unwrap();
            assert_eq!(
                (&word, &OpenEnum::of(text)),
                (&OpenEnum::Known(*known), &OpenEnum::Known(*known)),
                "{text}"
            );
            assert_eq!(serde_json::to_value(&word).unwrap(), *text);
        }
    }

    #[test]
    fn the_words_of_the_api_are_what_they_always_were() {
        hold(&Phase::ALL, &Phase::ALL.map(Phase::name));
        hold(&SessionStatus::ALL, &SessionStatus::ALL.map(SessionStatus::name));
        hold(
            &SessionCause::ALL[1..],
            &SessionCause::ALL[1..]
                .iter()
                .filter_map(|cause| cause.name())
                .collect::<Vec<_>>(),
        );
        hold(
            &FaultClass::ALL,
            &["transient", "conflict", "permanent", "gone", "unsupported"],
        );
        hold(&ServiceKind::ALL, &ServiceKind::ALL.map(ServiceKind::name));
        hold(&BgpState::ALL, &BgpState::ALL.map(BgpState::name));
        hold(&RouteRefusal::ALL, &RouteRefusal::ALL.map(RouteRefusal::name));
        hold(&RoleKind::ALL, &["client", "gateway"]);
        hold(&TunnelSource::ALL, &["ledger", "manual"]);
        hold(&AddressSource::ALL, &["flag", "pin", "discovered", "hint"]);
        hold(&ReadProblem::ALL, &ReadProblem::ALL.map(ReadProblem::name));
        hold(&Backend::ALL, &["netlink", "userspace", "simulated"]);
    }

    #[test]
    fn a_word_of_another_version_is_kept_as_it_is() {
        let word: OpenEnum<Phase> = serde_json::from_str("\"dreaming\"").unwrap();
        assert_eq!(word, OpenEnum::of("dreaming"));
        assert_eq!((word.known(), word.to_string()), (None, "dreaming".to_owned()));
        assert_eq!(serde_json::to_string(&word).unwrap(), "\"dreaming\"");
        assert!(word != Phase::Active);
    }
}

//! How recordings write what JSON has no form for.

use serde::{Deserialize, Deserializer};

/// A word of ours.
pub type Name = &'static str;

/// A word of ours that is read back. It is never freed: only for programs that end soon.
///
/// # Errors
/// When it is not a text.
pub fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
    String::deserialize(deserializer).map(|name| &*name.leak())
}

/// The same, where it may be missing.
///
/// # Errors
/// When it is something else than a text.
pub fn optional_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Name>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(|name| &*name.leak()))
}

/// Bytes, as hexadecimal digits.
pub mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(bytes: impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        let text: String = bytes.as_ref().iter().flat_map(digits).map(char::from).collect();
        serializer.serialize_str(&text)
    }

    /// # Errors
    /// When it is not a text of pairs of hexadecimal digits.
    pub fn deserialize<'de, D: Deserializer<'de>, T: From<Vec<u8>>>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let byte = |pair: &[u8]| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        bytes
            .map(T::from)
            .ok_or_else(|| D::Error::custom("expected pairs of hexadecimal digits"))
    }
}

/// A map whose keys are not texts, as a list of pairs.
pub mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// # Errors
    /// The serializer's.
    pub fn serialize<'a, S, M, K, V>(map: &'a M, serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        &'a M: IntoIterator<Item = (&'a K, &'a V)>,
        K: Serialize + 'a,
        V: Serialize + 'a,
    {
        serializer.collect_seq(map)
    }

    /// # Errors
    /// When it is not a list of such pairs.
    pub fn deserialize<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        D: Deserializer<'de>,
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
    {
        Vec::<(K, V)>::deserialize(deserializer).map(|pairs| pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, collections::BTreeMap};

    use serde::{Deserialize, Serialize};

    #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
    struct Both<'a> {
        #[serde(with = "super::hex")]
        bytes: Cow<'a, [u8]>,
        #[serde(with = "super::pairs")]
        map: BTreeMap<(u8, u8), u64>,
    }

    #[test]
    fn bytes_and_maps_come_back_as_they_were() {
        let both = Both {
            bytes: (&[0, 0x7f, 0xff][..]).into(),
            map: [((1, 2), 3), ((1, 3), 4)].into(),
        };
        let text = serde_json::to_string(&both).unwrap();
        assert_eq!(text, r#"{"bytes":"007fff","map":[[[1,2],3],[[1,3],4]]}"#);
        assert_eq!(serde_json::from_str::<Both<'_>>(&text).unwrap(), both);
    }

    #[test]
    fn what_are_no_digits_is_an_error() {
        for bytes in ["0", "0g", "é", "00 "] {
            let text = format!(r#"{{"bytes":"{bytes}","map":[]}}"#);
            assert!(serde_json::from_str::<Both<'_>>(&text).is_err(), "{bytes}");
        }
    }
}

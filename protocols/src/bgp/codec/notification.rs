//! NOTIFICATION messages: why a session ends.

use std::fmt;

use serde::{Deserialize, Serialize};
use warren_state::{
    Monotonic,
    standing::{NotificationCode, Notified},
};

use super::{
    frame::{self, HEADER, LONGEST, MessageKind},
    reader::Reader,
};

/// Why a session ends (RFC 4271 section 4.5).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Notification {
    /// The error code.
    pub code: u8,
    /// The subcode, 0 for unspecific.
    pub subcode: u8,
    /// What the RFC asks to go with it.
    #[serde(with = "warren_state::serial::hex")]
    pub data: Vec<u8>,
}

macro_rules! notifications {
    ($($(#[$doc:meta])* $name:ident = $code:literal / $subcode:literal;)*) => {
        impl Notification {
            $($(#[$doc])* pub const $name: Self = Self { code: $code, subcode: $subcode, data: Vec::new() };)*
        }
    };
}

notifications! {
    /// The marker is not all ones.
    CONNECTION_NOT_SYNCHRONIZED = 1 / 1;
    /// The length cannot be.
    BAD_MESSAGE_LENGTH = 1 / 2;
    /// The type is unknown.
    BAD_MESSAGE_TYPE = 1 / 3;
    /// The OPEN is malformed.
    MALFORMED_OPEN = 2 / 0;
    /// The version is not 4.
    UNSUPPORTED_VERSION = 2 / 1;
    /// The AS is not the one expected.
    BAD_PEER_AS = 2 / 2;
    /// The router id is zero or ours.
    BAD_BGP_IDENTIFIER = 2 / 3;
    /// An optional parameter other than capabilities.
    UNSUPPORTED_OPTIONAL_PARAMETER = 2 / 4;
    /// A hold time of 1 or 2 seconds.
    UNACCEPTABLE_HOLD_TIME = 2 / 6;
    /// The peer does not do IPv4 unicast (RFC 5492).
    UNSUPPORTED_CAPABILITY = 2 / 7;
    /// The lengths in an UPDATE do not add up.
    MALFORMED_ATTRIBUTE_LIST = 3 / 1;
    /// An attribute says that we must know it, and we do not.
    UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE = 3 / 2;
    /// An optional attribute that the session rests on is malformed.
    OPTIONAL_ATTRIBUTE_ERROR = 3 / 9;
    /// A prefix is malformed.
    INVALID_NETWORK_FIELD = 3 / 10;
    /// The peer was silent for the hold time.
    HOLD_TIMER_EXPIRED = 4 / 0;
    /// A message that cannot come before the OPEN (RFC 6608).
    UNEXPECTED_IN_OPEN_SENT = 5 / 1;
    /// A message that cannot come before the first KEEPALIVE.
    UNEXPECTED_IN_OPEN_CONFIRM = 5 / 2;
    /// A message that cannot come in an established session.
    UNEXPECTED_IN_ESTABLISHED = 5 / 3;
    /// Too many prefixes (RFC 4486).
    MAXIMUM_PREFIXES = 6 / 1;
    /// The operator ends the session.
    ADMINISTRATIVE_SHUTDOWN = 6 / 2;
}

/// `Cease` / `Administrative Shutdown` and `Administrative Reset` may carry a text (RFC 9003).
const SHUTDOWN_TEXT: [(u8, u8); 2] = [(6, 2), (6, 4)];

impl Notification {
    /// The same with data.
    #[must_use]
    pub fn with_data(self, data: Vec<u8>) -> Self {
        Self { data, ..self }
    }

    /// From a message's body, which has at least two bytes when the header was checked.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        Some(Self {
            code: reader.u8()?,
            subcode: reader.u8()?,
            data: reader.rest().to_vec(),
        })
    }

    /// The whole message. Data that does not fit is cut off.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = vec![self.code, self.subcode];
        body.extend(self.data.iter().take(LONGEST - HEADER - 2));
        frame::encode(MessageKind::Notification, &body)
    }

    /// Whether only a change of configuration at one of the ends mends this: trying again at once is of no use.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match (self.code, self.subcode) {
            // Malformed messages will be malformed again.
            (1..=3 | 5, _) => true,
            // Maximum Number of Prefixes. Any other Cease may be over in a moment: a device that is configured anew sends
            // Peer De-configured and then waits for us.
            (6, 1) => true,
            (_, _) => false,
        }
    }

    /// What is told of it: sent or received then.
    #[must_use]
    pub fn told(&self, at: Monotonic) -> Notified {
        Notified {
            at,
            what: NotificationCode {
                code: self.code,
                subcode: self.subcode,
            },
            text: self.shutdown_text(),
        }
    }

    /// The text that goes with a shutdown, control characters replaced.
    fn shutdown_text(&self) -> Option<String> {
        if !SHUTDOWN_TEXT.contains(&(self.code, self.subcode)) {
            return None;
        }
        let mut reader = Reader::new(&self.data);
        let length = reader.u8()?;
        let text = String::from_utf8_lossy(reader.take(usize::from(length))?).replace(char::is_control, "?");
        (!text.is_empty()).then_some(text)
    }
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told(Monotonic::ZERO).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_has_the_bytes_that_the_rfc_draws() {
        let mut golden = vec![0xff; 16];
        golden.extend_from_slice(&[0, 23, 3, 1, 2, 0x10, 0x01]);
        assert_eq!(
            Notification::BAD_MESSAGE_LENGTH
                .with_data(vec![0x10, 0x01])
                .encode(),
            golden
        );
    }

    #[test]
    fn names_are_for_people_and_the_text_of_a_shutdown_is_shown_without_control_characters() {
        assert_eq!(
            Notification::BAD_PEER_AS.to_string(),
            "OPEN Message Error / Bad Peer AS"
        );
        assert_eq!(Notification::HOLD_TIMER_EXPIRED.to_string(), "Hold Timer Expired");
        assert_eq!(
            Notification {
                code: 6,
                subcode: 77,
                data: vec![]
            }
            .to_string(),
            "Cease / subcode 77"
        );
        assert_eq!(
            Notification {
                code: 99,
                subcode: 1,
                data: vec![]
            }
            .to_string(),
            "code 99 / subcode 1"
        );
        let mut data = vec![9];
        data.extend_from_slice(b"bye\nnow\x1bx");
        assert_eq!(
            Notification::ADMINISTRATIVE_SHUTDOWN.with_data(data).to_string(),
            "Cease / Administrative Shutdown (bye?now?x)"
        );
        assert_eq!(
            Notification::ADMINISTRATIVE_SHUTDOWN
                .with_data(vec![200, b'x'])
                .to_string(),
            "Cease / Administrative Shutdown"
        );
    }

    #[test]
    fn data_that_does_not_fit_is_cut_off() {
        assert_eq!(
            Notification::BAD_PEER_AS
                .with_data(vec![0; 70_000])
                .encode()
                .len(),
            LONGEST
        );
    }
}

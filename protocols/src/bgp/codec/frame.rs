//! From a stream of bytes to messages (RFC 4271 section 4.1) and back.

use serde::{Deserialize, Serialize};

use super::Notification;

/// Marker, length and type.
pub const HEADER: usize = 19;
/// The longest message; extended messages (RFC 8654) are not negotiated.
pub const LONGEST: usize = 4096;

/// The kinds of message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MessageKind {
    /// OPEN, type 1.
    Open,
    /// Type 2.
    Update,
    /// Type 3.
    Notification,
    /// Type 4.
    Keepalive,
    /// Type 5 (RFC 2918); never asked for, ignored.
    RouteRefresh,
}

impl MessageKind {
    fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Open),
            2 => Some(Self::Update),
            3 => Some(Self::Notification),
            4 => Some(Self::Keepalive),
            5 => Some(Self::RouteRefresh),
            0 | 6.. => None,
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Update => 2,
            Self::Notification => 3,
            Self::Keepalive => 4,
            Self::RouteRefresh => 5,
        }
    }

    /// Whether a message of this kind may have this length, header included (RFC 4271 section 4; RFC 2918 section 3).
    fn allows(self, length: usize) -> bool {
        match self {
            Self::Open => length >= 29,
            Self::Update => length >= 23,
            Self::Notification => length >= 21,
            Self::Keepalive => length == HEADER,
            Self::RouteRefresh => length >= 23,
        }
    }
}

/// A message whose header is well-formed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The kind of event, as its stable key.
    pub kind: MessageKind,
    /// What follows the header; at most [`LONGEST`] − [`HEADER`] bytes.
    pub body: Vec<u8>,
}

impl Frame {
    /// The message as it goes over the wire. The body must fit; what does not is cut off.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self.kind, &self.body)
    }
}

/// A KEEPALIVE message.
#[must_use]
pub fn keepalive() -> Vec<u8> {
    encode(MessageKind::Keepalive, &[])
}

/// A message of this kind with this body, of which no more than fits is taken.
pub(super) fn encode(kind: MessageKind, body: &[u8]) -> Vec<u8> {
    let body = &body[..body.len().min(LONGEST - HEADER)];
    let length = HEADER + body.len();
    let mut message = Vec::with_capacity(length);
    message.extend_from_slice(&[0xff; 16]);
    message.extend_from_slice(&(length as u16).to_be_bytes());
    message.push(kind.number());
    message.extend_from_slice(body);
    message
}

/// Cuts a stream into messages. Holds one unfinished message at most.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Framer {
    #[serde(with = "warren_state::serial::hex")]
    partial: Vec<u8>,
}

impl Framer {
    /// Takes bytes off the front of `stream` until a message is complete; `None` when the stream is used up first.
    ///
    /// # Errors
    /// What to tell the peer when a header is malformed. The stream is of no use after that.
    pub fn next(&mut self, stream: &mut &[u8]) -> Result<Option<Frame>, Notification> {
        if !self.fill(HEADER, stream) {
            return Ok(None);
        }
        let (kind, length) = check_header(&self.partial)?;
        if !self.fill(length, stream) {
            return Ok(None);
        }
        let body = self.partial[HEADER..].to_vec();
        self.partial.clear();
        Ok(Some(Frame { kind, body }))
    }

    fn fill(&mut self, length: usize, stream: &mut &[u8]) -> bool {
        let missing = length.saturating_sub(self.partial.len()).min(stream.len());
        let (taken, rest) = stream.split_at(missing);
        self.partial.extend_from_slice(taken);
        *stream = rest;
        self.partial.len() >= length
    }
}

fn check_header(header: &[u8]) -> Result<(MessageKind, usize), Notification> {
    if header[..16] != [0xff; 16] {
        return Err(Notification::CONNECTION_NOT_SYNCHRONIZED);
    }
    let length_field = [header[16], header[17]];
    let length = usize::from(u16::from_be_bytes(length_field));
    let bad_length = || Notification::BAD_MESSAGE_LENGTH.with_data(length_field.to_vec());
    if !(HEADER..=LONGEST).contains(&length) {
        return Err(bad_length());
    }
    let kind = MessageKind::from_number(header[18])
        .ok_or_else(|| Notification::BAD_MESSAGE_TYPE.with_data(vec![header[18]]))?;
    if kind.allows(length) {
        Ok((kind, length))
    } else {
        Err(bad_length())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keepalive_is_nineteen_bytes() {
        let mut golden = vec![0xff; 16];
        golden.extend_from_slice(&[0, 19, 4]);
        assert_eq!(keepalive(), golden);
    }

    #[test]
    fn messages_come_out_whole_however_the_stream_is_cut() {
        let messages = [
            keepalive(),
            encode(MessageKind::Update, &[0; 60]),
            encode(MessageKind::Notification, &[6, 2]),
            keepalive(),
        ];
        let stream = messages.concat();
        for cut in 1..stream.len() {
            let mut framer = Framer::default();
            let mut seen = Vec::new();
            for mut chunk in stream.chunks(cut) {
                while let Some(frame) = framer.next(&mut chunk).unwrap() {
                    seen.push(frame.encode());
                }
            }
            assert_eq!(seen, messages, "cut every {cut} bytes");
        }
    }

    #[test]
    fn a_malformed_header_is_refused_with_the_code_that_the_rfc_asks_for() {
        let header = |marker: u8, length: u16, kind: u8| {
            let mut bytes = vec![marker; 16];
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.push(kind);
            bytes
        };
        for (bytes, code, data) in [
            (header(0xfe, 19, 4), (1, 1), vec![]),
            (header(0xff, 18, 4), (1, 2), vec![0, 18]),
            (header(0xff, 4097, 2), (1, 2), vec![16, 1]),
            (header(0xff, 20, 4), (1, 2), vec![0, 20]),
            (header(0xff, 28, 1), (1, 2), vec![0, 28]),
            (header(0xff, 22, 2), (1, 2), vec![0, 22]),
            (header(0xff, 20, 3), (1, 2), vec![0, 20]),
            (header(0xff, 19, 0), (1, 3), vec![0]),
            (header(0xff, 19, 6), (1, 3), vec![6]),
        ] {
            let error = Framer::default().next(&mut bytes.as_slice()).unwrap_err();
            assert_eq!((error.code, error.subcode), code, "{bytes:?}");
            assert_eq!(error.data, data, "{bytes:?}");
        }
    }
}

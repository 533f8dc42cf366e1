//! Server-sent events (WHATWG HTML, section 9.2.6 "Interpreting an event stream"): bytes in, frames out. Pure.

use std::mem::take;

/// A frame that is longer is none of ours; the state of many thousands of tunnels fits.
const LONGEST: usize = 64 << 20;
const BOM: &[u8] = "\u{feff}".as_bytes();

/// An event of the stream: its kind, position and data.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frame {
    /// What it is: empty where it does not say.
    pub name: String,
    /// Where it leaves whoever has it, where it says.
    pub id: Option<String>,
    /// What it says.
    pub data: String,
}

/// Takes a stream apart, at whatever bytes it is cut. What the end of a stream leaves unfinished is no frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frames {
    longest: usize,
    has_begun: bool,
    /// The last byte was a carriage return, which a line feed belongs to.
    after_return: bool,
    line: Vec<u8>,
    frame: Frame,
    has_data: bool,
    bytes: usize,
}

/// What comes in is no stream of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a frame of more than {0} bytes")]
pub struct TooLong(usize);

impl Default for Frames {
    fn default() -> Self {
        Self::up_to(LONGEST)
    }
}

impl Frames {
    /// Of which none is longer than this, in bytes.
    #[must_use]
    pub fn up_to(longest: usize) -> Self {
        Self {
            longest,
            has_begun: false,
            after_return: false,
            line: Vec::new(),
            frame: Frame::default(),
            has_data: false,
            bytes: 0,
        }
    }

    /// The frames that end in these bytes.
    ///
    /// # Errors
    /// When one is too long: the stream is of no use any more.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, TooLong> {
        let mut frames = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' if take(&mut self.after_return) => {}
                b'\r' | b'\n' => {
                    self.after_return = *byte == b'\r';
                    frames.extend(self.end_line());
                }
                other => {
                    self.after_return = false;
                    self.line.push(*other);
                    self.bytes += 1;
                    if self.bytes > self.longest {
                        return Err(TooLong(self.longest));
                    }
                }
            }
        }
        Ok(frames)
    }

    fn end_line(&mut self) -> Option<Frame> {
        let line = take(&mut self.line);
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let line = line.strip_prefix(BOM).filter(|_| is_first).unwrap_or(&line);
        if line.is_empty() {
            return self.end_frame();
        }
        let text = String::from_utf8_lossy(line);
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.frame.name = value.to_owned(),
            "id" if !value.contains('\0') => self.frame.id = Some(value.to_owned()),
            "data" => {
                if take(&mut self.has_data) {
                    self.frame.data.push('\n');
                }
                self.frame.data.push_str(value);
                self.has_data = true;
            }
            // A comment, or what is not for us.
            _ => {}
        }
        None
    }

    fn end_frame(&mut self) -> Option<Frame> {
        self.bytes = 0;
        let frame = take(&mut self.frame);
        take(&mut self.has_data).then_some(frame)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(name: &str, id: Option<&str>, data: &str) -> Frame {
        Frame {
            name: name.to_owned(),
            id: id.map(str::to_owned),
            data: data.to_owned(),
        }
    }

    const STREAM: &str = "\u{feff}: a comment\nevent: snapshot\nid: 1\ndata: {}\n\nretry: 5\n\ndata:a\r\ndata\rdata:  b\r\n\r\nid: x\0y\nevent: ü\ndata: 東\n\n\
                          data: never ends\n";

    fn expected() -> Vec<Frame> {
        vec![
            frame("snapshot", Some("1"), "{}"),
            frame("", None, "a\n\n b"),
            frame("ü", None, "東"),
        ]
    }

    proptest! {
        #[test]
        fn wherever_a_stream_is_cut_its_frames_are_the_same(cuts in proptest::collection::vec(0..STREAM.len(), 0..20)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let mut frames = Frames::default();
            let mut found = Vec::new();
            for pair in cuts.windows(2) {
                found.extend(frames.take(&STREAM.as_bytes()[pair[0]..pair[1]]).unwrap());
            }
            prop_assert_eq!(found, expected());
        }

        #[test]
        fn no_bytes_at_all_do_any_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let frames = Frames::up_to(1_000).take(&bytes);
            prop_assert!(frames.is_ok());
        }
    }

    #[test]
    fn a_frame_that_never_ends_is_given_up() {
        let mut frames = Frames::up_to(100);
        assert_eq!(frames.take(b"data: short\n\n").unwrap().len(), 1);
        let endless = b"data: and on and on\n".repeat(6);
        assert_eq!(frames.take(&endless), Err(TooLong(100)));
    }
}

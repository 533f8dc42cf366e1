//! A device's interfaces, in all their versions.

use serde::{Serialize, Serializer, ser::SerializeStruct};
use warren_state::Pubkey;

use super::{
    kinds::record,
    numbers::{Cyoa, InterfaceDia, InterfaceStatus, InterfaceType, LoopbackType, RoutingMode},
    wire::{Field, Flaw, Net, Reader},
};

/// The first version of an interface.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct InterfaceV1 {
    pub status: InterfaceStatus,
    pub name: String,
    pub itype: InterfaceType,
    pub loopback: LoopbackType,
    pub vlan: u16,
    pub ip_net: Net,
    pub node_segment: u16,
    /// Whether users' tunnels may end here.
    pub ute: bool,
}
record!(InterfaceV1 { status, name, itype, loopback, vlan, ip_net, node_segment, ute } 17);

/// The second version, which later versions contain.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct InterfaceV2 {
    pub status: InterfaceStatus,
    pub name: String,
    pub itype: InterfaceType,
    pub cyoa: Cyoa,
    pub dia: InterfaceDia,
    pub loopback: LoopbackType,
    pub bandwidth: u64,
    pub cir: u64,
    pub mtu: u16,
    pub routing_mode: RoutingMode,
    pub vlan: u16,
    pub ip_net: Net,
    pub node_segment: u16,
    /// Whether users' tunnels may end here.
    pub ute: bool,
}
record!(InterfaceV2 { status, name, itype, cyoa, dia, loopback, bandwidth, cir, mtu, routing_mode, vlan, ip_net, node_segment, ute } 38);

impl From<InterfaceV1> for InterfaceV2 {
    /// What the first version does not say is zero, but for the MTU: its interfaces have one of 9000.
    fn from(old: InterfaceV1) -> Self {
        const MTU: u16 = 9000;
        let InterfaceV1 {
            status,
            name,
            itype,
            loopback,
            vlan,
            ip_net,
            node_segment,
            ute,
        } = old;
        Self {
            status,
            name,
            itype,
            loopback,
            vlan,
            ip_net,
            node_segment,
            ute,
            mtu: MTU,
            ..Self::default()
        }
    }
}

impl InterfaceV2 {
    /// Every field that is there; those after the end have their defaults.
    fn read_what_is_there(reader: &mut Reader<'_>) -> Self {
        macro_rules! each {
            ($($field:ident)*) => {{
                let none = Self::default();
                Self { $($field: reader.tail(stringify!($field), none.$field),)* }
            }};
        }
        each!(status name itype cyoa dia loopback bandwidth cir mtu routing_mode vlan ip_net node_segment ute)
    }
}

/// A node's segment in one flexible algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct FlexAlgoNodeSegment {
    pub pk: Pubkey,
    pub node_segment: u16,
}
record!(FlexAlgoNodeSegment { pk, node_segment } 34);

/// An interface in the deprecated list: a variant number decides its length, so one with an unknown number hides all that
/// follows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InterfaceDeprecated {
    /// Variant 0.
    V1(InterfaceV1),
    /// Variant 1 or 2: the same body.
    V2 {
        /// Which of the two numbers.
        second: bool,
        /// The fields behind the header.
        body: InterfaceV2,
    },
    /// Variant 3, written for a short time.
    V3 {
        /// The fields behind the header.
        body: InterfaceV2,
        /// Dropped by the reference.
        segments: Vec<FlexAlgoNodeSegment>,
    },
}

impl InterfaceDeprecated {
    /// The interface in today's form; segments are dropped, as the reference does.
    #[must_use]
    pub fn upgrade(&self) -> Interface {
        let body = match self {
            Self::V1(body) => body.clone().into(),
            Self::V2 { second: _, body } | Self::V3 { body, segments: _ } => body.clone(),
        };
        Interface::new(body, Vec::new())
    }

    fn variant(&self) -> u8 {
        match self {
            Self::V1(_) => 0,
            Self::V2 { second: false, .. } => 1,
            Self::V2 { second: true, .. } => 2,
            Self::V3 { .. } => 3,
        }
    }
}

impl Serialize for InterfaceDeprecated {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a, T: Serialize> {
            variant: u8,
            #[serde(flatten)]
            body: &'a T,
            #[serde(skip_serializing_if = "Option::is_none")]
            segments: Option<&'a [FlexAlgoNodeSegment]>,
        }
        let variant = self.variant();
        match self {
            Self::V1(body) => Shown {
                variant,
                body,
                segments: None,
            }
            .serialize(serializer),
            Self::V2 { second: _, body } => Shown {
                variant,
                body,
                segments: None,
            }
            .serialize(serializer),
            Self::V3 { body, segments } => Shown {
                variant,
                body,
                segments: Some(segments),
            }
            .serialize(serializer),
        }
    }
}

impl Field for InterfaceDeprecated {
    const MIN: usize = 18;
    fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        match u8::read(reader)? {
            0 => Ok(Self::V1(Field::read(reader)?)),
            variant @ (1 | 2) => Ok(Self::V2 {
                second: variant == 2,
                body: Field::read(reader)?,
            }),
            3 => Ok(Self::V3 {
                body: Field::read(reader)?,
                segments: Field::read(reader)?,
            }),
            unknown @ 4.. => Err(Flaw::UnknownVariant(unknown)),
        }
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.variant());
        match self {
            Self::V1(body) => body.write(out),
            Self::V2 { second: _, body } => body.write(out),
            Self::V3 { body, segments } => {
                body.write(out);
                segments.write(out);
            }
        }
    }
    #[cfg(test)]
    fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
        match entropy.byte() % 4 {
            0 => Self::V1(Field::generate(entropy)),
            variant @ (1 | 2) => Self::V2 {
                second: variant == 2,
                body: Field::generate(entropy),
            },
            _ => Self::V3 {
                body: Field::generate(entropy),
                segments: Field::generate(entropy),
            },
        }
    }
}

/// An interface that carries its own size, so that a reader can step over what it does not know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// The record's size as it was read, in bytes, these two included. Written anew: the size of what is written.
    pub size: u16,
    /// 4 today.
    pub version: u8,
    /// The fields.
    pub body: InterfaceV2,
    /// Segments per flexible algorithm.
    pub flex_algo_node_segments: Vec<FlexAlgoNodeSegment>,
}

impl Interface {
    /// The version written today.
    pub const CURRENT: u8 = 4;
    /// Size (2 bytes) and version (1 byte), which the size includes.
    const PREFIX: usize = 3;

    /// An interface as it is written today.
    #[must_use]
    pub fn new(body: InterfaceV2, flex_algo_node_segments: Vec<FlexAlgoNodeSegment>) -> Self {
        let mut new = Self {
            size: 0,
            version: Self::CURRENT,
            body,
            flex_algo_node_segments,
        };
        new.size = new.written_size();
        new
    }

    fn written_size(&self) -> u16 {
        let mut out = Vec::new();
        self.body.write(&mut out);
        self.flex_algo_node_segments.write(&mut out);
        u16::try_from(Self::PREFIX + out.len()).unwrap_or(u16::MAX)
    }
}

impl Serialize for Interface {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            size: u16,
            version: u8,
            #[serde(flatten)]
            body: &'a InterfaceV2,
            flex_algo_node_segments: &'a [FlexAlgoNodeSegment],
        }
        let Self {
            size,
            version,
            body,
            flex_algo_node_segments,
        } = self;
        Shown {
            size: *size,
            version: *version,
            body,
            flex_algo_node_segments,
        }
        .serialize(serializer)
    }
}

impl Field for Interface {
    const MIN: usize = Self::PREFIX;
    /// Fields beyond the record's own size get their defaults; bytes beyond the fields that we know are stepped over.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        let size = u16::read(reader)?;
        let version = u8::read(reader)?;
        let rest = reader.take(
            usize::from(size)
                .checked_sub(Self::PREFIX)
                .ok_or(Flaw::Truncated)?,
        )?;
        let mut inner = Reader::new(rest);
        Ok(Self {
            size,
            version,
            body: InterfaceV2::read_what_is_there(&mut inner),
            flex_algo_node_segments: inner.tail("flex_algo_node_segments", Vec::new()),
        })
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.written_size().write(out);
        self.version.write(out);
        self.body.write(out);
        self.flex_algo_node_segments.write(out);
    }
    #[cfg(test)]
    fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
        Self {
            version: entropy.byte(),
            ..Self::new(Field::generate(entropy), Field::generate(entropy))
        }
    }
}

/// Serialises a number with its name and further fields: the form of enums that carry data.
pub(super) fn serialize_variant<S: Serializer>(
    serializer: S,
    value: u8,
    name: &str,
    fields: &[(&'static str, &dyn erased::Shown)],
) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_struct("Variant", 2 + fields.len())?;
    object.serialize_field("value", &value)?;
    object.serialize_field("name", name)?;
    for (key, field) in fields {
        object.serialize_field(key, &field.shown())?;
    }
    object.end()
}

/// A field of a variant, reduced to a JSON value (none of them holds a number above `u64`).
pub(super) mod erased {
    use serde::Serialize;

    pub(in super::super) trait Shown {
        fn shown(&self) -> serde_json::Value;
    }

    impl<T: Serialize> Shown for T {
        fn shown(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap_or(serde_json::Value::Null)
        }
    }
}

//! The mark of ownership on a link: its alias.
//!
//! `warren:<tunnel>:<incarnation>`, and for links whose endpoints the kernel does not know
//! `warren:<tunnel>:<incarnation> <local> <remote> <ttl>`. The alias alone decides who owns a link. The link group is a
//! second, weaker mark that can be set in the very request that creates a link: a link in it without an alias, and down, is
//! one whose making was cut short, and the next creation under its name takes its place.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use warren_state::{Incarnation, LinkSpec, TunnelId};

/// The link group of our links (`IFLA_GROUP`): "wa" in ASCII. Group 0 is the kernel's default.
pub const LINK_GROUP: u32 = 0x7761;

/// What the alias of one of our links says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Whose link it is.
    pub tunnel: TunnelId,
    /// Which incarnation of it.
    pub incarnation: Incarnation,
    /// Only where the kernel does not know them.
    pub endpoints: Option<Endpoints>,
}

/// The outer header of a tunnel's packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoints {
    /// The outer source address, where the kernel does not know it.
    pub local: Ipv4Addr,
    /// The outer destination address, where the kernel does not know it.
    pub remote: Ipv4Addr,
    /// The outer time to live.
    pub ttl: u8,
}

impl From<&LinkSpec> for Endpoints {
    fn from(spec: &LinkSpec) -> Self {
        Self {
            local: spec.local,
            remote: spec.remote,
            ttl: spec.ttl,
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "warren:{}:{}", self.tunnel, self.incarnation)?;
        match self.endpoints {
            Some(Endpoints { local, remote, ttl }) => write!(f, " {local} {remote} {ttl}"),
            None => Ok(()),
        }
    }
}

/// The alias is not one of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a mark of ownership")]
pub struct InvalidMark;

impl FromStr for Mark {
    type Err = InvalidMark;

    fn from_str(alias: &str) -> Result<Self, InvalidMark> {
        let mut words = alias.split(' ');
        let mut parts = words.next().unwrap_or_default().split(':');
        let (Some("warren"), Some(tunnel), Some(incarnation), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidMark);
        };
        let endpoints = match (words.next(), words.next(), words.next(), words.next()) {
            (None, None, None, None) => None,
            (Some(local), Some(remote), Some(ttl), None) => Some(Endpoints {
                local: local.parse().map_err(|_| InvalidMark)?,
                remote: remote.parse().map_err(|_| InvalidMark)?,
                ttl: ttl.parse().map_err(|_| InvalidMark)?,
            }),
            (Some(_) | None, _, _, _) => return Err(InvalidMark),
        };
        Ok(Self {
            tunnel: tunnel.parse().map_err(|_| InvalidMark)?,
            incarnation: Incarnation(incarnation.parse().map_err(|_| InvalidMark)?),
            endpoints,
        })
    }
}

#[cfg(test)]
mod tests {
    use warren_state::Pubkey;

    use super::*;

    #[test]
    fn a_mark_reads_back_as_it_was_written() {
        let endpoints = Endpoints {
            local: Ipv4Addr::new(198, 51, 100, 1),
            remote: Ipv4Addr::new(203, 0, 113, 9),
            ttl: 64,
        };
        for endpoints in [None, Some(endpoints)] {
            let mark = Mark {
                tunnel: TunnelId(Pubkey([7; 32])),
                incarnation: Incarnation(u64::MAX),
                endpoints,
            };
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
    }

    #[test]
    fn the_longest_mark_fits_the_kernels_alias() {
        let endpoint = Ipv4Addr::new(255, 255, 255, 255);
        let endpoints = Some(Endpoints {
            local: endpoint,
            remote: endpoint,
            ttl: 255,
        });
        let mark = Mark {
            tunnel: TunnelId(Pubkey([0xff; 32])),
            incarnation: Incarnation(u64::MAX),
            endpoints,
        };
        assert!(mark.to_string().len() < 256, "linux/if.h IFALIASZ");
    }

    #[test]
    fn an_alias_that_is_not_exactly_a_mark_is_not_ours() {
        let id = TunnelId(Pubkey([7; 32]));
        let near = [
            String::new(),
            "uplink to the office".to_owned(),
            "warren".to_owned(),
            format!("warren:{id}"),
            format!("warren:{id}:"),
            format!("warren:{id}:-1"),
            format!("warren:{id}:1:2"),
            format!("warren:{id}x:1"),
            format!("warren:{id}:1 10.0.0.1"),
            format!("warren:{id}:1 10.0.0.1 10.0.0.2 300"),
            format!("warren:{id}:1 10.0.0.1 10.0.0.2 64 x"),
            format!("Warren:{id}:1"),
        ];
        for alias in near {
            assert_eq!(alias.parse::<Mark>(), Err(InvalidMark), "{alias:?}");
        }
    }
}

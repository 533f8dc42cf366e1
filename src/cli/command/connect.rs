//! What hosts connect to the network with: `connect`, `disconnect` and `multicast`.

use std::time::Duration;

use clap::Subcommand;
use warren_state::Pubkey;

use super::span;
use crate::{USAGE, failure::Failure, network::groups::GroupCommand};

/// `warren connect`: everything that the access pass allows, unless a service is named.
#[derive(clap::Args)]
#[command(subcommand_precedence_over_arg = true)]
pub struct Connect {
    /// The service to connect with.
    #[command(subcommand)]
    pub service: Option<Service>,
    /// Without a service: the tenant, by its code or account.
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// Without a service: use an address of the device's instead of the host's own.
    #[arg(long)]
    pub allocate_addr: bool,
    /// How and how long.
    #[command(flatten)]
    pub how: ConnectOptions,
}

/// Which device, and how long to wait.
#[derive(clap::Args, Clone, Debug)]
pub struct ConnectOptions {
    /// The device, by its code or account, instead of the nearest one that has room.
    #[arg(long, global = true, value_name = "DEVICE")]
    pub device: Option<String>,
    /// The service that proves this host's address; without it `DZ_IP_VERIFIER_URL`, then the configuration's, then the
    /// environment's. An empty text for none.
    #[arg(long, global = true, value_name = "URL")]
    pub ip_verifier_url: Option<String>,
    /// Use this public address of the host from now on; an access pass must be issued for it.
    #[arg(long, global = true, value_name = "IP")]
    pub client_ip: Option<std::net::Ipv4Addr>,
    /// How long to wait for the daemon, or not at all.
    #[command(flatten)]
    pub wait: Wait,
}

/// Which pass, and how long to wait for the daemon.
#[derive(clap::Args, Clone, Debug)]
pub struct Wait {
    /// The access pass of a user that does not record its own, where two would match.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub access_pass: Option<String>,
    /// Do not wait for the daemon: it goes on by itself.
    #[arg(long, global = true)]
    pub no_wait: bool,
    /// How long to wait for the daemon at most.
    #[arg(long, global = true, value_name = "SPAN", value_parser = span, default_value = "2m")]
    pub timeout: Duration,
    /// Show every step, including those that are usually left out.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

impl Wait {
    /// The pass that is named.
    ///
    /// # Errors
    /// When it is no account's address.
    pub fn access_pass(&self) -> Result<Option<Pubkey>, Failure> {
        let parsed = self.access_pass.as_deref().map(|text| {
            let what = format!("--access-pass: {text:?} is not an account's address");
            text.parse().map_err(|_| Failure {
                code: USAGE,
                what,
                advice: None,
            })
        });
        parsed.transpose()
    }
}

/// `warren move`.
#[derive(clap::Args, Clone, Debug)]
pub struct Move {
    /// By how much another device must be nearer, in each round of measurements.
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "5ms")]
    pub if_better_by: Duration,
    /// For how long; the daemon remembers 32 rounds (5 minutes each by default).
    #[arg(long = "for", value_name = "SPAN", value_parser = span, default_value = "1h")]
    pub lasting: Duration,
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// The service that proves this host's address, as for `connect`.
    #[arg(long, value_name = "URL")]
    pub ip_verifier_url: Option<String>,
    /// Which pass, and how long to wait for the daemon.
    #[command(flatten)]
    pub wait: Wait,
}

impl Move {
    /// How it connects: to whichever device that is.
    #[must_use]
    pub fn how(&self) -> ConnectOptions {
        ConnectOptions {
            device: None,
            ip_verifier_url: self.ip_verifier_url.clone(),
            client_ip: None,
            wait: self.wait.clone(),
        }
    }
}

/// A service to connect to.
#[derive(Subcommand)]
pub enum Service {
    /// Unicast: the host's own address, or one of the device's with --allocate-addr.
    #[command(alias = "unicast")]
    Ibrl {
        /// The tenant's code; without it the configuration's, then the first one that the access pass allows.
        tenant: Option<String>,
        /// Use an address of the device's instead of the host's own.
        #[arg(short, long)]
        allocate_addr: bool,
    },
    /// Multicast: all groups that the access pass allows, unless some are named.
    Multicast {
        /// `publisher` or `subscriber`, for the groups that follow.
        #[arg(requires = "groups")]
        role: Option<GroupRole>,
        /// The codes of the groups.
        #[arg(value_name = "GROUP")]
        groups: Vec<String>,
        /// Groups to send to.
        #[arg(long, value_name = "GROUP", num_args = 1.., conflicts_with = "role")]
        publish: Vec<String>,
        /// Groups to receive from.
        #[arg(long, value_name = "GROUP", num_args = 1.., conflicts_with = "role")]
        subscribe: Vec<String>,
        /// The codes of feeds to join.
        #[arg(long, value_name = "FEED", num_args = 1..)]
        subscribe_feed: Vec<String>,
        /// The codes of feeds to leave.
        #[arg(long, value_name = "FEED", num_args = 1..)]
        unsubscribe_feed: Vec<String>,
    },
}

/// What a host does with a group.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupRole {
    /// The role of a host that sends to the group.
    Publisher,
    /// The role of a host that receives from the group.
    Subscriber,
}

/// `warren disconnect`.
#[derive(clap::Args)]
pub struct Disconnect {
    /// Only users of this service; all without it.
    pub service: Option<ServiceName>,
    /// Only users on this device, by its code or account.
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// The host's public address, where the daemon does not tell it.
    #[arg(long, value_name = "IP", hide = true)]
    pub client_ip: Option<std::net::Ipv4Addr>,
    /// How long to wait for the daemon, or not at all.
    #[command(flatten)]
    pub wait: Wait,
}

/// A service by its name.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceName {
    /// Every service without multicast.
    #[value(alias = "unicast")]
    Ibrl,
    /// A tunnel for groups to send to or receive from.
    Multicast,
}

/// What to do with groups.
#[derive(Subcommand)]
pub enum MulticastVerb {
    /// Change what this host does with them.
    #[command(flatten)]
    Change(MulticastCommand),
    /// Look at the groups on the ledger.
    Group {
        /// What to look at.
        #[command(subcommand)]
        command: GroupCommand,
    },
}

/// What to change about groups.
#[derive(Subcommand)]
pub enum MulticastCommand {
    /// Start receiving from groups.
    Subscribe(Groups),
    /// Stop receiving from groups.
    Unsubscribe(Groups),
    /// Start sending to groups.
    Publish(Groups),
    /// Stop sending to groups.
    Unpublish(Groups),
}

/// Groups, by their codes.
#[derive(clap::Args)]
pub struct Groups {
    /// The codes of the groups.
    #[arg(required = true, value_name = "GROUP")]
    pub groups: Vec<String>,
    /// The host's public address, where the daemon does not tell it.
    #[arg(long, value_name = "IP", hide = true)]
    pub client_ip: Option<std::net::Ipv4Addr>,
    /// How long to wait for the daemon, or not at all.
    #[command(flatten)]
    pub wait: Wait,
}

//! This host: its daemon, its address, its pass.

use std::{net::Ipv4Addr, time::Duration};

use nix::net::if_::InterfaceFlags;
use tokio::time::{Instant, sleep};
use warren_api::{client::Client, v3};
use warren_ledger::accounts::{AccessPass, PassType, UserType};
use warren_state::{Pubkey, RoleKind, ServiceKind};

use crate::{environment, failure::Failure, notes, operator::Operator, output};

/// A daemon that has just been started finds this host's public address within this.
const LOOKING: Duration = Duration::from_secs(10);

/// Asks the daemon how it is, and makes sure that it watches the same program of the same ledger.
///
/// # Errors
/// When it does not answer, or watches another program.
pub async fn daemon(daemon: &Client, operator: &Operator) -> Result<v3::Status, Failure> {
    let status = settled(daemon).await?;
    match status.ledger.program_id.parse() {
        Ok(daemon) if daemon == operator.program_id => {}
        daemon => {
            return Err(environment::differ(
                operator.program_id,
                daemon.unwrap_or_default(),
            ));
        }
    }
    if status.stopping {
        return Err(Failure::no_daemon(
            "the daemon is stopping",
            "Start it with `systemctl start warrend`.",
        ));
    }
    Ok(status)
}

/// What the daemon says; one that is still looking for this host's public address is waited for.
async fn settled(daemon: &Client) -> Result<v3::Status, Failure> {
    let deadline = Instant::now() + LOOKING;
    loop {
        let status = daemon.status().await.map_err(Failure::from)?;
        let is_looking = status.client_ip.is_none()
            && status.client_ip_error.is_none()
            && status.role != RoleKind::Gateway;
        if !is_looking || Instant::now() >= deadline {
            return Ok(status);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// This host's public address, as the daemon knows it; the one that was named only where it does not. A tunnel for another address
/// would never come up here.
///
/// # Errors
/// When neither is there.
pub fn own_address(status: &v3::Status, named: Option<Ipv4Addr>) -> Result<Ipv4Addr, Failure> {
    match (address_of(status), named) {
        (Ok(known), Some(named)) if named != known => {
            output::note(&format!(
                "--client-ip {named} is ignored: the daemon knows that this host is {known} (it uses {named} when it is started with -client-ip {named})"
            ));
            Ok(known)
        }
        (Ok(known), _) => Ok(known),
        (Err(_), Some(named)) => Ok(named),
        (Err(failure), None) => Err(failure),
    }
}

/// This host's public address: the one that was named, else the daemon's.
///
/// # Errors
/// When neither is there.
pub async fn client_ip(daemon: &Client, named: Option<Ipv4Addr>) -> Result<Ipv4Addr, Failure> {
    match named {
        Some(ip) => Ok(ip),
        None => address_of(&settled(daemon).await?),
    }
}

/// This host's public address, as the daemon knows it.
///
/// # Errors
/// When it does not.
pub fn address_of(status: &v3::Status) -> Result<Ipv4Addr, Failure> {
    let known = status.client_ip.as_deref().and_then(|ip| ip.parse().ok());
    known.ok_or_else(|| {
        let why = notes::no_address(status);
        Failure::new(
            why.unwrap_or_else(|| "the daemon does not know this host's public address".to_owned()),
            "Start the daemon with -client-ip ADDRESS, or set client_ip in /etc/warren/warren.toml.",
        )
    })
}

/// The addresses of this host's interfaces that are up and running.
///
/// # Errors
/// When they cannot be listed.
pub fn addresses_up() -> std::io::Result<Vec<Ipv4Addr>> {
    let is_up = |flags: InterfaceFlags| flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING);
    let up = nix::ifaddrs::getifaddrs()?.filter(|entry| is_up(entry.flags));
    Ok(up
        .filter_map(|entry| {
            entry
                .address
                .as_ref()?
                .as_sockaddr_in()
                .map(|address| address.ip())
        })
        .collect())
}

/// There is no access pass.
pub fn no_pass(payer: &Pubkey, client_ip: Ipv4Addr) -> Failure {
    Failure::new(
        format!("there is no access pass for {payer} at {client_ip}"),
        format!(
            "Ask the network's operators for an access pass for address {payer} and host {client_ip}, then run the command again."
        ),
    )
}

/// The name of a service, as status shows it.
pub fn service_name(user_type: UserType) -> String {
    ServiceKind::ALL.get(usize::from(user_type.0)).map_or_else(
        || format!("unknown ({})", user_type.0),
        |kind| kind.name().to_owned(),
    )
}

/// The name of a pass's type.
pub fn pass_name(pass: &AccessPass) -> String {
    match &pass.pass_type {
        PassType::Prepaid => "prepaid".to_owned(),
        PassType::SolanaValidator(_) => "solana validator".to_owned(),
        PassType::SolanaRpc(_) => "solana rpc".to_owned(),
        PassType::Others { type_name, .. } => type_name.clone(),
        PassType::EdgeSeat(seats) => format!("edge seat ({} feeds)", seats.len()),
    }
}

//! `connect --client-ip`: this host goes by an address that its operator chose.
//!
//! The daemon pins it when it is enabled. A pass that lets in any address is no leave to choose one: only a pass for exactly
//! the address is, and only where no other pass counts before it.

use std::net::Ipv4Addr;

use serde_json::json;
use warren_api::{open_enum::OpenEnum, v3};
use warren_state::address::is_public;

use super::{host, passes::Passes, session::LedgerSession};
use crate::failure::Failure;

/// Has the daemon go by this address, which it may do already.
///
/// # Errors
/// When the address cannot be used on this host or with this keypair, or the daemon refuses it.
pub async fn settle(
    session: &LedgerSession<'_>,
    status: &v3::Status,
    named: Ipv4Addr,
) -> Result<Ipv4Addr, Failure> {
    if status.client_ip.as_deref() == Some(named.to_string().as_str()) {
        return Ok(named);
    }
    usable(status, named, host::addresses_up().ok().as_deref())?;
    let passes = session.passes(named, &session.payer).await?;
    authorised(&passes, named, session)?;
    session
        .daemon
        .enable(Some(named), Some(session.payer))
        .await
        .map_err(|error| {
            let advice = format!(
                "The address was not pinned. Alternatively, start the daemon with -client-ip {named}."
            );
            Failure {
                advice: Some(advice),
                ..Failure::from(error)
            }
        })?;
    session.steps.done(
        "address",
        &format!("Using --client-ip {named}"),
        json!({ "client_ip": named.to_string(), "pinned": true }),
    );
    Ok(named)
}

/// Whether the daemon could go by it; `up` are the addresses of this host's interfaces that are up, where they are known.
fn usable(status: &v3::Status, named: Ipv4Addr, up: Option<&[Ipv4Addr]>) -> Result<(), Failure> {
    let unusable = |why: &str, advice: String| {
        Err(Failure::new(
            format!("--client-ip {named} cannot be used here: {why}"),
            advice,
        ))
    };
    if status.client_ip_source.as_ref().and_then(OpenEnum::known) == Some(v3::AddressSource::Flag) {
        let now = status.client_ip.as_deref().unwrap_or("another address");
        let why = format!("the daemon was started with -client-ip {now}, which takes precedence");
        return unusable(
            &why,
            format!("Start the daemon with -client-ip {named}, or without it, and run the command again."),
        );
    }
    if !is_public(named) {
        let why = "it is not a globally routable address (loopback, private, CGNAT, documentation and other reserved ranges cannot be used as a \
                   DoubleZero client IP)";
        return unusable(why, "Name a public address of this host.".to_owned());
    }
    if up.is_some_and(|up| !up.contains(&named)) {
        let why = "it is not assigned to any interface that is up on this host, so the tunnel could not be sourced from it";
        return unusable(
            why,
            format!(
                "`ip -4 addr` lists this host's addresses. Behind a 1:1 NAT start the daemon with -client-ip {named} instead."
            ),
        );
    }
    Ok(())
}

fn authorised(passes: &Passes, named: Ipv4Addr, session: &LedgerSession<'_>) -> Result<(), Failure> {
    const ALLOWS_MULTIPLE: u8 = 2;
    let discovered = "Connect without --client-ip to use the address that the daemon discovered, or start the daemon with -client-ip.";
    let Some(exact) = passes.exact() else {
        return Err(Failure::new(
            format!("no access pass is pinned to {named} for {}", session.payer),
            format!(
                "--client-ip requires an AccessPass issued for that exact address. A dynamic access pass does not authorize a caller-chosen IP. {discovered}"
            ),
        ));
    };
    if exact.allows.flags & ALLOWS_MULTIPLE != 0 {
        return Err(Failure::new(
            format!(
                "the access pass {} of {named} allows several addresses, so that it does not vouch for this one",
                exact.key
            ),
            discovered,
        ));
    }
    if let Some(any) = passes.for_any() {
        return Err(Failure::new(
            format!(
                "the access pass {} for any address takes precedence over {}, which is for {named}",
                any.key, exact.key
            ),
            discovered,
        ));
    }
    Ok(())
}

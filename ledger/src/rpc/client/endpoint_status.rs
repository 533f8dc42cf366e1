//! One small question that tells how an endpoint is: its slot, its time, and the program's version.

use tokio::time::Instant;
use warren_state::Slot;

use super::{LedgerClient, LookupError, Upstream};
use crate::{
    accounts::{Account, ProgramConfig, decode},
    pda::Pda,
    rpc::{
        accounts::{Raw, SlotRequirement},
        read::{CLOCK, unix_seconds},
    },
};

/// How an endpoint is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointStatus {
    /// The slot that it answers from.
    pub slot: Slot,
    /// The ledger's time at that slot: Unix time in seconds, agreed on by the validators to some seconds.
    pub unix_seconds: Option<i64>,
    /// The time of the endpoint itself, where it tells it in its answers: Unix time in seconds.
    pub server_seconds: Option<i64>,
    /// The program's version and the oldest client that it takes.
    pub program: Option<ProgramConfig>,
}

impl LedgerClient {
    /// Looks at the ledger's clock and the program's version, in one request.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn endpoint_status(&self, deadline: Instant) -> Result<EndpointStatus, LookupError> {
        let program_config = Pda::new(self.settings.program_id).program_config().address;
        let wanted = [CLOCK, program_config];
        let ask = async |upstream: &Upstream| {
            upstream
                .accounts(&self.settings)
                .at_addresses(&wanted, SlotRequirement::Any)
                .await
        };
        let found = self.try_each(deadline, ask).await?;
        let slot = found.slots.map(|slots| slots.lowest).unwrap_or_default();
        let server_seconds = self
            .counters
            .server_seconds
            .load(std::sync::atomic::Ordering::Relaxed);
        let server_seconds = i64::try_from(server_seconds).ok().filter(|seconds| *seconds > 0);
        let mut endpoint_status = EndpointStatus {
            slot,
            unix_seconds: None,
            server_seconds,
            program: None,
        };
        for raw in found.accounts {
            if raw.pubkey == CLOCK {
                endpoint_status.unix_seconds = raw.data.ok().and_then(|data| unix_seconds(&data));
            } else if raw.owner == self.settings.program_id {
                endpoint_status.program = program(raw);
            }
        }
        Ok(endpoint_status)
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "one kind of twenty is looked for")]
fn program(raw: Raw) -> Option<ProgramConfig> {
    match decode(&raw.data.ok()?).ok()? {
        Account::ProgramConfig(program) => Some(program),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use warren_state::Pubkey;

    use super::*;
    use crate::{
        accounts::Version,
        rpc::{Endpoint, RpcSettings},
        testing::{FakeLedger, PROGRAM},
    };

    #[tokio::test]
    async fn a_glance_tells_slot_time_and_version_and_does_without_what_is_not_there() {
        let ledger = FakeLedger::start().await;
        let client = LedgerClient::new(RpcSettings::new(
            vec![Endpoint::http(&ledger.url()).unwrap()],
            PROGRAM,
        ))
        .unwrap();
        let soon = || Instant::now() + Duration::from_secs(20);
        let nothing = client.endpoint_status(soon()).await.unwrap();
        assert_eq!(
            (nothing.unix_seconds, nothing.server_seconds, nothing.program),
            (None, None, None)
        );

        let mut clock = vec![0; 32];
        clock.extend(1_760_464_781_i64.to_le_bytes());
        ledger.put_raw(CLOCK, Pubkey([7; 32]), clock);
        let version = |minor| Version {
            major: 0,
            minor,
            patch: 1,
        };
        let config = ProgramConfig {
            bump: 1,
            version: version(34),
            min_compatible: version(30),
        };
        ledger.put(Pda::new(PROGRAM).program_config().address, &config.into());
        let endpoint_status = client.endpoint_status(soon()).await.unwrap();
        assert_eq!(endpoint_status.unix_seconds, Some(1_760_464_781));
        let program = endpoint_status.program.unwrap();
        assert_eq!(
            (program.version, program.min_compatible),
            (version(34), version(30))
        );
        assert!(endpoint_status.slot >= nothing.slot);
    }
}

//! What can be done about a user that gets no tunnel.

/// For an operator of this host, by the code of the refusal.
pub(super) fn fix(code: &str) -> &'static str {
    match code {
        "not_activated" => {
            "ask whoever runs the network: the tunnel comes by itself once they activate the user"
        }
        "other_owner" => {
            "the daemon's -owner says whose users count: start it with another one, should this be yours"
        }
        "not_ours" => "nothing is to be done here: its tunnel is another host's",
        "quarantined" | "unknown_status" | "unknown_kind" | "not_supported_yet" => {
            "a newer version of warren may know it"
        }
        "duplicate" | "link_name_in_use" | "endpoints_in_use" => {
            "`warren disconnect` takes away the one that is not needed"
        }
        "no_source" => "`warren doctor` looks at this host's addresses and ways",
        _ => "ask whoever runs the network: only they can mend what the ledger has of it",
    }
}

//! What is printed, held to the reference's own output.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use warren_e2e::{
    operator::{Operator, Said},
    site::Site,
};

use crate::Scenario;

pub const ALL: &[Scenario] = &[("what_stands_on_the_ledger_is_listed_by_the_documented_verbs", lists)];

fn lists(site: &mut Site<'_>) -> Result<()> {
    let daemon = site.start_daemon()?;
    let operator = Operator::with_pass(site, &daemon, |_| {})?;
    let (tenant, account) = site.network.new_tenant("acme", 7)?;
    site.put(tenant, account)?;
    let (group, account) = site.network.new_group(1, "mg01", Ipv4Addr::new(233, 84, 178, 1));
    site.put(group, account)?;
    let (feed, account) = site.network.new_feed("news", vec![group])?;
    site.put(feed, account)?;
    site.network
        .edit_device(site.device_key(), |device| (device.max_users, device.users_count, device.max_unicast_users) = (128, 8, 20))?;

    let json = |said: Said| -> Result<Value> { serde_json::from_str(&said.out).with_context(|| said.to_string()) };
    for (words, part) in [
        ("device list", "ams-dz01"),
        ("device get --code ams-dz01", "ams-dz01"),
        ("multicast group list", "233.84.178.1"),
        ("multicast group get --code MG01", "1Gbps"),
        ("feed list", "mg01"),
        ("feed get --pubkey news", "news"),
        ("location list", "Amsterdam"),
        ("exchange list", "(none)"),
        ("tenant list", "acme"),
        ("link list", ""),
        ("contributor list", ""),
        ("access-pass list", "prepaid"),
        ("user list", ""),
        ("help", "device"),
        ("help multicast", "group"),
    ] {
        let typed: Vec<&str> = words.split(' ').collect();
        operator.succeeds(site, &typed)?.tells(&[part])?;
        if typed[0] != "help" {
            let compact = operator.succeeds(site, &[&typed[..], &["--json-compact"]].concat())?;
            ensure!(compact.out.lines().count() == 1, "{compact}");
            ensure!(json(compact)? == json(operator.succeeds(site, &[&typed[..], &["--json"]].concat())?)?, "{words}: not the same");
        }
    }
    let seats = json(operator.succeeds(site, &["device", "list", "--json"])?)?;
    ensure!(seats[0]["free_unicast"] == 20 && seats[0]["free_subscribers"] == 120, "{seats}");
    ensure!(json(operator.succeeds(site, &["device", "list", "--status", "drained", "--json"])?)? == Value::Array(vec![]), "a filter");
    let nobody = operator.warren(&["device", "list", "--contributor", "nobody"])?;
    ensure!(nobody.code == 1, "{nobody}");
    nobody.tells(&["Contributor 'nobody' not found"])?;

    let stays_out = operator.warren(&["device", "create", "--code", "x"])?;
    ensure!(stays_out.code == 2 && stays_out.out.is_empty(), "{stays_out}");
    stays_out.tells(&["`device create` administers the network", "`doublezero` of malbeclabs/doublezero"])?;

    let reference = operator.who_types("doublezero");
    let device = reference.succeeds(site, &["device", "list"])?;
    ensure!(!device.out.contains("-+-") && !device.out.contains("free_") && device.out.ends_with(" \n"), "{device}");
    let stays_out = reference.warren(&["user", "delete", "--pubkey", "x"])?;
    ensure!(stays_out.code == 2 && stays_out.err.starts_with("Error: `user delete`"), "{stays_out}");
    Ok(())
}

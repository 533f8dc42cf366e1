//! What Prometheus's own client tells of a process, under its names, read from proc(5).

use std::fs;

use super::page::Page;

/// linux/asm-generic/param.h `USER_HZ`: the unit of times in proc_pid_stat(5).
const TICKS: f64 = 100.0;
/// What Prometheus's client shows where there is no limit.
const UNLIMITED: f64 = u64::MAX as f64;

pub(super) fn write(page: &mut Page) -> Result<(), prometheus::Error> {
    let own = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let (stat, limits, netstat) = (own("stat"), own("limits"), own("net/netstat"));
    let host = fs::read_to_string("/proc/stat").unwrap_or_default();
    let booted = host
        .lines()
        .find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
    let field = |number| stat_field(&stat, number);
    if let (Some(user), Some(system)) = (field(14), field(15)) {
        page.seconds_total(
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
            (user + system) / TICKS,
        )?;
    }
    let open = fs::read_dir("/proc/self/fd")
        .map(Iterator::count)
        .ok()
        .map(|count| count as f64);
    let started = booted
        .zip(field(22))
        .map(|(booted, ticks)| booted + ticks / TICKS);
    let resident = memory(&own("status"), "VmRSS:");
    for (name, help, value) in [
        ("process_open_fds", "Number of open file descriptors.", open),
        (
            "process_max_fds",
            "Maximum number of open file descriptors.",
            limit(&limits, "Max open files"),
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            field(23),
        ),
        (
            "process_virtual_memory_max_bytes",
            "Maximum amount of virtual memory available in bytes.",
            limit(&limits, "Max address space"),
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            resident,
        ),
        (
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            started,
        ),
    ] {
        value.map_or(Ok(()), |value| page.number(name, help, value))?;
    }
    for (name, help, octets) in [
        (
            "process_network_receive_bytes_total",
            "Number of bytes received by the process over the network.",
            "InOctets",
        ),
        (
            "process_network_transmit_bytes_total",
            "Number of bytes sent by the process over the network.",
            "OutOctets",
        ),
    ] {
        ip_counter(&netstat, octets).map_or(Ok(()), |octets| page.total(name, help, octets))?;
    }
    Ok(())
}

/// The field of this number, from 1, as proc_pid_stat(5) counts them. The second one, a name, may hold anything.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name
        .split_whitespace()
        .nth(number.checked_sub(3)?)?
        .parse()
        .ok()
}

/// The soft limit.
fn limit(limits: &str, name: &str) -> Option<f64> {
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix(name))?
        .split_whitespace()
        .next()?;
    if soft == "unlimited" {
        Some(UNLIMITED)
    } else {
        soft.parse().ok()
    }
}

/// In bytes; proc_pid_status(5) has kilobytes.
fn memory(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

/// Of the two lines for IP's extensions: the names, and the numbers. As in Prometheus's client they are those of the network
/// namespace.
fn ip_counter(netstat: &str, name: &str) -> Option<u64> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("IpExt:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    names
        .split_whitespace()
        .zip(numbers.split_whitespace())
        .find(|(of, _)| *of == name)?
        .1
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read_as_it_is_written() {
        let stat =
            "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 12345 104857600 2560 184 1";
        assert_eq!(
            [14, 15, 22, 23].map(|number| stat_field(stat, number)),
            [250.0, 50.0, 12345.0, 104_857_600.0].map(Some)
        );
        assert_eq!((stat_field("", 14), stat_field(stat, 99)), (None, None));
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n\
                      Max address space         unlimited            unlimited            bytes     \n";
        assert_eq!(
            (
                limit(limits, "Max open files"),
                limit(limits, "Max address space")
            ),
            (Some(1024.0), Some(UNLIMITED))
        );
        assert_eq!(
            memory("VmSize:\t 9 kB\nVmRSS:\t    10 kB\n", "VmRSS:"),
            Some(10_240.0)
        );
        let netstat = "TcpExt: A B\nTcpExt: 1 2\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 1 22 333\n";
        assert_eq!(
            (ip_counter(netstat, "OutOctets"), ip_counter(netstat, "Other")),
            (Some(333), None)
        );
    }
}

//! The configuration, as the actors take it.

use anyhow::Context;
use warren_actors::{
    BgpSettings, Password,
    caps::{AuthoritySettings, CapSource, CapsSettings, DeviceKind, Protocol},
    latency::LatencyOptions,
    liveness::LivenessOptions,
    recorders::{self, FileSettings, HttpOutput, OnFailure, Output, RecordersSettings},
};
use warren_api::version::VERSION;
use warren_config::{
    Config,
    bgp::BgpConfig,
    caps::Source,
    liveness::LivenessConfig,
    metering::{self, HttpConfig, RecorderKind},
};
use warren_ledger::Connector;
use warren_metering::recorder::Rotation;
use warren_protocols::{
    latency::LatencySettings,
    liveness::{LivenessSettings, PORT, Release},
};

/// Where what was used is kept, in the state directory.
const METERING: &str = "metering";

/// The BGP sessions.
pub fn bgp(config: &BgpConfig) -> BgpSettings {
    BgpSettings {
        hold_time: config.hold_time.0,
        max_prefixes: config.max_prefixes,
        password: config
            .password
            .as_ref()
            .map(|secret| Password::new(secret.reveal())),
        ..BgpSettings::default()
    }
}

/// Route liveness; none when it is off.
pub fn liveness(config: &LivenessConfig) -> Option<LivenessOptions> {
    let settings = LivenessSettings {
        tx_min: config.tx_min.0,
        rx_min: config.rx_min.0,
        detect_mult: config.detect_mult,
        floor: config.min_tx_floor.0,
        ceiling: config.max_tx_ceil.0,
        backoff_max: config.backoff_max.0,
        release: release(VERSION),
        ..LivenessSettings::default()
    };
    config.mode().map(|mode| LivenessOptions {
        mode,
        settings,
        port: PORT,
    })
}

/// Latency probing; none when nothing is probed.
pub fn latency(config: &Config) -> Option<LatencyOptions> {
    let latency = &config.latency;
    config.measures_latency().then(|| LatencyOptions {
        settings: LatencySettings {
            period: latency.probe_interval.0,
            ..LatencySettings::default()
        },
        list_interval: latency.cache_update_interval.map(|span| span.0),
        probe_tunnel_endpoints: latency.probe_tunnel_endpoints,
        probe_all_devices: latency.probe_all_devices,
    })
}

/// The recorders.
///
/// # Errors
/// When the file with a receiver's token cannot be read.
pub fn recorders(config: &Config, connector: &Connector) -> anyhow::Result<RecordersSettings> {
    let metering = &config.metering;
    let mut outputs = Vec::new();
    for backend in metering.backends() {
        outputs.push(match backend {
            RecorderKind::File => ("file".to_owned(), Output::File(ledger_file(config))),
            RecorderKind::Stderr => ("stderr".to_owned(), Output::Stderr),
            RecorderKind::Http => (
                "http".to_owned(),
                Output::Http(receiver(&metering.http, connector)?),
            ),
            RecorderKind::Nop | RecorderKind::Tee => continue,
        });
    }
    let collector = metering.ipfix.collector.clone();
    outputs.extend(collector.map(|collector| ("ipfix".to_owned(), Output::Ipfix(collector))));
    Ok(RecordersSettings {
        outputs,
        on_failure: match metering.on_failure {
            metering::OnFailure::Stop => OnFailure::Stop,
            metering::OnFailure::Degrade => OnFailure::Degrade,
        },
        directory: config.state_dir.join(METERING),
    })
}

/// What may be used.
///
/// # Errors
/// When there is no such time zone, or no way to the authority.
pub fn caps(config: &Config, connector: &Connector) -> anyhow::Result<CapsSettings> {
    let caps = &config.caps;
    let sidecar = caps.url.as_ref();
    let sidecar = sidecar.map(|url| (Protocol::Http, url.endpoint().secret_url().to_string()));
    let service = caps.grpc_api.clone().map(|url| (Protocol::Grpc, url));
    let tls = caps.tls.as_ref();
    let authority = sidecar.or(service).map(|(protocol, url)| {
        AuthoritySettings {
            protocol,
            url,
            ca_cert: tls.map(|tls| tls.ca_cert.clone()),
            client_cert: tls.map(|tls| tls.client_cert.clone()),
            client_key: tls.map(|tls| tls.client_key.clone()),
            insecure_dev: caps.insecure_dev,
        }
        .open(connector)
    });
    Ok(CapsSettings {
        source: match caps.source {
            Source::None => CapSource::None,
            Source::Local => CapSource::Local,
            Source::Http => CapSource::Http,
            Source::Grpc => CapSource::Grpc,
        },
        policy: caps.policy()?,
        device_id: match caps.device_id {
            warren_config::caps::DeviceKind::Owner => DeviceKind::Owner,
            warren_config::caps::DeviceKind::User => DeviceKind::User,
            warren_config::caps::DeviceKind::ClientIp => DeviceKind::ClientIp,
        },
        file: config.state_dir.join(METERING).join("caps.json"),
        authority: authority.transpose()?,
        batch_interval: caps.batch_interval.0,
        cache_ttl: caps.cache_ttl.0,
        country_code: caps.country_code.clone(),
        platform: caps.platform.clone(),
    })
}

fn ledger_file(config: &Config) -> FileSettings {
    let file = &config.metering.file;
    let usual = || config.state_dir.join(METERING).join("ledger.jsonl");
    FileSettings {
        path: file.path.clone().unwrap_or_else(usual),
        makes_directory: file.path.is_none(),
        rotation: (file.max_mib > 0).then_some(Rotation {
            max_bytes: u64::from(file.max_mib) << 20,
            keep: file.keep,
        }),
        sync: match file.sync {
            metering::Sync::Always => recorders::Sync::Always,
            metering::Sync::Never => recorders::Sync::Never,
        },
    }
}

fn receiver(http: &HttpConfig, connector: &Connector) -> anyhow::Result<HttpOutput> {
    let token = http.token_file.as_ref().map(|path| {
        let text = std::fs::read_to_string(path);
        text.with_context(|| format!("metering.http.token_file {}", path.display()))
    });
    let url = http
        .url
        .as_ref()
        .map(|url| url.endpoint().secret_url().to_string());
    Ok(HttpOutput {
        url: url.unwrap_or_default(),
        token: token.transpose()?.map(|text| text.trim().to_owned()),
        batch: usize::try_from(http.batch)?,
        connector: connector.clone(),
    })
}

/// What peers are told that we run.
fn release(version: &str) -> Release {
    let (numbers, channel) = version
        .split_once('-')
        .map_or((version, 0), |(numbers, _)| (numbers, 4));
    let mut parts = numbers.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    Release {
        numbers: [next(), next(), next()],
        channel,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use warren_config::{Layer, bgp::BgpLayer, load};

    use super::*;

    fn config(file: &str) -> Config {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            path.path(),
            format!("{file}\n[ledger]\nurls = ['http://localhost:1']"),
        )
        .unwrap();
        let layer = Layer {
            config: Some(path.path().to_owned()),
            ..Layer::default()
        };
        load(layer, |_| None).unwrap()
    }

    #[test]
    fn what_is_configured_about_bgp_reaches_the_sessions_and_the_rest_is_the_usual() {
        let settings = bgp(&config("[bgp]\npassword = 's3cr3t'\nhold_time = '9s'\nmax_prefixes = 7").bgp);
        assert_eq!(
            (settings.hold_time, settings.max_prefixes),
            (Duration::from_secs(9), 7)
        );
        assert_eq!(settings.password.unwrap().reveal(), "s3cr3t");
        let (said, usual) = (
            bgp(&BgpLayer::default().resolve().unwrap()),
            BgpSettings::default(),
        );
        assert_eq!(
            (said.hold_time, said.max_prefixes, said.password),
            (usual.hold_time, usual.max_prefixes, usual.password)
        );
    }

    #[test]
    fn liveness_and_latency_that_are_off_are_not_there() {
        let off = config("[liveness]\nenable_passive = false\n[latency]\nprobing = false");
        assert!(liveness(&off.liveness).is_none() && latency(&off).is_none());
        let on = config("[latency]\nprobe_interval = '5s'\ncache_update_interval = '3s'");
        let options = latency(&on).unwrap();
        assert_eq!(
            (options.settings.period, options.list_interval),
            (Duration::from_secs(5), Some(Duration::from_secs(3)))
        );
        assert_eq!(
            liveness(&on.liveness).unwrap().settings.tx_min,
            on.liveness.tx_min.0
        );
        assert!(
            latency(&config("dataplane = 'simulated'")).is_none(),
            "it sends no packets"
        );
    }

    #[test]
    fn the_filter_for_what_liveness_logs_names_the_actor() {
        assert_eq!(warren_config::liveness::LOG, warren_actors::liveness::LOG);
    }

    #[test]
    fn a_release_is_told_in_bytes() {
        assert_eq!(
            release("1.22.3"),
            Release {
                numbers: [1, 22, 3],
                channel: 0
            }
        );
        assert_eq!(release("0.1.0-rc.1").channel, 4);
    }
}

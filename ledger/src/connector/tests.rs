mod tls;

use std::net::{Ipv4Addr, SocketAddr};

use reqwest::Url;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{
    Endpoint, LedgerSource, Query, RpcSettings, RpcSource,
    testing::{CLIENT_IP, FakeLedger, PROGRAM},
};

const LONG: Duration = Duration::from_secs(20);

/// Speaks TLS with a certificate of an authority that nobody knows, and hands on what is inside.
async fn tls_in_front_of(server: SocketAddr) -> SocketAddr {
    let acceptor = TlsAcceptor::from(tls::server());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut inside = acceptor.accept(stream).await?;
                copy_bidirectional(&mut inside, &mut TcpStream::connect(server).await?).await
            });
        }
    });
    address
}

/// Answers each request with its own words for OK.
async fn web_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                    stream
                        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                        .await?;
                }
                std::io::Result::Ok(())
            });
        }
    });
    address
}

/// Says the same about every address.
struct Says(Mutex<Outlet>);

#[async_trait]
impl Underlay for Says {
    async fn outlet(&self, _: Ipv4Addr) -> Outlet {
        self.0.lock().unwrap().clone()
    }
}

fn past(uplink: &str) -> Outlet {
    Outlet::Past {
        tunnel: "doublezero0".into(),
        uplink: uplink.into(),
    }
}

fn connector_that(outlet: Outlet) -> (Connector, Arc<Says>) {
    let says = Arc::new(Says(Mutex::new(outlet)));
    (
        Connector::new(Trust::system(), Some(Arc::clone(&says) as Arc<dyn Underlay>)),
        says,
    )
}

fn client(connector: &Connector) -> Http {
    connector
        .http(HttpSettings {
            timeout: LONG,
            redirects: 0,
            proxies: false,
            keeps_connections: true,
        })
        .unwrap()
}

async fn get(http: &Http, url: &Url) -> Result<String, reqwest::Error> {
    http.send(url, |client| client.get(url.clone()))
        .await?
        .text()
        .await
}

#[tokio::test]
async fn reading_and_watching_trust_a_private_authority_where_its_file_is_named_and_nobody_does_elsewhere() {
    let ledger = FakeLedger::start().await;
    let pushing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (rpc, websocket) = (
        tls_in_front_of(ledger.address).await,
        tls_in_front_of(pushing.local_addr().unwrap()).await,
    );
    let source = |connector: Connector| {
        let mut settings = RpcSettings::new(
            vec![Endpoint::http(&format!("https://localhost:{}", rpc.port())).unwrap()],
            PROGRAM,
        );
        settings.watch_endpoint =
            Some(Endpoint::websocket(&format!("wss://localhost:{}", websocket.port())).unwrap());
        settings.attempts = 1;
        settings.connector = connector;
        RpcSource::new(settings).unwrap()
    };
    let read = async |source: &RpcSource| {
        source
            .read(&Query::Client(CLIENT_IP), Instant::now() + LONG)
            .await
    };

    let stranger = source(Connector::default());
    let error = read(&stranger).await.unwrap_err().to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
    assert_eq!(
        stranger.health().last_problem,
        Some(warren_state::ReadProblem::UntrustedCertificate)
    );
    let _wakes = stranger.watch(Query::Client(CLIENT_IP));
    until("the websocket fails", || {
        stranger
            .health()
            .last_watch_error
            .is_some_and(|error| error.contains("UnknownIssuer"))
    })
    .await;

    let trusted = source(Connector::new(
        Trust::load(Some(&tls::fixture("ca.pem"))).unwrap(),
        None,
    ));
    read(&trusted).await.unwrap();
    let _wakes = trusted.watch(Query::Client(CLIENT_IP));
    let (stream, _) = timeout(LONG, pushing.accept())
        .await
        .expect("a connection")
        .unwrap();
    let _handshake = timeout(LONG, tokio_tungstenite::accept_async(stream))
        .await
        .expect("a handshake")
        .unwrap();
}

#[test]
fn a_file_of_authorities_that_is_not_there_or_holds_anything_else_is_an_error_that_names_it() {
    let directory = std::env::temp_dir().join(format!("warren-trust-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let put = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ca = std::fs::read_to_string(tls::fixture("ca.pem")).unwrap();
    let torn = ca.replacen("MII", "MIJ", 1);
    let bad = [
        directory.join("absent.pem"),
        directory.clone(),
        put("empty.pem", ""),
        put("text.pem", "no certificate"),
        put(
            "key.pem",
            &std::fs::read_to_string(tls::fixture("server.key")).unwrap(),
        ),
        put("torn.pem", &torn),
        put("cut.pem", &ca[..ca.len() / 2]),
        put("second.pem", &format!("{ca}{torn}")),
    ];
    for path in bad {
        let error = Trust::load(Some(&path))
            .map(|trust| trust.anchors())
            .unwrap_err()
            .to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
    assert_eq!(
        Trust::load(Some(&tls::fixture("ca.pem"))).unwrap().anchors(),
        Trust::system().anchors() + 1
    );
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn without_any_authority_those_that_are_built_in_stand_in_and_that_is_told() {
    let none = |named| trust::Store {
        certificates: vec![],
        errors: vec![],
        named,
    };
    let built_in = Trust::of(none(false), vec![]);
    assert!(
        built_in.anchors() > 50 && built_in.remarks()[0].contains("no trust store"),
        "{:?}",
        built_in.remarks()
    );
    let own = CertificateDer::from_pem_file(tls::fixture("ca.pem")).unwrap();
    let only_own = Trust::of(none(false), vec![own.clone()]);
    assert!(
        only_own.anchors() == 1 && only_own.remarks()[0].contains("only the ca-file's"),
        "{:?}",
        only_own.remarks()
    );
    let named = Trust::of(none(true), vec![]);
    assert!(
        named.anchors() == 0 && named.remarks()[0].contains("SSL_CERT_FILE"),
        "{:?}",
        named.remarks()
    );
    let whole = Trust::of(
        trust::Store {
            certificates: vec![own],
            ..none(false)
        },
        vec![],
    );
    assert!(
        whole.anchors() == 1 && whole.remarks().is_empty(),
        "{:?}",
        whole.remarks()
    );
}

#[tokio::test]
async fn a_request_goes_past_a_tunnel_where_that_connects_and_else_over_it_and_that_is_told() {
    let url: Url = format!("http://{}/", web_server().await).parse().unwrap();
    let (connector, says) = connector_that(past("lo"));
    let http = client(&connector);
    assert_eq!(get(&http, &url).await.unwrap(), "ok");
    assert_eq!(connector.over_tunnel(), None);

    *says.0.lock().unwrap() = past("absent0");
    assert_eq!(
        get(&http, &url).await.unwrap(),
        "ok",
        "the request goes out all the same"
    );
    let why = connector.over_tunnel().expect("it is told");
    assert!(why.contains("absent0") && why.contains("doublezero0"), "{why}");

    *says.0.lock().unwrap() = Outlet::Only {
        tunnel: "doublezero0".into(),
    };
    assert_eq!(get(&http, &url).await.unwrap(), "ok");
    assert!(
        connector
            .over_tunnel()
            .is_some_and(|why| why.contains("only doublezero0"))
    );

    *says.0.lock().unwrap() = Outlet::Usual;
    assert_eq!(get(&http, &url).await.unwrap(), "ok");
    assert_eq!(connector.over_tunnel(), None);
}

#[tokio::test]
async fn a_server_that_is_down_is_no_dependence_on_a_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    drop(listener);
    let (connector, _) = connector_that(past("lo"));
    assert!(get(&client(&connector), &url).await.unwrap_err().is_connect());
    assert_eq!(connector.over_tunnel(), None);
}

#[tokio::test]
async fn a_websocket_goes_past_a_tunnel_and_notices_when_its_way_leads_into_one() {
    let url: Url = format!("ws://{}/", web_server().await).parse().unwrap();
    let traffic = Arc::default();
    let (connector, says) = connector_that(Outlet::Usual);
    let free = connector.connect(&url, &traffic).await.unwrap();
    free.course.is_right().await.unwrap();
    *says.0.lock().unwrap() = past("lo");
    assert!(free.course.is_right().await.unwrap_err().contains("doublezero0"));
    let bound = connector.connect(&url, &traffic).await.unwrap();
    bound.course.is_right().await.unwrap();
    assert_eq!(connector.over_tunnel(), None);
    *says.0.lock().unwrap() = past("absent0");
    assert!(bound.course.is_right().await.is_err(), "the uplink changed");
    connector.connect(&url, &traffic).await.unwrap();
    assert!(connector.over_tunnel().is_some());
}

/// A name server that answers questions for IPv4 addresses with this one, over TCP only, and tells what it was asked.
async fn name_server(answer: Ipv4Addr) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let socket = UdpSocket::bind(address).await.unwrap();
    let (asked, questions) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut packet = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            (packet[2], packet[3]) = (0x83, 0x80);
            socket.send_to(&packet[..length], from).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut reply).await.unwrap();
            let _ = asked.send(String::from_utf8_lossy(&reply[12..reply.len() - 5]).into_owned());
            let is_four = reply[reply.len() - 3] == 1;
            (reply[2], reply[3], reply[7]) = (0x81, 0x80, u8::from(is_four));
            if is_four {
                reply.extend(
                    b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04"
                        .iter()
                        .chain(&answer.octets()),
                );
            }
            stream
                .write_all(&[&u16::try_from(reply.len()).unwrap().to_be_bytes()[..], &reply].concat())
                .await
                .unwrap();
        }
    });
    (address, questions)
}

#[tokio::test]
async fn name_servers_are_asked_past_a_tunnel_over_tcp_where_a_datagram_does_not_do() {
    let (address, mut questions) = name_server(Ipv4Addr::new(192, 0, 2, 53)).await;
    let ask = async |outlet: Outlet| {
        let routes = Routes(Some(Arc::new(Says(Mutex::new(outlet)))));
        let servers = dns::Servers {
            addresses: vec![address],
            search: vec!["example".into()],
            dots: 1,
        };
        servers.ask(&routes, "ledger").await
    };
    assert_eq!(ask(past("lo")).await.unwrap(), [IpAddr::from([192, 0, 2, 53])]);
    assert_eq!(questions.recv().await.as_deref(), Some("\u{6}ledger\u{7}example"));
    assert!(ask(past("absent0")).await.is_err(), "its sockets are bound");
}

#[tokio::test]
async fn the_hosts_name_servers_are_asked_by_ourselves_only_where_a_tunnel_is_on_the_way_to_them() {
    let directory = std::env::temp_dir().join(format!("warren-names-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let files = ["host", "behind", "hosts"].map(|name| directory.join(name));
    let says = Arc::new(Says(Mutex::new(past("lo"))));
    let names = Names::new(Routes(Some(says.clone()))).with_files(files.clone());
    let found = async || {
        names
            .servers_past_a_tunnel()
            .await
            .map(|servers| servers.addresses[0].to_string())
    };
    std::fs::write(
        &files[0],
        "search example\nnameserver 192.0.2.1\noptions trust-ad unheard-of\n",
    )
    .unwrap();
    assert_eq!(found().await.as_deref(), Some("192.0.2.1:53"));
    std::fs::write(&files[0], "nameserver 127.0.0.53\n").unwrap();
    assert_eq!(found().await, None, "whom the stub asks is not known");
    std::fs::write(&files[1], "nameserver 192.0.2.2\n").unwrap();
    assert_eq!(found().await.as_deref(), Some("192.0.2.2:53"));
    for outlet in [
        Outlet::Usual,
        Outlet::Only {
            tunnel: "doublezero0".into(),
        },
    ] {
        *says.0.lock().unwrap() = outlet;
        assert_eq!(found().await, None);
    }
    std::fs::write(&files[2], "192.0.2.9 ledger.example rpc # old\n").unwrap();
    assert_eq!(
        ["RPC", "ledger.example", "localhost", "old", "192.0.2.9"].map(|name| names.is_of_this_host(name)),
        [true, true, true, false, false]
    );
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn a_name_that_is_no_longer_resolved_keeps_its_addresses_and_the_hosts_own_names_are_known() {
    let names = Arc::new(Names::new(Routes(None)));
    assert!(
        names
            .find("localhost")
            .await
            .unwrap()
            .contains(&IpAddr::V4(Ipv4Addr::LOCALHOST))
    );
    assert_eq!(
        names.find("[::1]").await.unwrap(),
        [IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])]
    );
    let gone = "gone.invalid";
    names.remember(gone, vec![IpAddr::from([192, 0, 2, 9])]);
    assert_eq!(names.find(gone).await.unwrap(), [IpAddr::from([192, 0, 2, 9])]);
    assert_eq!(names.known(gone).await, [IpAddr::from([192, 0, 2, 9])]);
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

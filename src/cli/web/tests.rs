use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
    time::timeout,
};

use super::*;

const SOON: Duration = Duration::from_secs(20);

/// What is asked of a daemon that answers with a stream which stays open, and the way there.
struct Place {
    port: u16,
    asked: tokio::sync::mpsc::UnboundedReceiver<String>,
    ended: tokio::sync::mpsc::UnboundedReceiver<()>,
    _directory: tempfile::TempDir,
}

async fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("d.sock");
    let daemon = UnixListener::bind(&path).unwrap();
    let (heads, asked) = tokio::sync::mpsc::unbounded_channel();
    let (ends, ended) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = daemon.accept().await {
            let mut head = vec![0; 4096];
            let count = stream.read(&mut head).await.unwrap_or(0);
            let _nobody = heads.send(String::from_utf8_lossy(&head[..count]).into_owned());
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n6\r\nfirst\n\r\n";
            let _gone = stream.write_all(answer.as_bytes()).await;
            // Until the one who asked goes away.
            let _end = stream.read(&mut head).await;
            let _nobody = ends.send(());
        }
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let gate = Arc::new(Gate::new(port, "t0ken".into(), "s3ssion".into()));
    tokio::spawn(serve(listener, client::Client::new(&path), gate));
    Place {
        port,
        asked,
        ended,
        _directory: directory,
    }
}

/// Asks, reads until this comes, and goes away.
async fn told(port: u16, request: &str, until: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = String::new();
    let mut part = vec![0; 4096];
    while !said.contains(until) {
        let count = timeout(SOON, stream.read(&mut part)).await.unwrap().unwrap();
        assert!(count > 0, "{said}");
        said.push_str(&String::from_utf8_lossy(&part[..count]));
    }
    said
}

#[tokio::test]
async fn what_is_let_through_reaches_the_daemon_without_the_gates_own_and_ends_when_the_browser_goes() {
    let mut place = place().await;
    let port = place.port;
    let request = format!(
        "GET /v3/events HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: warren-{port}=s3ssion\r\nLast-Event-ID: 1.2.3\r\n\r\n"
    );
    let said = told(port, &request, "first\n").await;
    assert!(
        said.starts_with("HTTP/1.1 200 OK") && said.contains("text/event-stream"),
        "{said}"
    );
    let asked = timeout(SOON, place.asked.recv()).await.unwrap().unwrap();
    assert!(asked.starts_with("GET /v3/events HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked.contains("last-event-id: 1.2.3") && asked.contains("host: warrend"),
        "{asked}"
    );
    assert!(!asked.contains("s3ssion"), "{asked}");
    timeout(SOON, place.ended.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stranger_reaches_nothing_and_the_link_leads_to_the_page_without_its_token() {
    let mut place = place().await;
    let port = place.port;
    let stranger = told(
        port,
        &format!("GET /v3/status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"),
        "a new one\n",
    )
    .await;
    assert!(
        stranger.starts_with("HTTP/1.1 403 ") && stranger.contains("nosniff"),
        "{stranger}"
    );
    let link = format!("GET /?token=t0ken HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    let opened = told(port, &link, "\r\n\r\n").await;
    assert!(
        opened.starts_with("HTTP/1.1 303 ") && opened.contains("location: /ui/\r\n"),
        "{opened}"
    );
    assert!(
        opened.contains(&format!(
            "set-cookie: warren-{port}=s3ssion; Path=/; HttpOnly; SameSite=Strict"
        )),
        "{opened}"
    );
    assert!(place.asked.try_recv().is_err(), "the daemon was asked nothing");
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_an_answer_in_words() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let gate = Arc::new(Gate::new(port, "t0ken".into(), "s3ssion".into()));
    let nobody = tempfile::tempdir().unwrap().path().join("nobody.sock");
    tokio::spawn(serve(listener, client::Client::new(&nobody), gate));
    let request =
        format!("GET /v3/status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: warren-{port}=s3ssion\r\n\r\n");
    let said = told(port, &request, "systemctl start warrend").await;
    assert!(said.starts_with("HTTP/1.1 502 "), "{said}");
}

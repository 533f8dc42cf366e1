//! A way for a browser to the daemon's socket: a server on the loopback that has one page and passes everything else on.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context, Result};

/// What a page may tell of itself at most.
const LONGEST: usize = 1 << 20;

/// The server. What runs in it ends with the process.
pub struct Proxy {
    address: SocketAddr,
    report: Arc<Mutex<Option<String>>>,
}

struct Served {
    socket: PathBuf,
    page: String,
    report: Arc<Mutex<Option<String>>>,
}

impl Proxy {
    /// Serves this page, and the daemon on this socket beside it, in the namespace of the caller.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start(socket: &Path, page: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no loopback")?;
        let (address, report) = (listener.local_addr()?, Arc::default());
        let served = Arc::new(Served {
            socket: socket.to_owned(),
            page,
            report: Arc::clone(&report),
        });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                thread::spawn(move || served.answer(stream));
            }
        });
        Ok(Self { address, report })
    }

    /// Where the page is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What the page told last.
    #[must_use]
    pub fn report(&self) -> Option<String> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Served {
    /// One request for each connection.
    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let path = head.split(' ').nth(1).unwrap_or_default();
        if path.starts_with("/v3/") {
            return self.pass_on(&head, stream);
        }
        if path == "/report" {
            let length = |line: &str| {
                line.to_lowercase()
                    .strip_prefix("content-length:")?
                    .trim()
                    .parse()
                    .ok()
            };
            let length: usize = head.lines().find_map(length).unwrap_or(0).min(LONGEST);
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            let body = String::from_utf8_lossy(&body).into_owned();
            *self.report.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
        let page = if path == "/" { self.page.as_str() } else { "" };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}",
            page.len()
        )
    }

    /// Where no daemon is there is no answer: that is an error of the network, after which an EventSource comes back.
    fn pass_on(&self, head: &str, mut stream: TcpStream) -> io::Result<()> {
        let mut daemon = UnixStream::connect(&self.socket)?;
        daemon.write_all(head.as_bytes())?;
        io::copy(&mut daemon, &mut stream).map(drop)
    }
}

//! Collects the log lines of the current thread. One subscriber serves all tests: scoped ones would share a cache of
//! what is enabled with threads that have none.

use std::{
    cell::RefCell,
    io,
    sync::{Arc, Mutex, Once},
};

use tracing_subscriber::fmt::MakeWriter;

thread_local! {
    static CURRENT: RefCell<Option<Lines>> = const { RefCell::new(None) };
}

#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Collects what this thread logs, at DEBUG and above, from now on.
    pub fn collect() -> Self {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::DEBUG)
                .with_ansi(false)
                .with_writer(PerThread)
                .init();
        });
        let lines = Self::default();
        CURRENT.with_borrow_mut(|current| *current = Some(lines.clone()));
        lines
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

struct PerThread;

impl<'a> MakeWriter<'a> for PerThread {
    type Writer = Writer;

    fn make_writer(&'a self) -> Writer {
        Writer(CURRENT.with_borrow(Clone::clone))
    }
}

struct Writer(Option<Lines>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(lines) = &self.0 {
            lines.0.lock().unwrap().extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

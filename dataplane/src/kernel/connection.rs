//! A conversation with the kernel over rtnetlink.

use std::{fmt, io, time::Duration};

use futures_util::{FutureExt, Stream, StreamExt};
use netlink_packet_core::{
    DoneMessage, ErrorMessage, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
    NetlinkMessage, NetlinkPayload, NlasIterator, parse_string,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{AsyncSocket, SocketAddr, protocols::NETLINK_ROUTE};
use rtnetlink::proto::{self, ConnectionHandle};
use tokio::{task::JoinHandle, time::timeout};

use super::requests::Request;

/// How many changes are sent together; the kernel's answers, of which a socket holds some 200, must fit.
pub const TOGETHER: usize = 64;
/// How many objects are asked for together: each is answered by itself and an acknowledgement.
const READ_TOGETHER: usize = TOGETHER / 2;
/// A dump that was interrupted is taken again this often; after that it stands, for every change that it missed is
/// noticed again.
const DUMP_ATTEMPTS: usize = 4;
/// The kernel answers within its system call: whoever waits longer than this waits for an answer that was lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// linux/netlink.h `struct nlmsghdr`, which a refusal repeats before its attributes.
const MESSAGE_HEADER: usize = 16;
/// linux/netlink.h `NLMSGERR_ATTR_MSG`.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// A refusal by the kernel, with its errno and its words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KernelError {
    /// The system's error number, such as `EEXIST`.
    pub errno: i32,
    /// The kernel's own words, where it has some (`NETLINK_EXT_ACK`).
    pub message: Option<String>,
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", nix::errno::Errno::from_raw(self.errno).desc())?;
        match &self.message {
            Some(message) => write!(f, " ({message})"),
            None => Ok(()),
        }
    }
}

impl From<io::Error> for KernelError {
    fn from(error: io::Error) -> Self {
        Self {
            errno: error.raw_os_error().unwrap_or(libc::EIO),
            message: None,
        }
    }
}

/// One conversation with the kernel at a time: it has one dump per socket (net/netlink/af_netlink.c
/// `__netlink_dump_start`).
pub struct Netlink {
    /// Not `rtnetlink::Handle`, which has no requests of several messages.
    handle: ConnectionHandle<RouteNetlinkMessage>,
    connection: JoinHandle<()>,
}

impl Netlink {
    /// Opens a socket in the calling thread's network namespace, and drives it by a task of the calling runtime. The
    /// kernel works on a request inside `send`, holding its big network lock: this is not a runtime for anything else.
    pub fn open() -> io::Result<Self> {
        let (mut connection, handle, _multicast) = proto::new_connection(NETLINK_ROUTE)?;
        // An answer must be told from a connection that broke.
        connection.set_forward_ack(true);
        connection.set_forward_done(true);
        let socket = connection.socket_mut().socket_mut();
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        // Filters of dumps are obeyed from linux 4.20 on; without them the same is filtered here.
        if let Err(error) = socket.set_netlink_get_strict_chk(true) {
            tracing::debug!(%error, "the kernel filters no dumps");
        }
        Ok(Self {
            handle,
            connection: tokio::spawn(connection),
        })
    }

    /// Opens a new socket, when this one broke.
    pub fn mend(&mut self) -> io::Result<()> {
        if self.connection.is_finished() {
            *self = Self::open()?;
        }
        Ok(())
    }

    /// Has one change made.
    pub async fn change(&mut self, request: Request) -> Result<(), KernelError> {
        self.exchange(request, NLM_F_ACK, |_| ()).await.map(|_| ())
    }

    /// Has changes made in order, [`TOGETHER`] at a time; the kernel goes on after one that it refuses. One answer for each.
    pub async fn change_all(&mut self, requests: &[Request]) -> Vec<Result<(), KernelError>> {
        let mut results = Vec::with_capacity(requests.len());
        for some in requests.chunks(TOGETHER) {
            results.extend(self.change_some(some).await);
        }
        results
    }

    async fn change_some(&mut self, requests: &[Request]) -> Vec<Result<(), KernelError>> {
        let count = requests.len();
        let mut results = Vec::with_capacity(count);
        match self.handle.request_batch(acknowledged(requests), kernel()) {
            Ok(mut answers) => {
                while results.len() < count {
                    match self.answer(&mut answers).await {
                        Ok(Answer::End(_)) => results.push(Ok(())),
                        Ok(Answer::Object(..)) => {}
                        Err(refusal) => results.push(Err(refusal)),
                    }
                }
            }
            Err(_) => results.resize(count, Err(broken())),
        }
        results
    }

    /// Reads one object.
    pub async fn read<T>(
        &mut self,
        request: Request,
        decode: impl Fn(&RouteNetlinkMessage) -> Option<T>,
    ) -> Result<Option<T>, KernelError> {
        let mut found = None;
        let take = |message| {
            if let Some(object) = decode(&message) {
                found = Some(object);
            }
        };
        self.exchange(request, NLM_F_ACK, take).await?;
        Ok(found)
    }

    /// Reads one object for each request, [`READ_TOGETHER`] at a time; the kernel goes on after one that it refuses. One answer
    /// for each, in order.
    pub async fn read_all<T>(
        &mut self,
        requests: &[Request],
        decode: impl Fn(&RouteNetlinkMessage) -> Option<T>,
    ) -> Vec<Result<Option<T>, KernelError>> {
        let mut results = Vec::with_capacity(requests.len());
        for some in requests.chunks(READ_TOGETHER) {
            results.extend(self.read_some(some, &decode).await);
        }
        results
    }

    async fn read_some<T>(
        &mut self,
        requests: &[Request],
        decode: impl Fn(&RouteNetlinkMessage) -> Option<T>,
    ) -> Vec<Result<Option<T>, KernelError>> {
        let mut results = Vec::with_capacity(requests.len());
        let mut found = None;
        if let Ok(mut answers) = self.handle.request_batch(acknowledged(requests), kernel()) {
            while results.len() < requests.len() {
                match self.answer(&mut answers).await {
                    Ok(Answer::Object(message, _)) => found = decode(&message).or(found),
                    Ok(Answer::End(_)) => results.push(Ok(found.take())),
                    // Answers were lost: which is whose is not known from here on.
                    Err(lost) if is_lost(&lost) => break,
                    Err(refusal) => {
                        found = None;
                        results.push(Err(refusal));
                    }
                }
            }
        }
        results.resize_with(requests.len(), || Err(broken()));
        results
    }

    /// Reads all objects that the request's filter lets through and `decode` understands.
    pub async fn dump<T>(
        &mut self,
        request: Request,
        decode: impl Fn(&RouteNetlinkMessage) -> Option<T>,
    ) -> Result<Vec<T>, KernelError> {
        let mut objects = Vec::new();
        for _ in 0..DUMP_ATTEMPTS {
            objects.clear();
            let whole = self
                .exchange(request.clone(), NLM_F_DUMP, |message| {
                    objects.extend(decode(&message))
                })
                .await?;
            if whole {
                break;
            }
        }
        Ok(objects)
    }

    /// Sends, and takes the answers to their end; `false` when the kernel says that the objects changed meanwhile.
    async fn exchange(
        &mut self,
        mut request: Request,
        flags: u16,
        mut take: impl FnMut(RouteNetlinkMessage),
    ) -> Result<bool, KernelError> {
        request.header.flags |= NLM_F_REQUEST | flags;
        let mut answers = self.handle.request(request, kernel()).map_err(|_| broken())?;
        let mut whole = true;
        loop {
            match self.answer(&mut answers).await? {
                Answer::Object(message, unchanged) => {
                    whole &= unchanged;
                    take(message);
                }
                Answer::End(unchanged) => return Ok(whole & unchanged),
            }
        }
    }

    async fn answer(
        &mut self,
        answers: &mut (impl Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Unpin),
    ) -> Result<Answer, KernelError> {
        loop {
            let arrived = answers.next().now_or_never();
            let answer = match arrived {
                Some(answer) => answer,
                None => timeout(PATIENCE, answers.next())
                    .await
                    .map_err(|_| self.give_up())?,
            };
            let (header, payload) = answer.ok_or_else(broken)?.into_parts();
            let unchanged = header.flags & NLM_F_DUMP_INTR == 0;
            match payload {
                NetlinkPayload::InnerMessage(message) => return Ok(Answer::Object(message, unchanged)),
                NetlinkPayload::Error(error) => {
                    return refusal(&error, header.flags).map_or(Ok(Answer::End(unchanged)), Err);
                }
                NetlinkPayload::Done(done) => return end(&done).map_or(Ok(Answer::End(unchanged)), Err),
                NetlinkPayload::Overrun(_) => {
                    return Err(KernelError {
                        errno: libc::ENOBUFS,
                        message: None,
                    });
                }
                NetlinkPayload::Noop | _ => {}
            }
        }
    }

    /// Answers that come after this would be taken for those of the next dump.
    fn give_up(&self) -> KernelError {
        self.connection.abort();
        KernelError {
            errno: libc::ETIMEDOUT,
            message: None,
        }
    }
}

/// With whether the kernel says that the objects did not change meanwhile.
enum Answer {
    Object(RouteNetlinkMessage, bool),
    End(bool),
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn acknowledged(requests: &[Request]) -> Vec<Request> {
    let mut requests = requests.to_vec();
    for request in &mut requests {
        request.header.flags |= NLM_F_REQUEST | NLM_F_ACK;
    }
    requests
}

/// Whether the conversation has a hole.
fn is_lost(refusal: &KernelError) -> bool {
    matches!(refusal.errno, libc::ENOBUFS | libc::ETIMEDOUT | libc::EAGAIN)
}

fn kernel() -> SocketAddr {
    SocketAddr::new(0, 0)
}

/// May be tried again.
fn broken() -> KernelError {
    KernelError {
        errno: libc::EAGAIN,
        message: Some("the rtnetlink connection broke".to_owned()),
    }
}

fn refusal(error: &ErrorMessage, flags: u16) -> Option<KernelError> {
    let errno = error.code?.get().saturating_neg();
    // Capped (`NETLINK_CAP_ACK`): of the request only its header comes back.
    let attributes = (flags & NLM_F_ACK_TLVS != 0)
        .then(|| error.header.get(MESSAGE_HEADER..))
        .flatten();
    Some(KernelError {
        errno,
        message: attributes.and_then(kernels_words),
    })
}

fn end(done: &DoneMessage) -> Option<KernelError> {
    (done.code < 0).then(|| KernelError {
        errno: done.code.saturating_neg(),
        message: kernels_words(&done.extended_ack),
    })
}

fn kernels_words(attributes: &[u8]) -> Option<String> {
    let words = NlasIterator::new(attributes)
        .map_while(Result::ok)
        .find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)?;
    parse_string(words.value()).ok()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroI32;

    use netlink_packet_core::{DefaultNla, Emitable};

    use super::*;

    fn words(text: &str) -> Vec<u8> {
        let attributes = [
            DefaultNla::new(2, vec![0; 4]),
            DefaultNla::new(NLMSGERR_ATTR_MSG, format!("{text}\0").into_bytes()),
        ];
        let mut bytes = vec![0; attributes.as_slice().buffer_len()];
        attributes.as_slice().emit(&mut bytes);
        bytes
    }

    #[test]
    fn a_refusal_is_told_in_the_kernels_own_words() {
        let mut error = ErrorMessage::default();
        error.code = NonZeroI32::new(-libc::EINVAL);
        error.header = [vec![0; MESSAGE_HEADER], words("Invalid prefsrc address")].concat();
        let expected = KernelError {
            errno: libc::EINVAL,
            message: Some("Invalid prefsrc address".to_owned()),
        };
        assert_eq!(refusal(&error, NLM_F_ACK_TLVS), Some(expected));
        assert_eq!(
            refusal(&error, 0),
            Some(KernelError {
                errno: libc::EINVAL,
                message: None
            })
        );
        error.code = None;
        assert_eq!(refusal(&error, NLM_F_ACK_TLVS), None, "an acknowledgement");
    }

    #[test]
    fn a_dump_may_end_with_a_refusal() {
        let mut done = DoneMessage::default();
        assert_eq!(end(&done), None);
        (done.code, done.extended_ack) = (-libc::ENODEV, words("no"));
        assert_eq!(
            end(&done),
            Some(KernelError {
                errno: libc::ENODEV,
                message: Some("no".to_owned())
            })
        );
    }

    #[tokio::test]
    async fn a_connection_that_broke_says_so_and_is_mended() {
        let mut netlink = Netlink::open().expect("a socket");
        netlink.give_up();
        let ended = timeout(PATIENCE, &mut netlink.connection)
            .await
            .expect("it ends soon");
        assert!(ended.is_err_and(|error| error.is_cancelled()));
        let dump = |_: &RouteNetlinkMessage| Some(());
        assert_eq!(
            netlink.dump(super::super::requests::links(), dump).await,
            Err(broken())
        );
        netlink.mend().expect("another socket");
        assert!(
            !netlink
                .dump(super::super::requests::links(), dump)
                .await
                .expect("the links")
                .is_empty()
        );
    }
}

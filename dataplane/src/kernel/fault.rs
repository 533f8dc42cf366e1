//! The kernel's refusals as faults: what the caller may do about each.

use std::fmt::Display;

use warren_state::{Fault, FaultClass};

use super::connection::KernelError;

/// A fault in our own words.
pub fn fault(class: FaultClass, operation: impl Display, detail: impl Into<String>) -> Fault {
    Fault {
        class,
        operation: operation.to_string(),
        detail: detail.into(),
    }
}

/// A fault in the kernel's words, with a hint where its words are known to mislead.
pub fn refused(operation: impl Display, refusal: &KernelError) -> Fault {
    let class = class_of(refusal);
    let hint = match refusal.errno {
        libc::EPERM | libc::EACCES => {
            ": the process lacks CAP_NET_ADMIN in this network namespace: start it by its unit (AmbientCapabilities=CAP_NET_ADMIN \
             CAP_NET_RAW) or as root, a container with --cap-add NET_ADMIN"
        }
        libc::ENETUNREACH | libc::EHOSTUNREACH => {
            ": the next hop is not reachable over the link, whose address is missing or which is down"
        }
        _ => "",
    };
    fault(class, operation, format!("{refusal}{hint}"))
}

fn class_of(refusal: &KernelError) -> FaultClass {
    // The kernel calls a preferred source that no interface carries yet an invalid argument (net/ipv4/fib_semantics.c).
    if refusal.errno == libc::EINVAL
        && refusal
            .message
            .as_ref()
            .is_some_and(|message| message.contains("prefsrc"))
    {
        return FaultClass::Transient;
    }
    match refusal.errno {
        libc::EEXIST => FaultClass::Conflict,
        errno if is_absent(errno) => FaultClass::Gone,
        libc::EBUSY
        | libc::EAGAIN
        | libc::EINTR
        | libc::ENOBUFS
        | libc::ENOMEM
        | libc::EMFILE
        | libc::ENFILE
        | libc::ETIMEDOUT
        | libc::ENETDOWN
        | libc::ENETUNREACH
        | libc::EHOSTUNREACH => FaultClass::Transient,
        libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT => FaultClass::Unsupported,
        _ => FaultClass::Permanent,
    }
}

/// Whether the kernel says that the object is not there.
pub fn is_absent(errno: i32) -> bool {
    matches!(
        errno,
        libc::ESRCH | libc::ENODEV | libc::ENOENT | libc::ENXIO | libc::EADDRNOTAVAIL
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_what_the_caller_may_do() {
        let expected = [
            (libc::EEXIST, FaultClass::Conflict),
            (libc::ESRCH, FaultClass::Gone),
            (libc::ENODEV, FaultClass::Gone),
            (libc::EADDRNOTAVAIL, FaultClass::Gone),
            (libc::ENETUNREACH, FaultClass::Transient),
            (libc::EBUSY, FaultClass::Transient),
            (libc::ENOBUFS, FaultClass::Transient),
            (libc::EPERM, FaultClass::Permanent),
            (libc::EINVAL, FaultClass::Permanent),
            (libc::EOPNOTSUPP, FaultClass::Unsupported),
        ];
        for (errno, class) in expected {
            assert_eq!(
                refused("x", &KernelError { errno, message: None }).class,
                class,
                "errno {errno}"
            );
        }
    }

    #[test]
    fn a_preferred_source_that_is_missing_may_come_later() {
        let refusal = KernelError {
            errno: libc::EINVAL,
            message: Some("Invalid prefsrc address".to_owned()),
        };
        let fault = refused("put route", &refusal);
        assert_eq!(fault.class, FaultClass::Transient);
        assert!(fault.detail.contains("Invalid prefsrc address"), "{fault}");
    }

    #[test]
    fn a_missing_capability_is_named() {
        let fault = refused(
            "create link x",
            &KernelError {
                errno: libc::EPERM,
                message: None,
            },
        );
        assert!(fault.to_string().contains("lacks CAP_NET_ADMIN"), "{fault}");
        assert!(
            fault
                .to_string()
                .contains("AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW"),
            "{fault}"
        );
    }
}

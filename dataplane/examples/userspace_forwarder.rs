//! The forwarder of the userspace backend as a program of its own: `userspace_forwarder --socket PATH [--linger-ms N]`.

fn main() -> Result<(), warren_dataplane::userspace::ForwarderError> {
    warren_dataplane::userspace::run_forwarder(std::env::args().skip(1))
}

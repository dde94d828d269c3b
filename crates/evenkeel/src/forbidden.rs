//! What is said of an address that this user may not listen on.

use evenkeel_config::model::Bind;

/// What to do about an address that this user may not have.
pub(crate) fn forbidden(bind: &Bind) -> String {
    let user = rustix::process::geteuid().as_raw();
    let remedy = match bind {
        Bind::Ip(_) => {
            "ports below 1024 need root at the start, the capability CAP_NET_BIND_SERVICE, or a socket from systemd; a reload \
             after the user was changed cannot bind a new one, a restart can"
        }
        Bind::Unix(_) => "this user must be allowed to write to its folder",
    };
    format!("user {user} may not listen on {bind}: {remedy}")
}

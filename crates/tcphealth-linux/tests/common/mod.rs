//! A network namespace of one's own, that is gone with its thread.

use std::process::Command;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

/// Runs a test in a namespace with nothing but lo. Where that is not permitted it says so and passes, unless every test is
/// demanded.
pub fn in_private_netns(test: impl FnOnce() + Send + 'static) {
    let run = move || match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => {
            assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
            test();
        }
        Err(Errno::EPERM) => {
            assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "needs CAP_SYS_ADMIN");
            println!("not run: a network namespace of its own needs CAP_SYS_ADMIN");
        }
        Err(errno) => panic!("unshare: {errno}"),
    };
    if let Err(panic) = std::thread::spawn(run).join() {
        std::panic::resume_unwind(panic);
    }
}

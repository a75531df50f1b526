//! A network namespace for one test.

use std::process::Command;

use nix::sched::{CloneFlags, unshare};

/// Runs a test in a namespace of its own; where that is not permitted it says so and passes, unless every test is demanded.
pub fn in_netns(test: fn()) {
    let run = move || match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => {
            assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
            test();
        }
        Err(_) if std::env::var_os("TCPHEALTH_ALL_TESTS").is_none() => println!("not run: needs CAP_SYS_ADMIN"),
        Err(errno) => panic!("unshare: {errno}"),
    };
    std::thread::spawn(run).join().unwrap();
}

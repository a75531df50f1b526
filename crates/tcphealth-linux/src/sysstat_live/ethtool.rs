//! Speed and duplex of a link by one ioctl, where sysfs needs two files that take the kernel's lock for links each.
//!
//! Source: include/uapi/linux/ethtool.h, `ETHTOOL_GSET`; ioctl_netdevice(2).

use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;

const ETHTOOL_GSET: u32 = 1;

/// `struct ethtool_cmd`.
#[repr(C)]
#[derive(Default)]
struct EthtoolCmd {
    cmd: u32,
    supported: u32,
    advertising: u32,
    speed: u16,
    duplex: u8,
    port: u8,
    phy_address: u8,
    transceiver: u8,
    autoneg: u8,
    mdio_support: u8,
    maxtxpkt: u32,
    maxrxpkt: u32,
    speed_hi: u16,
    eth_tp_mdix: u8,
    eth_tp_mdix_ctrl: u8,
    lp_advertising: u32,
    reserved: [u32; 2],
}

/// The speed in Mbit/s and the duplex (2 full, 1 half) of a link; zeros for one that is down, that does not say, or that
/// knows no duplex, as the files in `/sys/class/net` have it.
pub(super) fn link(socket: &OwnedFd, name: &[u8]) -> (u64, u8) {
    let mut command = EthtoolCmd { cmd: ETHTOOL_GSET, ..EthtoolCmd::default() };
    // SAFETY: all-zero is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name.iter_mut().zip(name.iter().take(room)) {
        *to = from.cast_signed() as libc::c_char;
    }
    // SAFETY: the kernel reads the name in `request` and writes the flags there, where every bit pattern is a number.
    let up = unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) == 0
            && i32::from(request.ifr_ifru.ifru_flags) & libc::IFF_UP != 0
    };
    request.ifr_ifru.ifru_data = (&raw mut command).cast();
    // SAFETY: the kernel reads the name in `request` and writes to `command` only, which outlives the call.
    let told = up && unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) } == 0;
    let duplex = match command.duplex {
        0 => 1,
        1 => 2,
        _ => 0,
    };
    if !told || duplex == 0 {
        return (0, 0);
    }
    (u64::from(command.speed) | u64::from(command.speed_hi) << 16, duplex)
}

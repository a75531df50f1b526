//! bpf(2): what a program needs from its loading to its run.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;

const MAP_CREATE: libc::c_long = 0;
const PROG_LOAD: libc::c_long = 5;
const OBJ_PIN: libc::c_long = 6;
const OBJ_GET: libc::c_long = 7;
const PROG_TEST_RUN: libc::c_long = 10;
const BTF_LOAD: libc::c_long = 18;
const LINK_CREATE: libc::c_long = 28;
const ITER_CREATE: libc::c_long = 33;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_F_MMAPABLE: u32 = 1 << 10;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
const BPF_PROG_TYPE_TRACING: u32 = 26;
const BPF_TRACE_ITER: u32 = 28;
/// `bpf_probe_read_kernel()` is for programs under the GPL only; the project's licences allow that.
const LICENSE: &[u8] = b"Dual MIT/GPL\0";

/// `union bpf_attr`, as far as we fill it: 148 bytes, in words.
type Attributes = [u32; 37];

fn bpf(command: libc::c_long, attributes: &mut Attributes) -> Result<i32, Errno> {
    let bytes = size_of::<Attributes>();
    // SAFETY: the kernel reads and writes no more than `bytes` of the attributes; each caller keeps alive what they point to.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), bytes) };
    Errno::result(answer).map(|answer| answer as i32)
}

fn opened(command: libc::c_long, attributes: &mut Attributes) -> Result<OwnedFd, Errno> {
    let fd = bpf(command, attributes)?;
    // SAFETY: the kernel has just opened it for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn fill<const N: usize>(words: [(usize, u32); N], pointers: &[(usize, *const u8)]) -> Attributes {
    let mut attributes = [0; 37];
    let low_and_high = pointers.iter().flat_map(|&(at, pointer)| {
        let address = pointer.addr() as u64;
        [(at, address as u32), (at + 1, (address >> 32) as u32)]
    });
    for (at, word) in words.into_iter().chain(low_and_high) {
        if let Some(place) = attributes.get_mut(at) {
            *place = word;
        }
    }
    attributes
}

/// An array of one value that can be mapped into memory.
pub(super) fn create_shared(bytes: u32) -> Result<OwnedFd, Errno> {
    opened(MAP_CREATE, &mut fill([(0, BPF_MAP_TYPE_ARRAY), (1, 4), (2, bytes), (3, 1), (4, BPF_F_MMAPABLE)], &[]))
}

/// Type information.
pub(super) fn load_btf(btf: &[u8]) -> Result<OwnedFd, Errno> {
    opened(BTF_LOAD, &mut fill([(4, btf.len() as u32)], &[(0, btf.as_ptr())]))
}

/// A program, of which each function has its first instruction and its type in `functions`; one that we run, or one that an
/// iterator calls.
pub(super) fn load_program(
    code: &[u64],
    btf: BorrowedFd<'_>,
    functions: &[[u32; 2]],
    iterates: Option<u32>,
) -> Result<OwnedFd, Errno> {
    let kind = iterates.map_or(BPF_PROG_TYPE_RAW_TRACEPOINT, |_| BPF_PROG_TYPE_TRACING);
    let words = [
        (0, kind),
        (1, code.len() as u32),
        (17, iterates.map_or(0, |_| BPF_TRACE_ITER)),
        (18, btf.as_raw_fd() as u32),
        (19, size_of::<[u32; 2]>() as u32),
        (22, functions.len() as u32),
        (27, iterates.unwrap_or(0)),
    ];
    let pointers = [(2, code.as_ptr().cast()), (4, LICENSE.as_ptr()), (20, functions.as_ptr().cast())];
    opened(PROG_LOAD, &mut fill(words, &pointers))
}

/// An iterator that calls a program for each of its objects when it is read.
pub(super) fn iterate(program: &OwnedFd) -> Result<File, Errno> {
    let link = opened(LINK_CREATE, &mut fill([(0, program.as_raw_fd() as u32), (2, BPF_TRACE_ITER)], &[]))?;
    Ok(opened(ITER_CREATE, &mut fill([(0, link.as_raw_fd() as u32)], &[]))?.into())
}

/// Gives a program or a map a name in bpffs.
pub(super) fn pin(path: &CStr, fd: BorrowedFd<'_>) -> Result<(), Errno> {
    bpf(OBJ_PIN, &mut fill([(2, fd.as_raw_fd() as u32)], &[(0, path.as_ptr().cast())])).map(drop)
}

/// What has this name.
pub(super) fn get(path: &CStr) -> Result<OwnedFd, Errno> {
    opened(OBJ_GET, &mut fill([], &[(0, path.as_ptr().cast())]))
}

/// Runs a program once, now, on this thread; its return value.
pub(super) fn run(program: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut attributes = fill([(0, program.as_raw_fd() as u32)], &[]);
    bpf(PROG_TEST_RUN, &mut attributes)?;
    let [_, answer, ..] = attributes;
    Ok(answer)
}

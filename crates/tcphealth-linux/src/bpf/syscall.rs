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
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const RAW_TRACEPOINT_OPEN: libc::c_long = 17;
const BTF_LOAD: libc::c_long = 18;
const MAP_LOOKUP_BATCH: libc::c_long = 24;
const LINK_CREATE: libc::c_long = 28;
const ITER_CREATE: libc::c_long = 33;
const BPF_MAP_TYPE_HASH: u32 = 1;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_MAP_TYPE_RINGBUF: u32 = 27;
const BPF_F_NO_PREALLOC: u32 = 1;
const BPF_F_MMAPABLE: u32 = 1 << 10;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
const BPF_PROG_TYPE_TRACING: u32 = 26;
const BPF_TRACE_RAW_TP: u32 = 23;
const BPF_TRACE_ITER: u32 = 28;
/// `struct bpf_prog_info` up to its last member that we read, `recursion_misses`, in words.
const INFO_WORDS: usize = 54;
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

/// Keys with values, in memory that is taken as it is needed.
pub(super) fn create_hash(key_bytes: usize, value_bytes: usize, entries: u32) -> Result<OwnedFd, Errno> {
    let (key, value) = (key_bytes as u32, value_bytes as u32);
    let words = [(0, BPF_MAP_TYPE_HASH), (1, key), (2, value), (3, entries), (4, BPF_F_NO_PREALLOC)];
    opened(MAP_CREATE, &mut fill(words, &[]))
}

/// All keys of a map that holds at most `entries`, and as many values.
pub(super) fn read_hash(
    map: &OwnedFd,
    key_bytes: usize,
    value_bytes: usize,
    entries: u32,
) -> Result<(Vec<u8>, Vec<u8>), Errno> {
    let (mut keys, mut values) = (vec![0; key_bytes * entries as usize], vec![0; value_bytes * entries as usize]);
    let mut next = [0_u64; 4];
    let pointers = [
        (2, next.as_mut_ptr().cast_const().cast()),
        (4, keys.as_mut_ptr().cast_const()),
        (6, values.as_mut_ptr().cast_const()),
    ];
    let mut attributes = fill([(8, entries), (9, map.as_raw_fd() as u32)], &pointers);
    match bpf(MAP_LOOKUP_BATCH, &mut attributes) {
        // That was all of it.
        Ok(_) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(errno),
    }
    let [.., count] = *attributes.first_chunk::<9>().unwrap_or(&[0; 9]);
    keys.truncate(key_bytes * count as usize);
    values.truncate(value_bytes * count as usize);
    Ok((keys, values))
}

/// A ring of so many bytes, a power of two.
pub(super) fn create_ring(bytes: u32) -> Result<OwnedFd, Errno> {
    opened(MAP_CREATE, &mut fill([(0, BPF_MAP_TYPE_RINGBUF), (3, bytes)], &[]))
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

/// A program for the tracepoint with this id in the kernel's type information.
pub(super) fn load_tracing(code: &[u64], tracepoint: u32) -> Result<OwnedFd, Errno> {
    let words = [(0, BPF_PROG_TYPE_TRACING), (1, code.len() as u32), (17, BPF_TRACE_RAW_TP), (27, tracepoint)];
    opened(PROG_LOAD, &mut fill(words, &[(2, code.as_ptr().cast()), (4, LICENSE.as_ptr())]))
}

/// Lets a tracing program run at its tracepoint, as long as what is returned is open.
pub(super) fn attach(program: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    opened(RAW_TRACEPOINT_OPEN, &mut fill([(2, program.as_raw_fd() as u32)], &[]))
}

/// How often a program was not run, since it would have interrupted itself.
pub(super) fn misses(program: BorrowedFd<'_>) -> Result<u64, Errno> {
    let mut info = [0_u32; INFO_WORDS];
    let words = [(0, program.as_raw_fd() as u32), (1, size_of_val(&info) as u32)];
    bpf(OBJ_GET_INFO_BY_FD, &mut fill(words, &[(2, info.as_mut_ptr().cast_const().cast())]))?;
    let [.., low, high] = info;
    Ok(u64::from(high) << 32 | u64::from(low))
}

/// Runs a program once, now, on this thread; its return value.
pub(super) fn run(program: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut attributes = fill([(0, program.as_raw_fd() as u32)], &[]);
    bpf(PROG_TEST_RUN, &mut attributes)?;
    let [_, answer, ..] = attributes;
    Ok(answer)
}

//! What of a host's namespaces could not be judged, why, and how to see it.

use std::collections::BTreeMap;

use tcphealth_core::report::Unseen;
use tcphealth_core::rules::reason_of;
use tcphealth_core::snapshot::Absent;
use tcphealth_core::wire::sock_diag::ALL_STATES;
use tcphealth_core::{say, text};
use tcphealth_linux::{Brief, Host, Namespaces};

use crate::command::doctor::WITH_BPF;

/// Namespaces without a way in that are named.
const NAMED_MAX: usize = 5;

/// All that is known before the first look.
pub(super) fn of(found: &Namespaces) -> Vec<Unseen> {
    without_a_way_in(found).into_iter().chain(too_many(found.left_out)).collect()
}

/// Nothing is lost but time, where a walk would have paid.
pub(super) fn not_in_one_pass(why: &Absent) -> Unseen {
    Unseen {
        what: text! {
            en: "the sockets of all namespaces in one pass (eBPF), instead of a pass for each",
            ko: "모든 네임스페이스의 소켓을 한 번에 읽기(eBPF). 대신 하나씩 읽음"
        }
        .into(),
        why: reason_of(why),
        remedy: WITH_BPF.into(),
    }
}

/// Namespaces that the kernel's tables show sockets of, and that neither a process nor a mount leads to.
fn without_a_way_in(found: &Namespaces) -> Option<Unseen> {
    let count = |counts: &mut BTreeMap<u64, u64>, _: &_, netns| *counts.entry(netns).or_default() += 1;
    let want = Brief::of(ALL_STATES);
    let (mut counts, _) = Host::live().everywhere(&[], want, &mut { count }).ok()?;
    counts.retain(|netns, _| found.left_out == 0 && found.open.iter().all(|one| one.inode != *netns));
    let sockets: u64 = counts.values().sum();
    let mut largest: Vec<(u64, u64)> = counts.iter().map(|(netns, sockets)| (*sockets, *netns)).collect();
    largest.sort_unstable_by(|a, b| b.cmp(a));
    let names: Vec<String> = largest.iter().take(NAMED_MAX).map(|(_, netns)| format!("net:[{netns}]")).collect();
    (sockets > 0).then(|| Unseen {
        what: say! {
            en: "{count} network namespace(s) with {sockets} socket(s), such as {names}",
            ko: "네트워크 네임스페이스 {count}개의 소켓 {sockets}개({names} 등)",
            count = counts.len(), sockets = sockets, names = names.join(", ")
        },
        why: text! {
            en: "only a thread or a descriptor keeps them, so that nothing leads there",
            ko: "스레드나 디스크립터만 붙들고 있어 들어갈 길이 없음"
        }
        .into(),
        remedy: text! {
            en: "run tcphealth in the program that keeps it", ko: "붙들고 있는 프로그램 안에서 tcphealth를 실행한다"
        }
        .into(),
    })
}

/// An ordinary user cannot even know how many there are.
pub(super) fn not_permitted(closed: usize, refused: usize) -> Option<Unseen> {
    let why = match (closed, refused) {
        (0, 0) => return None,
        (0, _) => say! {
            en: "those of {refused} process(es) may not be seen", ko: "프로세스 {refused}개의 것은 볼 수 없음",
            refused = refused
        },
        _ => say! {
            en: "{closed} may not be entered, and those of {refused} process(es) not be seen",
            ko: "{closed}개는 들어갈 수 없고 프로세스 {refused}개의 것은 볼 수도 없음",
            closed = closed, refused = refused
        },
    };
    Some(Unseen {
        what: text! { en: "other network namespaces", ko: "다른 네트워크 네임스페이스" }.into(),
        why,
        remedy: text! {
            en: "run as root, or with CAP_SYS_ADMIN and CAP_SYS_PTRACE",
            ko: "root 또는 CAP_SYS_ADMIN과 CAP_SYS_PTRACE 권한으로 실행"
        }
        .into(),
    })
}

fn too_many(left_out: usize) -> Option<Unseen> {
    (left_out > 0).then(|| Unseen {
        what: say! {
            en: "{count} more network namespaces", ko: "그 밖의 네트워크 네임스페이스 {count}개", count = left_out
        },
        why: text! { en: "so many are not opened at once", ko: "이만큼 한꺼번에 열지 않음" }.into(),
        remedy: text! { en: "look at one by --netns NAME", ko: "--netns 이름으로 하나씩 본다" }.into(),
    })
}

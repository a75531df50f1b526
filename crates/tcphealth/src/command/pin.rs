//! `tcphealth pin`, `tcphealth unpin`: the program that walks the kernel's tables stays loaded, so that a look costs no loading.

use std::process::ExitCode;

use tcphealth_core::rules::reason_of;
use tcphealth_core::say;

use crate::speech::{self, Complaint, Speech};

/// Leaves the program in the kernel.
pub(crate) fn pin(speech: &Speech) -> anyhow::Result<ExitCode> {
    if let Err(absent) = tcphealth_linux::pin() {
        return Err(Complaint(say! {
            en: "nothing was pinned: {why}; it takes root, and a bpffs: mount -t bpf bpf /sys/fs/bpf",
            ko: "고정하지 못함: {why}. root 권한과 bpffs가 필요: mount -t bpf bpf /sys/fs/bpf";
            why = reason_of(&absent)
        })
        .into());
    }
    let done = say! {
        en: "pinned in {place} until the host starts anew, or `tcphealth unpin`",
        ko: "{place}에 고정함. 호스트를 다시 시작하거나 `tcphealth unpin`을 실행할 때까지 남음",
        place = tcphealth_linux::PINNED_IN
    };
    speech::print(&format!("{}\n", done.get(speech.lang)))?;
    Ok(ExitCode::SUCCESS)
}

/// Takes it out again.
pub(crate) fn unpin(speech: &Speech) -> anyhow::Result<ExitCode> {
    let done = if tcphealth_linux::unpin()? {
        say! { en: "unpinned", ko: "고정을 풀었음" }
    } else {
        say! { en: "nothing was pinned", ko: "고정된 것이 없음" }
    };
    speech::print(&format!("{}\n", done.get(speech.lang)))?;
    Ok(ExitCode::SUCCESS)
}

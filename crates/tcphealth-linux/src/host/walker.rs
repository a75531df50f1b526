//! The program that reads the sockets of looks: loaded once for all who share it, when it pays.

use std::cell::RefCell;
use std::rc::Rc;

use tcphealth_core::snapshot::{Absent, Census, Fold, Marks};

use super::DEEP_FROM;
use crate::bpf::DeepWalk;
use crate::sockets;
use crate::source::Source;

/// As [`DEEP_FROM`] where one look follows the other, so that loading counts for nothing: below, there is nothing to be gained.
const RESIDENT_FROM: u64 = 10_000;

/// A program in the kernel that reads the sockets of a look, for one host or for many that look one after the other. Of tcp_info it
/// tells what rules read, and no more.
#[derive(Clone, Debug)]
pub struct Walker {
    walk: Rc<RefCell<Option<Result<DeepWalk, Absent>>>>,
    /// Sockets of the whole host from which it is used.
    from: u64,
}

impl Default for Walker {
    fn default() -> Self {
        Self { walk: Rc::default(), from: DEEP_FROM }
    }
}

impl Walker {
    /// For one host that is looked at again and again.
    pub(super) fn resident() -> Self {
        Self { from: RESIDENT_FROM, ..Self::default() }
    }

    /// Whether it is permitted, and so many sockets make it worth while. Who uses it goes on until there are half as many: each
    /// change of the way is a look that is compared with nothing.
    pub(super) fn pays(&self, sockets: u64, in_use: bool) -> bool {
        let from = if in_use { self.from / 2 } else { self.from };
        sockets >= from
            && self.walk.try_borrow_mut().is_ok_and(|mut walk| walk.get_or_insert_with(DeepWalk::load).is_ok())
    }

    /// One that fails is not tried again.
    pub(super) fn census(&self, source: &mut Source, fold: Fold<'_>) -> Result<(Census, Marks), Absent> {
        let mut slot = self.walk.try_borrow_mut().map_err(|_| Absent::NotAsked)?;
        let walk = slot.get_or_insert_with(DeepWalk::load).as_mut().map_err(|absent| absent.clone())?;
        let read = sockets::census_by_walk(source, fold, walk);
        if let Err(absent) = &read {
            *slot = Some(Err(absent.clone()));
        }
        read
    }
}

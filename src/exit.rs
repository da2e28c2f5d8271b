//! Exit codes: what scripts and CI read.

use std::process::{ExitCode, Termination};

use fmp_plan::Standing;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything is as it should be.
    Fine = 0,
    /// Something went wrong, or was asked wrongly.
    Error = 1,
    /// There is something to do, or something differs.
    Changes = 2,
    /// Something is wanted and nothing can be done, or a given plan is stale.
    Blocked = 3,
}

impl From<Standing> for Exit {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::InSync => Self::Fine,
            Standing::Steps => Self::Changes,
            Standing::Blocked => Self::Blocked,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

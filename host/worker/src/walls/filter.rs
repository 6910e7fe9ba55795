//! The system calls of a worker whose guests run.

use std::collections::BTreeMap;

use libc::{c_int, c_long};
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

/// Calls that take no part of the machine that is not the process's own already.
const ALWAYS: [c_long; 32] = [
    // What is open: the pipe, the file without a name, and standard error.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_close,
    libc::SYS_ppoll,
    // Memory, which is bounded. What may be mapped is said below.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_brk,
    libc::SYS_membarrier,
    // Threads that there are, and signals of their own.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Time and chance, which guests have from elsewhere.
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
];

#[cfg(target_arch = "x86_64")]
const ARCH: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCH: TargetArch = TargetArch::aarch64;
#[cfg(target_arch = "riscv64")]
const ARCH: TargetArch = TargetArch::riscv64;

/// Calls that are allowed where an argument, by its position, has one of these values.
const SOMETIMES: &[(c_long, u8, &[c_int])] = &[
    // The pipe carries bytes and neither files nor what is out of band.
    (libc::SYS_sendto, 3, &[0, libc::MSG_NOSIGNAL]),
    (libc::SYS_recvfrom, 3, &[0, libc::MSG_NOSIGNAL]),
    (
        libc::SYS_fcntl,
        1,
        &[libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL],
    ),
    // The spill gives space back. To take it would be in no bound.
    (libc::SYS_fallocate, 1, &[libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE]),
    (libc::SYS_madvise, 2, &[libc::MADV_DONTNEED, libc::MADV_FREE]),
    // Threads that are still at their beginning take their names.
    (libc::SYS_prctl, 0, &[libc::PR_SET_NAME]),
];

/// Has the kernel end this process when any of its threads does anything else.
pub(super) fn install() -> Result<(), Error> {
    apply_filter_all_threads(&program().map_err(Error::Backend)?)
}

fn program() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_poll, Vec::new());
    // Memory that can be executed is made when components are loaded, and never after;
    // what is shared or grows by itself is in no bound.
    let not_executable = || lacks(2, libc::PROT_EXEC);
    let private = lacks(3, libc::MAP_SHARED | libc::MAP_GROWSDOWN)?;
    rules.insert(libc::SYS_mmap, vec![SeccompRule::new(vec![not_executable()?, private])?]);
    rules.insert(libc::SYS_mprotect, vec![SeccompRule::new(vec![not_executable()?])?]);
    for (call, argument, values) in SOMETIMES {
        let allowed: Result<Vec<SeccompRule>, BackendError> =
            values.iter().map(|value| SeccompRule::new(vec![is(*argument, *value)?])).collect();
        rules.insert(*call, allowed?);
    }
    // An abort signals the process itself.
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![is(0, own)?])?]);
    rules.insert(libc::SYS_getpid, Vec::new());
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, ARCH)?.try_into()
}

/// An argument has none of these bits.
fn lacks(argument: u8, bits: c_int) -> Result<SeccompCondition, BackendError> {
    let bits = u64::try_from(bits).unwrap_or(u64::MAX);
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(bits), 0)
}

/// An argument is this.
fn is(argument: u8, value: c_int) -> Result<SeccompCondition, BackendError> {
    let value = u64::try_from(value).unwrap_or(u64::MAX);
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

//! Attempts at what the walls forbid, by which a machine is tried.

use std::fs::File;
use std::net::UdpSocket;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use crate::message::Attack;

/// What every machine has, and everybody may read.
const FILE: &str = "/etc/passwd";

/// Bytes of a page.
const PAGE: usize = 4096;

impl Attack {
    /// Tries. Where a wall stands, this ends the process or is an error.
    pub(crate) fn commit(self) -> Result<(), String> {
        let told = |err: &dyn std::fmt::Display| err.to_string();
        match self {
            Self::None => Err("nothing was tried".to_owned()),
            Self::ReadFile | Self::OpenFile => File::open(FILE).map(drop).map_err(|err| told(&err)),
            Self::OpenSocket => UdpSocket::bind("127.0.0.1:0").map(drop).map_err(|err| told(&err)),
            Self::StartProgram => {
                let started = std::process::Command::new("/bin/true").spawn();
                started.map(drop).map_err(|err| told(&err))
            }
            Self::StartThread => {
                let started = std::thread::Builder::new().spawn(|| ());
                started.map(drop).map_err(|err| told(&err))
            }
            Self::ExecuteMemory => {
                map(ProtFlags::READ | ProtFlags::EXEC, MapFlags::PRIVATE).map_err(|err| told(&err))
            }
            Self::ShareMemory => {
                map(ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED).map_err(|err| told(&err))
            }
        }
    }
}

fn map(access: ProtFlags, how: MapFlags) -> rustix::io::Result<()> {
    #[expect(unsafe_code, reason = "to see that there is a wall, it must be run against")]
    // SAFETY: the kernel chooses a place where nothing is, nobody uses the memory, and it
    // is given back.
    unsafe {
        let page = mmap_anonymous(ptr::null_mut(), PAGE, access, how)?;
        munmap(page, PAGE)
    }
}

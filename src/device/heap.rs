//! How the C library's allocator shares out memory.
//!
//! Only glibc's is told anything: others neither make arenas nor keep what is free.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    /// Arenas of the allocator. Left alone it makes eight for each processor as threads come and go, and what a thread
    /// that looked at a thousand files gave back stays in its arena, of no use to the others. The threads of this program
    /// seldom allocate at the same time: what is sent is not copied.
    const ARENAS: libc::c_int = 2;

    pub fn share_arenas() {
        // SAFETY: it takes two numbers and touches nothing of ours.
        let taken = unsafe { libc::mallopt(libc::M_ARENA_MAX, ARENAS) };
        if taken == 0 {
            tracing::debug!("the allocator makes as many arenas as it likes");
        }
    }

    pub fn give_back() {
        // SAFETY: only memory that is free is given back.
        unsafe { libc::malloc_trim(0) };
    }
}

/// Keeps the allocator to a few arenas. Call it before there are threads.
pub fn share_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::share_arenas();
}

/// Gives free memory back to the system; takes about a millisecond. After a burst, a thousand files hashed or hundreds of
/// peers that left, the allocator keeps most of what it needed.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::give_back();
}

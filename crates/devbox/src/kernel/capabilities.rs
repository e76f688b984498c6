//! The bounding set: what no process of the devbox can ever get back.
#![allow(unsafe_code, reason = "prctl(2) by number: the kernel may know capabilities that no library names yet")]

/// Empties the bounding set.
pub(crate) fn empty_bounding_set() -> std::io::Result<()> {
    for number in 0..=u64::from(u8::MAX) {
        // SAFETY: PR_CAPBSET_DROP takes a number and touches no memory of ours.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) } == 0 {
            continue;
        }
        let error = std::io::Error::last_os_error();
        // The first unknown number is the end of the list.
        return if error.raw_os_error() == Some(libc::EINVAL) && number > 0 { Ok(()) } else { Err(error) };
    }
    Ok(())
}

//! What a disk that is written to begins as.

use crate::{
    manifest::Chunked,
    overlay::{BLOCK, File, Overlay, Trouble},
};

/// The chunks that a new disk needs before its guest may see it: all that are not zeros. Once they
/// are written, the disk needs the image no more, also where a later image has another one.
pub fn wanted(disk: &Chunked) -> impl Iterator<Item = (u32, crate::Digest)> {
    let numbered = (0..).zip(&disk.chunks);
    numbered.filter_map(|(chunk, digest)| Some((chunk, (*digest)?)))
}

/// Writes one of them. [`Overlay::sync`] after the last makes the disk known.
pub fn write<F: File>(
    overlay: &mut Overlay<F>,
    chunk: u32,
    size: u32,
    bytes: &[u8],
) -> Result<(), Trouble> {
    let start = u64::from(chunk) * u64::from(size);
    for (number, block) in (0..).zip(bytes.chunks(BLOCK)) {
        if block.iter().any(|byte| *byte != 0) {
            overlay.write(start + number * BLOCK as u64, block)?;
        }
    }
    Ok(())
}

//! The checksums of a file, both in one pass: SHA-256, and that of cksum(1) for hosts that have no better.
//!
//! Boundary: bytes in, text out. Source of the CRC: IEEE Std 1003.1, XCU, cksum.

use std::{fmt::Write as _, io};

use sha2::{Digest as _, Sha256};

use crate::transport::Input;

/// The checksums of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// SHA-256, 64 hexadecimal digits.
    pub sha256: String,
    /// What cksum(1) prints first, decimal.
    pub cksum: String,
}

/// The remainders of the 256 one-byte messages by the polynomial 0x04C11DB7.
const TABLE: [u32; 256] = {
    let mut table = [0_u32; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 0x8000_0000 == 0 { value << 1 } else { (value << 1) ^ 0x04C1_1DB7 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
};

fn step(crc: u32, byte: u8) -> u32 {
    (crc << 8) ^ TABLE[usize::from(crc.to_be_bytes()[0] ^ byte)]
}

pub(super) fn of(input: &dyn Input) -> io::Result<Digest> {
    let (mut sha256, mut crc) = (Sha256::new(), 0_u32);
    let mut buffer = vec![0; 256 * 1024];
    let mut offset = 0;
    while offset < input.size() {
        let left = usize::try_from(input.size() - offset).unwrap_or(buffer.len()).min(buffer.len());
        let read = match input.read_at(&mut buffer[..left], offset) {
            Ok(0) => return Err(io::Error::other("it became shorter while it was read")),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        sha256.update(&buffer[..read]);
        crc = buffer[..read].iter().fold(crc, |crc, byte| step(crc, *byte));
        offset += read as u64;
    }
    // The length follows the bytes, lowest byte first and without zeros at its end.
    let mut length = input.size();
    while length > 0 {
        crc = step(crc, length.to_le_bytes()[0]);
        length >>= 8;
    }
    let mut digits = String::with_capacity(64);
    for byte in sha256.finalize() {
        let _ = write!(digits, "{byte:02x}");
    }
    Ok(Digest { sha256: digits, cksum: (!crc).to_string() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    use super::*;

    fn said_by(program: &str, bytes: &[u8]) -> String {
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
    }

    #[test]
    fn both_checksums_are_those_of_the_system_s_tools() {
        for size in [0_usize, 1, 255, 256, 300_001] {
            let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n * 31 % 256).unwrap()).collect();
            let digest = of(&bytes).unwrap();
            assert_eq!(digest.sha256, said_by("sha256sum", &bytes), "{size}");
            assert_eq!(digest.cksum, said_by("cksum", &bytes), "{size}");
        }
    }
}

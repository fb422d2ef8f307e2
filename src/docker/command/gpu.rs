//! What is asked of `nvidia-smi`, on hosts that have it.
//!
//! Boundary: command text; the answers are [`crate::docker::gpu`]'s.

/// Utilisation per process, one sample of about a second; read by [`crate::docker::gpu::parse_processes`]
/// (nvidia-smi(1), "pmon").
#[must_use]
pub fn gpu_processes() -> &'static str {
    "nvidia-smi pmon -c 1 -s u"
}

/// Which process computes on which GPU; read by [`crate::docker::gpu::parse_pids_by_gpu`] (`nvidia-smi --help-query-compute-apps`).
#[must_use]
pub fn gpu_pids() -> &'static str {
    "nvidia-smi --query-compute-apps=gpu_uuid,pid --format=csv,noheader,nounits"
}

/// Utilisation per GPU; read by [`crate::docker::gpu::parse_utilization`] (`nvidia-smi --help-query-gpu`).
#[must_use]
pub fn gpu_utilization() -> &'static str {
    "nvidia-smi --query-gpu=uuid,utilization.gpu --format=csv,noheader,nounits"
}

//! argv in, exit code out.

fn main() -> std::process::ExitCode {
    mcp::cli::main()
}

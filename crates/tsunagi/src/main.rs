//! The program `tsunagi`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tsunagi::main()
}

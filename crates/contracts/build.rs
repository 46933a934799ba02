//! Compiles `proto/` with protox, so that no machine needs a `protoc`.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let files = protos(&root.join("tsunagi"))?;
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    // The options (who may call a method) are read at run time from the descriptors: only protox's own encoding keeps them. The
    // comments are what reflection tells and the operator's command line helps with.
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("descriptors.binpb"), compiler.encode_file_descriptor_set())?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .bytes(".tsunagi.events.v1.LineWebhookEvent.raw")
        .bytes(".tsunagi.messaging.v1.FetchContentResponse.chunk")
        .include_file("protos.rs")
        .compile_fds_with_config(without_comments(compiler.file_descriptor_set()), config)?;
    Ok(())
}

/// The files as the generated code takes them: a comment of a proto file is no Rust documentation.
fn without_comments(mut files: prost_types::FileDescriptorSet) -> prost_types::FileDescriptorSet {
    for file in &mut files.file {
        file.source_code_info = None;
    }
    files
}

fn protos(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(protos(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

//! What the proto files say of services, methods and fields: the help of the commands made of them.

use prost_reflect::{FieldDescriptor, FileDescriptor, MethodDescriptor};

/// The comment before a method.
pub(super) fn of_method(method: &MethodDescriptor) -> String {
    before(&method.parent_service().parent_file(), method.path())
}

/// The comment before a field.
pub(super) fn of_field(field: &FieldDescriptor) -> String {
    before(&field.parent_message().parent_file(), field.path())
}

/// The comment before the declaration at `path`, on one line; empty where there is none.
fn before(file: &FileDescriptor, path: &[i32]) -> String {
    let places = file.file_descriptor_proto().source_code_info.as_ref().map(|info| info.location.as_slice());
    let place = places.unwrap_or_default().iter().find(|place| place.path == path);
    let lines = place.map(|place| place.leading_comments().lines().map(str::trim).collect::<Vec<_>>());
    lines.unwrap_or_default().join(" ").trim().to_owned()
}

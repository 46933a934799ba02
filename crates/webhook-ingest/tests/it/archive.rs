//! ArchiveService: a tenant sees its own and nothing else.

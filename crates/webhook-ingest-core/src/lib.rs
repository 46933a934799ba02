//! webhook-ingest-core

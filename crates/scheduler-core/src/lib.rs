//! scheduler-core

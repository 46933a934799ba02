//! line-simulator

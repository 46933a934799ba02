//! gRPC: the server every service puts its methods on, the client it calls others with, and how it refuses.

pub mod refuse;

//! Staff on LINE: the staff account, and how staff can be reached.

mod account;
mod contact;
mod scene;

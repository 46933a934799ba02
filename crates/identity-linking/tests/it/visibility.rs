//! Who of the staff sees which customers, LINE users, links and attempts (F-72): the branch whose they are, and administrators.

mod company;
mod found;
mod pages;
mod whose;

//! The executor against worlds that answer in any order.

mod property;
mod run;
mod scenario;

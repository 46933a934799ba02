//! When a timer enters the calendar. The table holds every timer; the calendar, a small index of it, only those of about the next
//! hour, so that a look at it costs the same whatever waits. Who makes a timer enters it if it is near, and the others are entered
//! by and by as their moments come near.

use chrono::TimeDelta;

/// What is due this soon is entered by whoever makes or moves it.
pub const NEAR: TimeDelta = TimeDelta::hours(1);
/// What is due this soon and is not in the calendar is entered at the next look. Between the two no transaction lives: whoever found a
/// timer not to be near has committed it long before its moment, and no look need remember how far the last one went.
pub const AHEAD: TimeDelta = TimeDelta::minutes(30);

#[cfg(test)]
mod tests;

//! Sequences of anything: what people declare, what the machine uses, what people do in ConnectWise, faults, kills, two
//! leaders and time, in any order, over the world of the crash matrix. What must come of them is stated over what was put
//! in and what the simulator holds and bills, never over what the program says of itself.

mod covered;
mod declared;
mod events;
mod expected;
mod fields;
mod life;
mod machine;
mod properties;
mod totals;

//! The main job on real parts: machines become agreements, follow their usage, and nothing else is written.

mod converge;

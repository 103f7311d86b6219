//! Twenty machines of two customers become twenty agreements with sixty lines, exactly.

use std::time::Duration;

use crate::world::{World, WorldOptions};

#[test]
fn machines_become_agreements() {
    let world = World::start(&WorldOptions::default());
    world.await_converged(20);
    assert_eq!(world.differences(), Vec::<String>::new());
    world.assert_clean();
    world.await_quiet(Duration::from_secs(3));
}

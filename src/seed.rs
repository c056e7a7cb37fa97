//! The origin engine: a sans-IO swarm, and the sockets, shaper and reader around it.

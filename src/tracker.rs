//! The embedded tracker: a sans-IO swarm table behind HTTP and UDP.

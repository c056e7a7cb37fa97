//! Pure deciders. Time is an argument; every decision carries its reason.

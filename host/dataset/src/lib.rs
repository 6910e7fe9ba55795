//! What rollouts become: trajectories and export profiles.

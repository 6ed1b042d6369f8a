//! The machine: its disks, what holds them, its identity for a plan.

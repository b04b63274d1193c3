"""Periodic finite-element problem: assembly, linear solver, Newton, time stepping."""

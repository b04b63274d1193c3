"""Constitutive laws at one material point and their batched evaluation."""

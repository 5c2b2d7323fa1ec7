"""Seeded simulations of the agent's own code in simulated time."""

"""Limpet's agent: what is flashed. `agent.app` puts the parts together."""

VERSION = "0.1.0"

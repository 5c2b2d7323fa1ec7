"""MQTT 5.0 and 3.1.1 for a client: what the agent holds on by. See README.md."""

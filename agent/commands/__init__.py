"""Commands: what a caller asks, whether it may run, and what came of it. Never MQTT."""

"""The device's twin: settings wanted from afar, and settings in force. See README.md."""

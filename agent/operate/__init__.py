"""What keeps an unattended agent running: crash records, the service manager. See README.md."""

"""The parts of `tools/check`: what each runs, and how the whole is told."""

"""Builds what runs on devices; the code behind tools/firmware and tools/size."""

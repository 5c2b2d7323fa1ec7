"""Releases: built, signed, kept in a depot, published, served. What `tools/release` is made of."""

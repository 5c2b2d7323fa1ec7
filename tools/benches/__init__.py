"""The benches behind `tools/bench`: each measures one thing and yields rows; see README.md."""

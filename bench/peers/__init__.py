"""The peers' sides of the benchmarks."""

"""What the tunnel's benchmarks share: the load generator, the baselines, the relay under test, the report."""

"""Questions about a graph with facts: cost, reach, hashes, lock. Imports passes, emit's library."""

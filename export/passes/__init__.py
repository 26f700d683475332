"""From a graph to the populations that every target shares: paths, one operation per path, and the normal form."""

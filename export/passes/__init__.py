"""Graph to graph: small pure steps toward the populations that every target shares."""

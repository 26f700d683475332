"""Operations, latency and energy: what is counted, what is measured, and what published constants make of it."""

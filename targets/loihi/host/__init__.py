"""What a Loihi host runs: a script that needs Lava alone, sent along with every artifact."""

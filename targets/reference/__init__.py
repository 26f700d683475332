"""The float graph's own equations as a target."""

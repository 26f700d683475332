"""data list, fetch, verify: public recordings."""

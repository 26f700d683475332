"""From a serial port to decisions on beats: source, session, recorder, live view."""

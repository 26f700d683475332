"""The demo: the shipped model on a minute of ECG from a serial port, and the page that tells what was seen."""

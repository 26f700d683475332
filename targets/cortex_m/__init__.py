"""The generated C on an emulated Cortex-M4: the microcontroller without the board."""

"""The integer network as ONNX models, exact to the last bit."""

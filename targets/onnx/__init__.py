"""ONNX Runtime: the integer network as two ONNX models, exact to the last bit."""

"""ONNX Runtime: the integer network, exact to the last bit, and float graphs, each as three ONNX models."""

"""Float graphs as ONNX models: every node of NIR 1.0, in float32 or float64."""

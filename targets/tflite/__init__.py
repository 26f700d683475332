"""TensorFlow Lite: the integer network as .tflite models, exact to the last bit, made without TensorFlow.

TensorFlow's converter starts from a TensorFlow graph, decides for itself what it fuses and how it quantizes, and fails
on the states of a stateful int8 model (tensorflow#51668). The file it writes is a FlatBuffer of a published schema, so
:mod:`cortexcore.targets.tflite.flatbuffer` writes it through the schema's own bindings (the package ``tflite``:
FlatBuffers and NumPy, nothing else): every operator stands in the file because a line here says so.
"""

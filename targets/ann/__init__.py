"""The int8 ANN of a network's shape, as a yardstick for what the network costs."""

from cortexcore.targets.ann.beside import beside as beside
from cortexcore.targets.ann.build import equivalent_ann as equivalent_ann
from cortexcore.targets.ann.onnx_form import to_onnx as to_onnx
from cortexcore.targets.ann.run import encode as encode
from cortexcore.targets.ann.run import run as run
from cortexcore.targets.ann.tflite_form import to_tflite as to_tflite

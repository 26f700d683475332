"""NIR files: float graphs and integer networks, ours and other tools'."""

from cortexcore.export.nir_io.integer_read import read_integer_nir as read_integer_nir
from cortexcore.export.nir_io.integer_write import write_integer_nir as write_integer_nir
from cortexcore.export.nir_io.load import load_graph_file as load_graph_file
from cortexcore.export.nir_io.read import read_nir as read_nir
from cortexcore.export.nir_io.write import write_nir as write_nir
